// What a head asks of the reference beyond the public losses: sampled rows, updates in place, bfloat16 and shards.
import { describe, expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { centersOf } from '../../lib/margins/columns.js';
import { elsewhere, type MarginSoftmaxOp, type WeightUpdate } from '../../lib/ops/softmax.js';
import { roundedOne, widenedOne } from '../../lib/reference/bfloat16.js';
import { marginSoftmax } from '../../lib/reference/margin-softmax.js';
import { roundingNoise } from '../../lib/reference/weight-update.js';
import { normals } from '../helpers/data.js';

const [n, d, classes] = [6, 3, 5];
const labels = Int32Array.of(4, 0, -7, 2, 2, 1);
const x = normals(n * d, 1, 3);
const base = { x, labels, n, d, classes, labelSmoothing: 0, ignoreIndex: -7, reduction: 'mean' as const, workspaceBytes: 1 };

type Extra = Pick<MarginSoftmaxOp, 'margin' | 'weights'> & Partial<MarginSoftmaxOp>;
function run(extra: Extra) {
  const op = { ...base, ...extra };
  const k = centersOf(op.margin);
  const out = {
    perExample: new Float64Array(n),
    gradX: new Float64Array(n * d).fill(Number.NaN),
    gradWeights: new Float64Array(op.classes * k * d).fill(Number.NaN),
  };
  return { ...marginSoftmax({ ...out, ...op }), ...out };
}

/** The same sums in another order: at most n·classes·k terms of 2⁻⁵³ each. */
const expectSame = (got: ArrayLike<number>, expected: ArrayLike<number>, what = ''): void => {
  const largest = Math.max(1, ...Array.from(expected, Math.abs));
  expect(got.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    expect(Math.abs((got[i] as number) - (expected[i] as number)), `${what}[${i}]`).toBeLessThanOrEqual(1e-12 * largest);
  }
};

describe('sampled rows', () => {
  const all = 12;
  const rows = Int32Array.of(1, 2, 5, 8, 11);
  it.each([hs.cosFace({ s: 8 }), hs.softmaxMargin(), hs.subCenters(2, hs.arcFace({ s: 8 }))])('$kind sees them and no others', (margin) => {
    const k = centersOf(margin);
    const weights = normals(all * k * d, 2);
    const taken = rows.length;
    const gathered = new Float64Array(taken * k * d);
    rows.forEach((row, c) => gathered.set(weights.subarray(row * k * d, (row + 1) * k * d), c * k * d));
    expect(run({ margin, weights, rows })).toEqual(run({ margin, weights: gathered }));
  });
  it('leaves the rest and its state alone', () => {
    const weights = normals(all * d, 3);
    const state = normals(all * d, 4).map(Math.abs);
    const before = [weights.slice(), state.slice()] as const;
    const rule = { kind: 'sgd', learningRate: 0.1, momentum: 0.9, weightDecay: 0.01 } as const;
    run({ margin: hs.cosFace({ s: 8 }), weights, rows, update: { rule, state } });
    for (let at = 0; at < all * d; at++) {
      const touched = rows.includes(Math.floor(at / d));
      expect(weights[at] !== before[0][at]).toBe(touched);
      expect(state[at] !== before[1][at]).toBe(touched);
    }
  });
});

describe('updates in place', () => {
  const margin = hs.arcFace({ s: 8 });
  const weights = normals(classes * d, 5);
  const state = normals(classes * d, 6).map(Math.abs);
  const { gradWeights, loss, gradX } = run({ margin, weights });
  const step = (update: WeightUpdate) => {
    const w = weights.slice();
    const result = run({ margin, weights: w, update });
    expect([result.loss, result.gradX]).toEqual([loss, gradX]);
    return w;
  };
  it("are PyTorch's SGD, with momentum and without", () => {
    const rule = { kind: 'sgd', learningRate: 0.3, momentum: 0.9, weightDecay: 0.01 } as const;
    const moved = state.slice();
    const g = gradWeights.map((value, i) => value + 0.01 * (weights[i] as number));
    const velocity = g.map((value, i) => 0.9 * (state[i] as number) + value);
    expectSame(
      step({ rule, state: moved }),
      weights.map((w, i) => w - 0.3 * (velocity[i] as number)),
    );
    expectSame(moved, velocity);
    expectSame(
      step({ rule: { ...rule, momentum: 0 } }),
      weights.map((w, i) => w - 0.3 * (g[i] as number)),
    );
  });
  it('are AdaGrad', () => {
    const moved = state.slice();
    const g = gradWeights.map((value, i) => value + 0.02 * (weights[i] as number));
    const sums = g.map((value, i) => (state[i] as number) + value * value);
    expectSame(
      step({ rule: { kind: 'adaGrad', learningRate: 0.3, weightDecay: 0.02, eps: 1e-3 }, state: moved }),
      weights.map((w, i) => w - (0.3 * (g[i] as number)) / (Math.sqrt(sums[i] as number) + 1e-3)),
    );
    expectSame(moved, sums);
  });
});

describe('bfloat16 weights', () => {
  const margin = hs.cosFace({ s: 8 });
  const weights = hs.toBfloat16(Float32Array.from(normals(classes * d, 7)));
  const state = hs.toBfloat16(Float32Array.from(normals(classes * d, 8)));
  const rule = { kind: 'sgd', learningRate: 0.3, momentum: 0.9, weightDecay: 0 } as const;
  const wide = { weights: Float64Array.from(weights, widenedOne), state: Float64Array.from(state, widenedOne) };
  const exact = run({ margin, weights: wide.weights, update: { rule, state: wide.state } });
  const narrow = (seed?: number) => {
    const [w, s] = [weights.slice(), state.slice()];
    const result = run({ margin, weights: w, update: { rule, state: s, seed } });
    expect([result.loss, result.gradX]).toEqual([exact.loss, exact.gradX]);
    return [w, s] as const;
  };
  it('are widened, moved and rounded to the nearest, their state too', () => {
    const [w, s] = narrow();
    expect(w).toEqual(hs.toBfloat16(Float32Array.from(wide.weights)));
    expect(s).toEqual(hs.toBfloat16(Float32Array.from(wide.state)));
  });
  it('are rounded up as often as they lie above the lower neighbour', () => {
    const seeds = 4000;
    const [ofWeights, ofState] = [new Float64Array(weights.length), new Float64Array(weights.length)];
    for (let seed = 0; seed < seeds; seed++) {
      const [w, s] = narrow(seed);
      for (let i = 0; i < w.length; i++) {
        ofWeights[i] = (ofWeights[i] as number) + widenedOne(w[i] as number) / seeds;
        ofState[i] = (ofState[i] as number) + widenedOne(s[i] as number) / seeds;
      }
    }
    for (const [mean, value] of [
      [ofWeights, wide.weights],
      [ofState, wide.state],
    ] as const) {
      // A neighbour is 2⁻⁷ of the value away at most; the mean of 4000 draws of two neighbours has deviation ≤ half of that / √4000, and 5 of those are allowed.
      for (let i = 0; i < mean.length; i++) {
        const step = 2 ** -7 * Math.abs(value[i] as number);
        expect(Math.abs((mean[i] as number) - (value[i] as number))).toBeLessThanOrEqual((5 * step) / 2 / Math.sqrt(seeds));
      }
    }
  });
  it('round the same way for the same seed, and weights apart from their state', () => {
    expect(narrow(5)).toEqual(narrow(5));
    expect(narrow(5)).not.toEqual(narrow(6));
  });
  it('keeps infinities, NaN and what bfloat16 holds exactly, whatever the noise', () => {
    for (const noise of [undefined, 0, 0xffff]) {
      expect(widenedOne(roundedOne(Infinity, noise))).toBe(Infinity);
      expect(widenedOne(roundedOne(-Infinity, noise))).toBe(-Infinity);
      expect(widenedOne(roundedOne(Number.NaN, noise))).toBeNaN();
      expect(widenedOne(roundedOne(-1.5, noise))).toBe(-1.5);
    }
  });
  it('takes its noise from MurmurHash3’s finaliser, by 32 bits of seed and index', () => {
    expect([roundingNoise(0, 0), roundingNoise(0, 1), roundingNoise(1, 0), roundingNoise(123456789, 987654321)]).toEqual([
      0, 1364076727, 804215951, 632024500,
    ]);
    expect(roundingNoise(3, 2 ** 32 + 7)).toBe(roundingNoise(3, 7));
    const halves = Array.from({ length: 4096 }, (_, i) => roundingNoise(9, i) & 0xffff);
    // Uniform on [0, 2¹⁶): mean 2¹⁵ with deviation 2¹⁶/√12/√4096.
    const mean = halves.reduce((sum, value) => sum + value, 0) / halves.length;
    expect(Math.abs(mean - 32767.5)).toBeLessThanOrEqual((5 * 65536) / Math.sqrt(12) / 64);
  });
});

describe('two shards of a head', () => {
  const margins = [
    hs.softmaxMargin(),
    hs.normalizedSoftmax({ temperature: 0.2 }),
    hs.lSoftmax({ m: 2 }),
    hs.aSoftmax({ m: 3, lambda: 1 }),
    hs.aSoftmax({ m: 4, gradient: 'caffe' }),
    hs.cosFace({ s: 8 }),
    hs.arcFace({ s: 8 }),
    hs.combinedMargin({ s: 8 }),
    hs.sphereFaceR({ variant: 'v2', s: 8 }),
    hs.adaFace({ s: 8, tAlpha: 0.5 }),
    hs.magFace({ s: 8, lA: 1, uA: 6, lambdaG: 2 }),
    hs.subCenters(2, hs.cosFace({ s: 8 })),
    hs.subCenters(2, hs.adaFace({ s: 8, tAlpha: 0.5 })),
    hs.subCenters(2, hs.magFace({ s: 8, lA: 1, uA: 6, lambdaG: 2 })),
    hs.subCenters(2, hs.sphereFaceR({ variant: 'v2', s: 8 })),
    hs.softTriple({ k: 2 }),
  ];
  const reductions: Partial<MarginSoftmaxOp>[] = [
    { reduction: 'mean' },
    { reduction: 'sum', labelSmoothing: 0.3 },
    { reduction: 'none', gradOutput: Float64Array.of(1, -2, 3, 0.5, 0.1, 1) },
  ];
  const cut = 2;
  /** Greatest of all, sums moved to it, the target of whoever has it. */
  function combine(a: Float64Array, b: Float64Array, others: (shard: 0 | 1, i: number) => number): Float64Array {
    const all = new Float64Array(4 * n);
    for (let i = 0; i < n; i++) {
      const [s, t] = [a, b].map((shard) => shard.subarray(4 * i, 4 * i + 4)) as [Float64Array, Float64Array];
      const greatest = Math.max(s[0] as number, t[0] as number);
      [s, t].forEach((shard, index) => {
        const below = greatest - (shard[0] as number);
        const count = others(index as 0 | 1, i);
        if (count === 0) return;
        all[4 * i + 1] = (all[4 * i + 1] as number) + (shard[1] as number) * Math.exp(-below);
        all[4 * i + 2] = (all[4 * i + 2] as number) + (shard[2] as number) + count * below;
      });
      all[4 * i] = greatest;
      all[4 * i + 3] = Number.isNaN(s[3]) ? (t[3] as number) : (s[3] as number);
    }
    return all;
  }
  it.each(
    margins.flatMap((margin) =>
      reductions.map((options) => ({ name: JSON.stringify(margin), reduction: options.reduction, margin, options })),
    ),
  )('equal the whole: $name, $reduction', ({ margin, options }) => {
    const k = centersOf(margin);
    const weights = normals(classes * k * d, 9);
    const whole = run({ margin, weights, ...options });
    const shards = [
      { from: 0, to: cut },
      { from: cut, to: classes },
    ].map(({ from, to }) => ({
      classes: to - from,
      weights: weights.slice(from * k * d, to * k * d),
      labels: labels.map((y) => (y === base.ignoreIndex ? y : y >= from && y < to ? y - from : elsewhere)),
      statistics: new Float64Array(4 * n),
    })) as [Shard, Shard];
    const call = (shard: Shard, phase: 'forward' | 'backward', statistics: Float64Array) =>
      run({
        ...options,
        margin,
        weights: shard.weights,
        labels: shard.labels,
        classes: shard.classes,
        exchange: { phase, statistics, allClasses: classes },
      });
    for (const shard of shards) {
      const { loss, gradX, perExample } = call(shard, 'forward', shard.statistics);
      expect([loss, gradX.every(Number.isNaN), perExample]).toEqual([0, true, new Float64Array(n)]);
    }
    const all = combine(shards[0].statistics, shards[1].statistics, (index, i) => {
      const { classes: count, labels: y } = shards[index];
      return count - Number((y[i] as number) >= 0);
    });
    const [first, second] = shards.map((shard) => call(shard, 'backward', all)) as [ReturnType<typeof run>, ReturnType<typeof run>];
    for (const part of [first, second]) {
      expectSame([part.loss, part.regularizer, ...part.state], [whole.loss, whole.regularizer, ...whole.state], 'loss');
      expectSame(part.perExample, whole.perExample, 'perExample');
    }
    expectSame(
      first.gradX.map((value, i) => value + (second.gradX[i] as number)),
      whole.gradX,
      'gradX',
    );
    expectSame([...first.gradWeights, ...second.gradWeights], whole.gradWeights, 'gradWeights');
  });
  it('refuse what one shard cannot know', () => {
    const exchange = { phase: 'forward', statistics: new Float64Array(4 * n), allClasses: classes } as const;
    const weights = normals(classes * d, 9);
    for (const margin of [hs.curricularFace(), hs.subCenters(1, hs.curricularFace()), hs.sphereFace2(), hs.p2sGrad()]) {
      expect(() => run({ margin, weights, exchange })).toThrow(
        expect.objectContaining({ code: 'ERR_OPTION_RANGE', argument: 'options.margin' }),
      );
    }
    expect(() => run({ margin: hs.cosFace(), weights, exchange, classWeights: new Float64Array(classes).fill(1) })).toThrow(
      /options.classWeights/,
    );
  });
});

interface Shard {
  readonly classes: number;
  readonly weights: Float64Array;
  readonly labels: Int32Array;
  readonly statistics: Float64Array;
}
