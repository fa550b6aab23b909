// What a head asks of the native op beyond the public losses, against the reference: sampled rows, updates in place, bfloat16, shards.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backend } from '../../lib/backend.js';
import * as hs from '../../lib/index.js';
import { type Margin, setBackend, setIsa, setThreads } from '../../lib/index.js';
import { centersOf } from '../../lib/margins/columns.js';
import { elsewhere, type MarginSoftmaxOp, type WeightUpdate } from '../../lib/ops/softmax.js';
import { roundedOne, widenedOne } from '../../lib/reference/bfloat16.js';
import { roundingNoise } from '../../lib/reference/weight-update.js';
import { normals } from '../helpers/data.js';
import { expectedHead, type Head, headBits, headOf, ignoreIndex, type Outputs, onNative } from '../helpers/heads.js';
import { describeNative, levels } from '../helpers/native.js';
import { expectWithin, roundoff } from '../helpers/tolerance.js';

const floats = (count: number, seed: number) => Float32Array.from(normals(count, seed));
const margins: Margin[] = [
  hs.softmaxMargin(),
  hs.arcFace({ s: 16 }),
  hs.aSoftmax({ m: 3, gradient: 'caffe' }),
  hs.subCenters(3, hs.cosFace({ s: 16 })),
];

const [n, d, taken, all] = [20, 7, 90, 300];
const rows = Int32Array.from({ length: taken }, (_, c) => 3 * c + (c % 3));

/** The part of [all·k, d] that the rows stand for, and where each of its elements lies in the whole. */
function places(k: number): number[] {
  return Array.from(rows).flatMap((row) => Array.from({ length: k * d }, (_, at) => row * k * d + at));
}

const rules: Record<string, WeightUpdate['rule']> = {
  'sgd without momentum': { kind: 'sgd', learningRate: 0.5, momentum: 0, weightDecay: 0.01 },
  'sgd with momentum': { kind: 'sgd', learningRate: 0.5, momentum: 0.9, weightDecay: 0.01 },
  adaGrad: { kind: 'adaGrad', learningRate: 0.5, weightDecay: 0.01, eps: 1e-3 },
};

/** What the rule makes of a weight and its state, and how far a few float32 roundings may lie from it. */
function stepOf(rule: WeightUpdate['rule'], w: number, g: number, state: number | undefined) {
  const decayed = g + rule.weightDecay * w;
  const size = Math.abs(g) + rule.weightDecay * Math.abs(w);
  const before = state ?? 0;
  if (rule.kind === 'sgd') {
    const after = rule.momentum * before + decayed;
    const error = 4 * roundoff * (Math.abs(rule.momentum * before) + size);
    const value = w - rule.learningRate * after;
    return { after, value, errorOfState: error, error: rule.learningRate * error + 4 * roundoff * (Math.abs(w) + Math.abs(value)) };
  }
  const after = before + decayed * decayed;
  const step = decayed / (Math.sqrt(after) + rule.eps);
  const error = 8 * roundoff * (size / (Math.sqrt(after) + rule.eps) + Math.abs(step));
  const value = w - rule.learningRate * step;
  const errorOfState = 8 * roundoff * (before + size * size);
  return { after, value, errorOfState, error: rule.learningRate * error + 4 * roundoff * (Math.abs(w) + Math.abs(value)) };
}

describeNative('heads in their own way', () => {
  beforeAll(() => setBackend('native'));
  afterAll(() => {
    setIsa(levels.at(-1) as never);
    setThreads(2);
  });

  describe.each(levels)('%s', (isa) => {
    beforeAll(() => {
      setIsa(isa);
      setThreads(3);
    });

    it.each(margins)('$kind: sampled rows are the only ones, to the bit', (margin) => {
      const head = headOf(n, d, taken, margin);
      const weights = floats(all * centersOf(margin) * d, 7);
      const part = { ...head, weights: Float32Array.from(places(centersOf(margin)), (at) => weights[at] as number) };
      const whole = onNative({ ...head, weights }, { rows, gradWeights: new Float32Array(taken * centersOf(margin) * d) });
      expect(headBits(whole)).toEqual(headBits(onNative(part)));
    });

    describe.each(Object.entries(rules))('%s', (name, rule) => {
      const stateful = name !== 'sgd without momentum';
      it.each(margins)('of float32 by $kind', (margin) => {
        const size = all * centersOf(margin) * d;
        const [weights, state] = [floats(size, 7), floats(size, 8).map(Math.abs)];
        const chosen = places(centersOf(margin));
        const part = headOf(n, d, taken, margin, { weights: Float32Array.from(chosen, (at) => weights[at] as number) });
        // What the step is given; parity of the gradient itself is margin-softmax.test.ts's.
        const { gradWeights, gradX, perExample } = onNative(part);
        const [moved, movedState] = [weights.slice(), state.slice()];
        const update = { rule, ...(stateful && { state: movedState }) };
        const got = onNative({ ...part, weights: moved }, { rows, update, gradWeights: undefined });
        expect([got.gradX, got.perExample]).toEqual([gradX, perExample]);
        const [wanted, wantedState, errors, errorsOfState] = [weights, state, weights, state].map((values) => Float64Array.from(values));
        errors?.fill(0);
        errorsOfState?.fill(0);
        chosen.forEach((at, i) => {
          const step = stepOf(rule, weights[at] as number, gradWeights[i] as number, stateful ? state[at] : undefined);
          (wanted as Float64Array)[at] = step.value;
          (errors as Float64Array)[at] = step.error;
          if (!stateful) return;
          (wantedState as Float64Array)[at] = step.after;
          (errorsOfState as Float64Array)[at] = step.errorOfState;
        });
        // Rows that were not chosen have no tolerance.
        expectWithin(moved, wanted as Float64Array, (at) => (errors as Float64Array)[at] as number, 'weights');
        expectWithin(movedState, wantedState as Float64Array, (at) => (errorsOfState as Float64Array)[at] as number, 'state');
        expect(moved.some((value, at) => value !== weights[at])).toBe(true);
      });

      it.each([undefined, 0, 12345, 2 ** 32 - 1])('of bfloat16, seed %s: the reference’s to the bit, away from the edges', (seed) => {
        const margin = hs.arcFace({ s: 16 });
        const [weights, state] = [hs.toBfloat16(floats(all * d, 7)), hs.toBfloat16(floats(all * d, 8).map(Math.abs))];
        const chosen = places(1);
        const head = headOf(n, d, taken, margin);
        const wide = { ...head, weights: Float32Array.from(chosen, (at) => widenedOne(weights[at] as number)) };
        const { gradWeights } = onNative(wide);
        const run = () => {
          const given = { weights: weights.slice(), state: state.slice() };
          const update = { rule, seed, ...(stateful && { state: given.state }) };
          const fresh = { perExample: new Float32Array(n), gradX: new Float32Array(n * d) };
          const op = { ...head, ...fresh, ...given, rows, update, reduction: 'mean', labelSmoothing: 0, ignoreIndex, workspaceBytes: 1e6 };
          backend().marginSoftmax(op as unknown as MarginSoftmaxOp);
          return given;
        };
        const got = run();
        setBackend('ts');
        const expected = run();
        setBackend('native');
        let near = 0;
        const compare = (ours: number, theirs: number, value: number, error: number, noise: number | undefined, what: string) => {
          // Between two float64 values on either side of it a float32 may round either way.
          const sides = [value - error, value + error].map((side) => roundedOne(side, noise));
          if (sides[0] !== sides[1]) near++;
          else expect([ours, theirs], what).toEqual([sides[0], sides[0]]);
        };
        chosen.forEach((at, i) => {
          const w = widenedOne(weights[at] as number);
          const before = stateful ? widenedOne(state[at] as number) : undefined;
          const { value, error, after, errorOfState } = stepOf(rule, w, gradWeights[i] as number, before);
          const noise = seed === undefined ? undefined : roundingNoise(seed, at);
          const low = noise === undefined ? undefined : noise & 0xffff;
          // The two gradients differ by what parity allows; that many units of the step are enough.
          const slack = 64 * roundoff * (Math.abs(value) + rule.learningRate);
          compare(got.weights[at] as number, expected.weights[at] as number, value, error + slack, low, `weights[${at}]`);
          if (!stateful) return;
          const high = noise === undefined ? undefined : noise >>> 16;
          compare(
            got.state[at] as number,
            expected.state[at] as number,
            after,
            errorOfState + 64 * roundoff * (after + 0.1),
            high,
            `state[${at}]`,
          );
        });
        // bfloat16 is 2¹⁶ float32 wide: few values lie this close to an edge.
        expect(near).toBeLessThan(0.05 * chosen.length);
        const touched = new Set(chosen);
        for (let at = 0; at < all * d; at++) {
          if (touched.has(at)) continue;
          if (got.weights[at] !== weights[at] || got.state[at] !== state[at]) expect.fail(`row ${Math.floor(at / d)} moved`);
        }
        if (!stateful) expect(got.state).toEqual(state);
      });
    });

    it.each([
      ...margins,
      hs.lSoftmax({ m: 2 }),
      hs.combinedMargin({ s: 16 }),
      hs.sphereFaceR({ variant: 'v2', s: 16 }),
      hs.adaFace({ s: 16, tAlpha: 0.5 }),
      hs.magFace({ s: 16, lA: 1, uA: 6, lambdaG: 2 }),
      hs.softTriple({ k: 2 }),
    ])('$kind: two and three shards make the whole', (margin) => {
      for (const cuts of [
        [0, 280, 300],
        [0, 1, 100, 300],
      ]) {
        for (const labelSmoothing of [0, 0.2]) {
          const head = headOf(n, d, all, margin, { labelSmoothing });
          expectedHead(head)(sharded(head, cuts), `${cuts}, smoothing ${labelSmoothing}`);
        }
      }
    });
  });
});

/** Runs the head in shards [cuts[s], cuts[s + 1]) of its classes, and puts their outputs together. */
function sharded(head: Head, cuts: readonly number[]): Outputs<Float32Array> {
  const { classes, margin } = head;
  const k = centersOf(margin);
  const shards = cuts.slice(1).map((to, s) => {
    const from = cuts[s] as number;
    const labels = head.labels.map((y) => (y === ignoreIndex ? y : y >= from && y < to ? y - from : elsewhere));
    return { ...head, classes: to - from, labels, weights: head.weights.slice(from * k * d, to * k * d), from };
  });
  const none = { gradX: undefined, gradWeights: undefined };
  const parts = shards.map((shard) => {
    const statistics = new Float64Array(4 * n);
    const { logits, perExample } = onNative(shard, { ...none, exchange: { phase: 'forward', statistics, allClasses: classes } });
    expect(perExample.every(Number.isNaN), 'no losses yet').toBe(true);
    return { statistics, logits };
  });
  const statistics = new Float64Array(4 * n);
  for (let i = 0; i < n; i++) {
    const of = parts.map((part) => part.statistics.subarray(4 * i, 4 * i + 4) as unknown as [number, number, number, number]);
    const greatest = Math.max(...of.map(([most]) => most));
    let [sum, gap] = [0, 0];
    of.forEach(([most, ownSum, ownGap], s) => {
      const { classes: count, labels } = shards[s] as Head;
      const others = count - Number((labels[i] as number) >= 0);
      if (others === 0) return;
      sum += ownSum * Math.exp(most - greatest);
      gap += ownGap + others * (greatest - most);
    });
    statistics.set([greatest, sum, gap, of.find(([, , , target]) => !Number.isNaN(target))?.[3] ?? Number.NaN], 4 * i);
  }
  const backward = shards.map((shard) =>
    onNative(shard, { logits: undefined, exchange: { phase: 'backward', statistics, allClasses: classes } }),
  );
  const [first] = backward as [Outputs<Float32Array>];
  for (const other of backward) expect([other.scalars, other.perExample]).toEqual([first.scalars, first.perExample]);
  const logits = new Float32Array(n * classes);
  const gradWeights = new Float32Array(head.weights.length);
  shards.forEach(({ from, classes: count }, s) => {
    for (let i = 0; i < n; i++)
      logits.set((parts[s] as { logits: Float32Array }).logits.subarray(i * count, (i + 1) * count), i * classes + from);
    gradWeights.set((backward[s] as Outputs<Float32Array>).gradWeights, from * k * d);
  });
  const gradX = first.gradX.map((_, at) => backward.reduce((sum, part) => sum + (part.gradX[at] as number), 0));
  return { ...first, logits, gradX, gradWeights };
}
