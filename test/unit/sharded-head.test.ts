import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { ClassifierHead, type ClassifierHeadOptions, info } from '../../lib/index.js';
import { onBothBackends } from '../helpers/native.js';
import { runRanks } from '../helpers/ranks.js';

const [classes, dim, rows, steps] = [11, 6, 9, 3];
const folder = mkdtempSync(join(tmpdir(), 'hypersphere-shards-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

// The same rows here and on every rank. Ranks have 4, 0 and 5 of them, or 4 and 5: batches may differ, and be empty.
const data = `
  const random = hs.createRandom(9);
  const x = Float32Array.from({ length: ${rows * dim} }, () => random.normal());
  const labels = Int32Array.of(0, 10, 5, -100, 5, 3, 7, 10, 1);
  const starts = size === 2 ? [0, 4, 9] : [0, 4, 4, 9];
  const mine = hs.matrix(x.slice(${dim} * starts[rank], ${dim} * starts[rank + 1]), ${dim});
  const own = labels.slice(starts[rank], starts[rank + 1]);
`;
const random = hs.createRandom(9);
const x = hs.matrix(
  Float32Array.from({ length: rows * dim }, () => random.normal()),
  dim,
);
const labels = Int32Array.of(0, 10, 5, -100, 5, 3, 7, 10, 1);

interface RankResult {
  readonly losses: number[];
  readonly perExample: number[];
  readonly gradEmbeddings: number[];
  readonly gradWeights: number[];
  readonly weights: number[];
  readonly shard: hs.Shard;
  readonly best: number[];
  readonly scores: number[];
  readonly logits: number[];
  readonly sampled: number;
}

/** Trains one head after another, an entry of the result each. */
const training = (heads: readonly object[]): string => `
  ${data}
  return ${JSON.stringify(heads)}.map((options) => {
    const head = new hs.ClassifierHead({ ...options, collective });
    const { gradWeights } = head.forwardBackward(mine, own);
    const losses = [];
    let last;
    for (let step = 0; step < ${steps}; step++) {
      last = head.step(mine, own);
      losses.push(last.loss);
    }
    const { classes, scores } = head.predict(mine, { k: 4 });
    return {
      losses,
      perExample: [...last.perExample],
      gradEmbeddings: [...last.gradEmbeddings.data],
      gradWeights: [...gradWeights.data],
      weights: [...head.weights.data],
      shard: head.shard,
      best: [...classes.data],
      scores: [...scores.data],
      logits: [...head.logits(mine).data],
      sampled: last.sampledClasses,
    };
  });
`;

/** float32 throughout, a handful of steps: some roundings of the numbers that go in, which are of size 8 (the scale) at most. */
function expectNear(actual: number[], expected: ArrayLike<number>, scale: number): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((value, i) => expect(Math.abs(value - (expected[i] as number)), `[${i}]`).toBeLessThan(256 * 2 ** -24 * scale));
}

const common = { classes, dim, seed: 5, margin: hs.cosFace({ s: 8, m: 0.2 }) };
const cases: Record<string, ClassifierHeadOptions> = {
  cosFace: common,
  'arcFace, AdaGrad': { ...common, margin: hs.arcFace({ s: 8, m: 0.3 }), optimizer: hs.adaGrad({ learningRate: 0.01 }) },
  'lSoftmax with a λ schedule': { ...common, margin: hs.lSoftmax({ m: 2 }), lambdaSchedule: { base: 4 } },
  'sub-centers': { ...common, margin: hs.subCenters(2, hs.arcFace({ s: 8, m: 0.3 })) },
  'sub-centers with AdaFace': { ...common, margin: hs.subCenters(2, hs.adaFace({ s: 8, tAlpha: 0.5 })) },
  adaFace: { ...common, margin: hs.adaFace({ s: 8, tAlpha: 0.5 }) },
  magFace: { ...common, margin: hs.magFace({ s: 8, lA: 1, uA: 4 }) },
  softTriple: { ...common, margin: hs.softTriple({ k: 2, la: 8 }) },
  'sampled classes': { ...common, sampleRate: 0.6 },
  'the positives alone': { ...common, sampleRate: 0.01 },
};

onBothBackends('shards', () => {
  describe.each([2, 3])('%i of eleven classes', (size) => {
    let results: RankResult[][];
    const env = (): Record<string, string> => ({ HYPERSPHERE_BACKEND: info().backend });
    beforeAll(async () => {
      results = await runRanks<RankResult[]>(size, training(Object.values(cases)), { env: env() });
    });

    it.each(Object.entries(cases))('equal the whole head: %s', (name, options) => {
      const whole = new ClassifierHead(options);
      const { gradWeights } = whole.forwardBackward(x, labels);
      const losses: number[] = [];
      let last: hs.StepResult | undefined;
      for (let step = 0; step < steps; step++) {
        last = whole.step(x, labels);
        losses.push(last.loss);
      }
      const ranks = results.map((heads) => heads[Object.keys(cases).indexOf(name)] as RankResult);
      const joined = (key: 'perExample' | 'gradEmbeddings' | 'gradWeights' | 'weights' | 'best' | 'scores'): number[] =>
        ranks.flatMap((result) => result[key]);
      const bounds = size === 2 ? [0, 6, 11] : [0, 4, 8, 11];
      expect(ranks.map(({ shard }) => shard)).toEqual(ranks.map((_, rank) => ({ from: bounds[rank], to: bounds[rank + 1] })));
      // Every rank tells the loss of all rows.
      for (const result of ranks) expectNear(result.losses, losses, 16);
      expectNear(joined('gradWeights'), gradWeights.data, 64);
      expectNear(joined('perExample'), (last as hs.StepResult).perExample, 16);
      expectNear(joined('gradEmbeddings'), (last as hs.StepResult).gradEmbeddings.data, 8);
      expectNear(joined('weights'), whole.weights.data, 8);
      for (const { sampled } of ranks) expect(sampled).toBe((last as hs.StepResult).sampledClasses);
      const predicted = whole.predict(x, { k: 4 });
      expect(joined('best')).toEqual([...predicted.classes.data]);
      expectNear(joined('scores'), predicted.scores.data, 8);
      // logits are of the own rows and the own classes.
      const logits = whole.logits(x).data;
      const starts = size === 2 ? [0, 4, 9] : [0, 4, 4, 9];
      ranks.forEach(({ shard, logits: found }, rank) => {
        const mine = Array.from({ length: rows }, (_, i) => i).slice(starts[rank], starts[rank + 1]);
        const expected = mine.flatMap((i) => [...logits.subarray(i * classes + shard.from, i * classes + shard.to)]);
        expectNear(found, expected, 8);
      });
    });

    it('give the same bits every time, however small the memory they share', async () => {
      const options = [{ ...common, sampleRate: 0.7, precision: 'bfloat16' }, ...Object.values(cases)];
      const first = await runRanks<RankResult[]>(size, training(options), { env: env() });
      const second = await runRanks<RankResult[]>(size, training(options), { env: env(), group: { slotBytes: 64 } });
      expect(second).toEqual(first);
      expect(first.map((heads) => heads.slice(1))).toEqual(results);
    });
  });
});

onBothBackends('a shard without a sampled class', () => {
  it('adds nothing, and nothing of it moves', async () => {
    const options = { ...common, sampleRate: 0.01 };
    const results = await runRanks<{ loss: number; gradEmbeddings: number[]; moved: number[]; sampled: number }>(
      3,
      `
      ${data}
      const head = new hs.ClassifierHead({ ...${JSON.stringify(options)}, collective });
      const before = head.weights.data.slice();
      const { loss, gradEmbeddings, sampledClasses } = head.step(mine, own.map((label) => label < 0 ? label : label % 4));
      const moved = [...head.weights.data].flatMap((w, i) => w !== before[i] && i % ${dim} === 0 ? [head.shard.from + i / ${dim}] : []);
      return { loss, gradEmbeddings: [...gradEmbeddings.data], moved, sampled: sampledClasses };
    `,
      { env: { HYPERSPHERE_BACKEND: info().backend } },
    );
    expect(results.map(({ moved, sampled }) => [moved, sampled])).toEqual([
      [[0, 1, 2, 3], 4],
      [[], 4],
      [[], 4],
    ]);
    const weights = hs.takeRows(new ClassifierHead(options).weights as hs.Matrix, [0, 1, 2, 3]);
    const places = labels.map((label) => (label < 0 ? label : label % 4));
    const expected = hs.marginSoftmax(x, weights, places, { margin: common.margin });
    for (const { loss } of results) expectNear([loss], [expected.loss], 16);
    expectNear(
      results.flatMap(({ gradEmbeddings }) => gradEmbeddings),
      expected.gradEmbeddings.data,
      8,
    );
  });

  // One class alone: nothing to tell it from, in every storage, optimizer and kind of columns.
  it.each([
    ['bfloat16', { ...common, precision: 'bfloat16' }],
    ['AdaGrad', { ...common, optimizer: hs.adaGrad() }],
    ['sub-centers', { ...common, margin: hs.subCenters(2, hs.arcFace()) }],
    ['softTriple', { ...common, margin: hs.softTriple({ k: 2 }) }],
  ])('leaves the loss of one class at 0: %s', async (_name, options) => {
    const results = await runRanks<{ loss: number; zero: boolean }>(
      2,
      `
      const head = new hs.ClassifierHead({ ...${JSON.stringify(options)}, classes: 4, sampleRate: 0.25, collective });
      const { loss, gradEmbeddings } = head.step(hs.matrix(new Float32Array(${dim}).fill(rank + 1), ${dim}), [0]);
      return { loss, zero: gradEmbeddings.data.every((g) => g === 0) };
    `,
      { env: { HYPERSPHERE_BACKEND: info().backend } },
    );
    expect(results).toEqual([
      { loss: 0, zero: true },
      { loss: 0, zero: true },
    ]);
  });
});

const attempt = `
  const codes = [];
  const attempt = (call) => {
    try { call(); codes.push('none'); } catch (error) { codes.push(error.code + ' ' + error.argument); }
  };
`;

describe('shards that disagree', () => {
  it('a bad batch on one rank: all throw, nothing moves, and the next step goes on', async () => {
    const results = await runRanks<{ codes: string[]; moved: boolean[]; loss: number }>(
      2,
      `
      ${data} ${attempt}
      const head = new hs.ClassifierHead({ ...${JSON.stringify(common)}, collective });
      const before = head.weights.data.slice();
      const moved = [];
      const same = () => moved.push(head.weights.data.some((w, i) => w !== before[i]));
      attempt(() => head.step(mine, rank === 1 ? own.map(() => 11) : own));
      same();
      attempt(() => head.step(rank === 0 ? hs.matrix(new Float32Array(4), 2) : mine, own));
      same();
      attempt(() => head.step(mine, own, rank === 1 ? { learningRate: -1 } : {}));
      same();
      attempt(() => head.predict(mine, { k: rank === 1 ? 12 : 1 }));
      const saving = rank === 1 ? head.save(${JSON.stringify(join(folder, 'busy'))}) : undefined;
      attempt(() => head.step(mine, own));
      same();
      await saving;
      const { loss } = head.step(mine, own);
      same();
      return { codes, moved, loss };
    `,
    );
    expect(results[0]?.codes).toEqual([
      'ERR_ABORTED collective',
      'ERR_SHAPE x',
      'ERR_ABORTED collective',
      'ERR_ABORTED collective',
      'ERR_ABORTED collective',
    ]);
    expect(results[1]?.codes).toEqual([
      'ERR_LABEL_RANGE labels[0]',
      'ERR_ABORTED collective',
      'ERR_OPTION_RANGE options.learningRate',
      'ERR_OPTION_RANGE options.k',
      'ERR_BUSY head',
    ]);
    for (const { moved, loss } of results) {
      expect(moved).toEqual([false, false, false, false, true]);
      expectNear([loss], [new ClassifierHead(common).step(x, labels).loss], 16);
    }
  });

  it('heads that are no shards of one are refused on all ranks', async () => {
    const results = await runRanks<string[]>(
      2,
      `
      ${attempt}
      const make = (options) => attempt(() => new hs.ClassifierHead({ ...${JSON.stringify(common)}, collective, ...options }));
      make({ seed: rank });
      make({ classes: 11 + rank });
      make({ shard: rank === 0 ? { from: 0, to: 5 } : { from: 6, to: 11 } });
      make({ shard: rank === 0 ? { from: 0, to: 5 } : { from: 5, to: 10 } });
      make({ shard: rank === 0 ? { from: 0, to: 2 } : { from: 2, to: 11 } });
      make({ margin: hs.cosFace({ s: 8, m: 0.2 + 0.1 * rank }) });
      make({ optimizer: hs.sgd({ learningRate: 0.1 + rank }) });
      make({ precision: rank === 0 ? 'float32' : 'bfloat16' });
      make({ precision: 'bfloat16', rounding: rank === 0 ? 'nearest' : 'stochastic' });
      return codes;
    `,
    );
    for (const codes of results) {
      expect(codes).toEqual([
        'ERR_OPTION_RANGE options.collective',
        'ERR_OPTION_RANGE options.collective',
        'ERR_OPTION_RANGE options.shard',
        'ERR_OPTION_RANGE options.shard',
        'none',
        'ERR_OPTION_RANGE options.collective',
        'ERR_OPTION_RANGE options.collective',
        'ERR_OPTION_RANGE options.collective',
        'ERR_OPTION_RANGE options.collective',
      ]);
    }
  });

  it('a head that one rank cannot make or grow, no rank makes or grows', async () => {
    const results = await runRanks<string[]>(
      2,
      `
      ${attempt}
      const make = (options) => attempt(() => new hs.ClassifierHead({ ...${JSON.stringify(common)}, collective, ...(rank === 1 && options) }));
      make({ dim: 0 });
      make({ nonesuch: 1 });
      make({ workspaceBytes: -1 });
      const head = new hs.ClassifierHead({ ...${JSON.stringify(common)}, collective });
      attempt(() => head.grow(rank === 1 ? 10 : 12));
      attempt(() => head.grow(12 + rank));
      codes.push(head.classes + ' ' + head.shard.to);
      attempt(() => head.grow(12));
      return codes;
    `,
      { group: { timeoutMs: 5000 } },
    );
    expect(results).toEqual([
      [...new Array(4).fill('ERR_ABORTED collective'), 'ERR_OPTION_RANGE classes', '11 6', 'none'],
      [
        'ERR_OPTION_RANGE options.dim',
        'ERR_OPTION_RANGE options.nonesuch',
        'ERR_OPTION_RANGE options.workspaceBytes',
        'ERR_OPTION_RANGE classes',
        'ERR_OPTION_RANGE classes',
        '11 11',
        'none',
      ],
    ]);
  });

  it('margins whose columns need the target of another shard are refused on all ranks', async () => {
    const margins = [hs.curricularFace(), hs.subCenters(2, hs.curricularFace()), hs.sphereFace2(), hs.p2sGrad()];
    const results = await runRanks<string[]>(
      2,
      `
      ${attempt}
      for (const margin of ${JSON.stringify(margins)}) attempt(() => new hs.ClassifierHead({ ...${JSON.stringify(common)}, margin, collective }));
      attempt(() => new hs.ClassifierHead({ ...${JSON.stringify(common)}, classes: 1, collective }));
      return codes;
    `,
    );
    for (const codes of results)
      expect(codes.map((code) => code.split(' ')[0])).toEqual(Array.from({ length: 5 }, () => 'ERR_OPTION_RANGE'));
  });
});

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
