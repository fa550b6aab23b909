import { describe, expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { ClassifierHead, type Margin, type Matrix } from '../../lib/index.js';
import { normalMatrix } from '../helpers/data.js';
import { onBothBackends } from '../helpers/native.js';

const [classes, dim, n] = [11, 6, 5];
const x = normalMatrix(n, dim, 2);

const margins: readonly Margin[] = [
  hs.softmaxMargin(),
  hs.lSoftmax(),
  hs.aSoftmax(),
  hs.normalizedSoftmax(),
  hs.cosFace(),
  hs.arcFace(),
  hs.combinedMargin(),
  hs.sphereFaceR(),
  hs.sphereFace2(),
  hs.adaFace(),
  hs.magFace(),
  hs.curricularFace(),
  hs.subCenters(3, hs.arcFace()),
  hs.subCenters(3, hs.curricularFace()),
  hs.softTriple({ k: 3 }),
  hs.p2sGrad(),
];

/** The scores by their definition, in float64. */
function scoresOf(margin: Margin, weights: Matrix): number[][] {
  const { data } = hs.normalize(weights);
  const centers = weights.shape[0] / classes;
  const row = (m: Float32Array, i: number): number[] => [...m.subarray(i * dim, (i + 1) * dim)];
  const dot = (a: number[], b: number[]): number => a.reduce((sum, v, j) => sum + v * (b[j] as number), 0);
  return Array.from({ length: n }, (_, i) => {
    const xi = row(x.data, i);
    const length = Math.sqrt(dot(xi, xi));
    return Array.from({ length: classes }, (_, c) => {
      const similarities = Array.from({ length: centers }, (_, k) => {
        const at = c * centers + k;
        if (margin.kind === 'softmax' || margin.kind === 'lSoftmax') return dot(xi, row(weights.data, at));
        return dot(xi, row(data, at)) / (margin.kind === 'aSoftmax' ? 1 : length);
      });
      if (margin.kind !== 'softTriple') return Math.max(...similarities);
      const shares = similarities.map((s) => Math.exp(s / margin.gamma));
      return dot(similarities, shares) / shares.reduce((a, b) => a + b);
    });
  });
}

onBothBackends('scores', () => {
  it.each(margins)('logits and predictions of $kind, float32 and bfloat16', (margin) => {
    for (const precision of ['float32', 'bfloat16'] as const) {
      const head = new ClassifierHead({ classes, dim, margin, precision, seed: 5 });
      const { data, shape } = head.weights;
      const expected = scoresOf(margin, { data: data instanceof Uint16Array ? hs.fromBfloat16(data) : data, shape });
      const out = hs.alloc(n, classes);
      expect(head.logits(x, { out })).toBe(out);
      // Cosines and their kin: sums of 6 products of rows no longer than 4.
      out.data.forEach((score, at) =>
        expect(score).toBeCloseTo((expected[Math.floor(at / classes)] as number[])[at % classes] as number, 5),
      );
      const k = 4;
      const { classes: best, scores } = head.predict(x, { k });
      expect([best.shape, scores.shape]).toEqual([
        [n, k],
        [n, k],
      ]);
      for (let i = 0; i < n; i++) {
        const row = expected[i] as number[];
        const ranked = row.map((_, c) => c).sort((a, b) => (row[b] as number) - (row[a] as number));
        expect([...best.data.subarray(i * k, (i + 1) * k)]).toEqual(ranked.slice(0, k));
        for (let j = 0; j < k; j++) expect(scores.data[i * k + j]).toBeCloseTo(row[ranked[j] as number] as number, 5);
      }
      expect(head.predict(x, { k: classes }).classes.data.slice(0, classes).sort()).toEqual(
        Int32Array.from({ length: classes }, (_, c) => c),
      );
    }
  });

  it('give ties to the lowest class, and NaN the last place', () => {
    for (const margin of [hs.cosFace(), hs.softTriple({ k: 2 })]) {
      const head = new ClassifierHead({ classes: 4, dim: 2, margin });
      const weights = head.weights.data as Float32Array;
      const centers = weights.length / 8;
      const rows = [Number.NaN, 1, 1, 0];
      rows.forEach((value, c) => {
        for (let k = 0; k < centers; k++) weights.set([value, 0.5], 2 * (c * centers + k));
      });
      const { classes: best } = head.predict(hs.matrix(Float32Array.of(1, 0), 2), { k: 4 });
      expect([...best.data], margin.kind).toEqual([1, 2, 3, 0]);
    }
  });
});

onBothBackends('scores of several centers', () => {
  it('pass over a center of NaN, and are NaN where all are', () => {
    const head = new ClassifierHead({ classes: 3, dim: 2, margin: hs.subCenters(2, hs.arcFace()) });
    const weights = head.weights.data as Float32Array;
    weights.set([Number.NaN, 1, 1, 0, 0, 1, Number.NaN, 0, Number.NaN, Number.NaN, Number.NaN, 1]);
    const query = hs.matrix(Float32Array.of(1, 0), 2);
    const { classes: best, scores } = head.predict(query, { k: 3 });
    expect([...best.data]).toEqual([0, 1, 2]);
    expect([...scores.data]).toEqual([1, 0, Number.NaN]);
    expect([...head.logits(query).data]).toEqual([1, 0, Number.NaN]);
    const broken = hs.matrix(Float32Array.of(Number.NaN, 0), 2);
    expect([...head.logits(broken).data]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  });
});

describe('scores', () => {
  it('need no rows', () => {
    const head = new ClassifierHead({ classes, dim, margin: hs.arcFace() });
    const none = hs.matrix(new Float32Array(0), dim);
    expect(head.logits(none).shape).toEqual([0, classes]);
    expect(head.predict(none, { k: 2 }).classes.shape).toEqual([0, 2]);
  });

  it('are computed by chunks where they are many, to the same end', () => {
    // 3 × 2²² scores are 48 MiB; a chunk holds 16.
    const [many, rows] = [2 ** 15, 384];
    const head = new ClassifierHead({ classes: many, dim: 2, margin: hs.aSoftmax() });
    const queries = normalMatrix(rows, 2, 3);
    const logits = head.logits(queries);
    const { classes: best, scores } = head.predict(queries);
    for (const i of [0, 100, rows - 1]) {
      const row = logits.data.subarray(i * many, (i + 1) * many);
      expect(row[best.data[i] as number]).toBeCloseTo(scores.data[i] as number, 5);
      expect(Math.max(...row)).toBeCloseTo(scores.data[i] as number, 5);
      const tail = (head.weights.data as Float32Array).subarray(2 * many - 2);
      const [a, b] = [queries.data[2 * i] as number, queries.data[2 * i + 1] as number];
      const cos = (a * (tail[0] as number) + b * (tail[1] as number)) / Math.hypot(...tail);
      expect(row[many - 1]).toBeCloseTo(cos, 4);
    }
  });
});
