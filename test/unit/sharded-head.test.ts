import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { ClassifierHead, type ClassifierHeadOptions, info } from '../../lib/index.js';
import { onBothBackends } from '../helpers/native.js';
import { runRanks } from '../helpers/ranks.js';
import { classes, common, data, dim, expectNear, labels, rows, x } from '../helpers/shards.js';

const steps = 3;
const folder = mkdtempSync(join(tmpdir(), 'hypersphere-shards-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

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

onBothBackends('a collective of one rank', () => {
  const alone: Record<string, ClassifierHeadOptions> = {
    ...cases,
    sphereFace2: { ...common, margin: hs.sphereFace2(), optimizer: hs.sgd({ learningRate: 0.5, momentum: 0.9 }) },
    curricularFace: { ...common, margin: hs.curricularFace({ s: 8 }) },
    p2sGrad: { ...common, margin: hs.p2sGrad() },
  };
  it.each(Object.entries(alone))('is no collective: %s', (_name, options) => {
    const collective = hs.attachCollective(hs.createCollectives(1)[0] as hs.CollectiveHandle);
    const train = (head: ClassifierHead): unknown => {
      const both = head.forwardBackward(x, labels);
      const taken = Array.from({ length: steps }, () => head.step(x, labels));
      return { both, taken, bias: head.bias, weights: head.weights, margin: head.margin };
    };
    expect(train(new ClassifierHead({ ...options, collective }))).toEqual(train(new ClassifierHead(options)));
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
