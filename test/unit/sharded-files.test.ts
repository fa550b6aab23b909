import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { ClassifierHead } from '../../lib/index.js';
import { runRanks } from '../helpers/ranks.js';
import { common, data, expectNear, labels, x } from '../helpers/shards.js';

const folder = mkdtempSync(join(tmpdir(), 'hypersphere-shards-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('shards and files', () => {
  it('each saves its own; another number of ranks takes its part of a whole file', async () => {
    const options = { ...common, optimizer: hs.sgd({ learningRate: 0.1, weightDecay: 0.01 }) };
    const whole = new ClassifierHead(options);
    whole.step(x, labels);
    await whole.save(join(folder, 'whole'));
    whole.step(x, labels);
    const results = await runRanks<{ after: number[]; again: number[]; steps: number }>(
      3,
      `
      ${data}
      const head = await hs.ClassifierHead.load(${JSON.stringify(join(folder, 'whole'))}, { collective });
      const own_file = ${JSON.stringify(folder)} + '/shard' + rank;
      head.step(mine, own);
      const after = [...head.weights.data];
      await head.save(own_file);
      head.step(mine, own);
      const loaded = await hs.ClassifierHead.load(own_file, { collective });
      loaded.step(mine, own);
      if (!loaded.weights.data.every((w, i) => w === head.weights.data[i])) throw new Error('other weights after load');
      return { after, again: [...loaded.weights.data], steps: loaded.steps };
    `,
    );
    expectNear(
      results.flatMap(({ after }) => after),
      whole.weights.data,
      8,
    );
    whole.step(x, labels);
    expectNear(
      results.flatMap(({ again }) => again),
      whole.weights.data,
      8,
    );
    for (const { steps: made } of results) expect(made).toBe(3);
    await expect(ClassifierHead.load(join(folder, 'shard1'))).rejects.toMatchObject({
      code: 'ERR_OPTION_RANGE',
      argument: 'options.shard',
    });
  });

  it('a file that is missing, or not for that rank, leaves no rank with a head', async () => {
    await new ClassifierHead(common).save(join(folder, 'sound'));
    const results = await runRanks<string[]>(
      2,
      `
      const codes = [];
      const load = async (name, options = {}) => {
        try { await hs.ClassifierHead.load(${JSON.stringify(folder)} + '/' + name, { collective, ...options }); codes.push('none'); }
        catch (error) { codes.push(error.code); }
      };
      await load(rank === 0 ? 'sound' : 'missing');
      await load('sound', rank === 1 ? { shard: { from: 5, to: 11 } } : { shard: { from: 0, to: 6 } });
      await load('sound');
      return codes;
    `,
    );
    expect(results).toEqual([
      ['ERR_ABORTED', 'ERR_OPTION_RANGE', 'none'],
      ['ENOENT', 'ERR_OPTION_RANGE', 'none'],
    ]);
  });

  it('growth goes to the last shard, and equals the larger head', async () => {
    const results = await runRanks<{ weights: number[]; shard: hs.Shard; classes: number }>(
      2,
      `
      ${data}
      const head = new hs.ClassifierHead({ ...${JSON.stringify(common)}, collective });
      head.step(mine, own);
      head.grow(15);
      head.step(mine, own.map((label) => label === 10 ? 14 : label));
      return { weights: [...head.weights.data], shard: head.shard, classes: head.classes };
    `,
    );
    const whole = new ClassifierHead(common);
    whole.step(x, labels);
    whole.grow(15);
    whole.step(
      x,
      labels.map((label) => (label === 10 ? 14 : label)),
    );
    expect(results.map(({ shard }) => shard)).toEqual([
      { from: 0, to: 6 },
      { from: 6, to: 15 },
    ]);
    expectNear(
      results.flatMap(({ weights }) => weights),
      whole.weights.data,
      8,
    );
  });
});
