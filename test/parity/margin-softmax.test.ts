// The native heads against the reference at every level and several thread counts: shapes around every block, every margin with
// every option, and rows at the edges of float32.
import { afterAll, beforeAll, describe, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { type Margin, setBackend, setIsa, setThreads } from '../../lib/index.js';
import { centersOf } from '../../lib/margins/columns.js';
import { normals } from '../helpers/data.js';
import { expectedHead, expectOtherWays, type Head, headOf, onNative } from '../helpers/heads.js';
import { describeNative, levels } from '../helpers/native.js';

function expectParity(head: Head): void {
  const check = expectedHead(head);
  levels.forEach((isa, level) => {
    setIsa(isa);
    setThreads(((head.n + head.classes + level) % 3) + 1);
    const got = onNative(head);
    check(got, isa);
    expectOtherWays(head, got, isa);
  });
}

const floats = (count: number, seed: number, scale = 1) => Float32Array.from(normals(count, seed, scale));
const positive = (count: number, seed: number) => floats(count, seed).map(Math.abs);

// Row blocks have 512 rows, depth blocks 768 columns, chunks 256 columns; from 64·256 classes on a block has several chunks.
const shapes: [n: number, d: number, classes: number][] = [
  [0, 3, 4],
  [1, 1, 1],
  [2, 3, 1],
  [15, 3, 2],
  [17, 16, 3],
  [15, 17, 16],
  [17, 3, 17],
  [2, 512, 255],
  [15, 17, 256],
  [17, 3, 257],
  [513, 16, 17],
  [1, 1000, 3],
  [2, 800, 270],
  [15, 3, 1000],
  [1100, 3, 257],
  [1100, 16, 1],
  [15, 800, 16],
  [17, 3, 17000],
  [1, 3, 17000],
  [513, 17, 256],
];

const variants: Margin[] = [
  hs.softmaxMargin(),
  hs.normalizedSoftmax({ temperature: 0.05 }),
  ...[1, 2, 4].map((m) => hs.lSoftmax({ m, lambda: m })),
  ...(['exact', 'straightThrough', 'caffe'] as const).flatMap((gradient) => [1, 4].map((m) => hs.aSoftmax({ m, gradient, lambda: 0.5 }))),
  hs.cosFace(),
  ...(['none', 'linear', 'easy', 'clip'] as const).flatMap((overflow) =>
    (['exact', 'straightThrough'] as const).map((gradient) => hs.arcFace({ s: 30, m: 0.8, overflow, gradient })),
  ),
  hs.combinedMargin({ s: 20, m1: 0.9, m2: 0.4, m3: 0.15 }),
  hs.combinedMargin({ s: 20, m1: 0.9, m2: 0.4, m3: 0.15, gradient: 'straightThrough' }),
  ...(['v0', 'v1', 'v2'] as const).flatMap((variant) =>
    (['exact', 'straightThrough'] as const).map((gradient) => hs.sphereFaceR({ variant, gradient })),
  ),
  ...(['C', 'A', 'M'] as const).flatMap((variant) =>
    (['exact', 'straightThrough'] as const).map((gradient) => hs.sphereFace2({ variant, gradient })),
  ),
  hs.sphereFace2({ t: 1, r: 20 }),
  hs.adaFace({ tAlpha: 0.5, batchMean: 4, batchStd: 1 }),
  hs.magFace({ lA: 1, uA: 6, lambdaG: 2 }),
  hs.magFace({ lA: 3, uA: 5, easyMargin: true }),
  hs.curricularFace({ t: 0.3, momentum: 0.4 }),
  hs.subCenters(3, hs.arcFace({ s: 30 })),
  hs.subCenters(2, hs.cosFace({ s: 10 })),
  hs.subCenters(256, hs.normalizedSoftmax({ temperature: 0.1 })),
  hs.softTriple({ k: 3 }),
  hs.softTriple({ k: 7, la: 5, gamma: 0.5 }),
  hs.p2sGrad(),
];
const named = variants.map((margin) => ({ name: JSON.stringify(margin), margin }));
const hasSoftmax = (margin: Margin): boolean => margin.kind !== 'sphereFace2' && margin.kind !== 'p2sGrad';

describeNative('heads against the reference', () => {
  beforeAll(() => setBackend('native'));
  afterAll(() => {
    setIsa(levels.at(-1) as never);
    setThreads(2);
  });

  it.each(shapes)('%i rows of %i, %i classes', (n, d, classes) => {
    const bias = floats(classes, 3);
    expectParity(headOf(n, d, classes, hs.softmaxMargin(), { bias, labelSmoothing: 0.1, classWeights: positive(classes, 4) }));
    expectParity(headOf(n, d, classes, hs.arcFace()));
    expectParity(headOf(n, d, Math.ceil(classes / 3), hs.subCenters(3, hs.cosFace({ s: 16 }))));
    expectParity(headOf(n, d, classes, hs.curricularFace({ t: 0.2 }), { reduction: 'sum', labelSmoothing: 0.2 }));
  });

  describe.each(named)('$name', ({ margin }) => {
    const few = centersOf(margin) > 100;
    it('with every reduction', () => {
      const [n, d, classes] = [31, 6, few ? 3 : 270];
      expectParity(headOf(n, d, classes, margin));
      expectParity(headOf(n, d, classes, margin, { reduction: 'sum' }));
      expectParity(headOf(n, d, classes, margin, { reduction: 'none', gradOutput: floats(n, 5) }));
    });
    it('with smoothing, class weights and a bias, where it takes them', () => {
      const [n, d, classes] = [31, 20, few ? 2 : 100];
      const bias = margin.kind === 'softmax' ? floats(classes, 3) : margin.kind === 'sphereFace2' ? floats(1, 3) : undefined;
      if (!hasSoftmax(margin)) return expectParity(headOf(n, d, classes, margin, bias && { bias }));
      const classWeights = positive(classes, 4);
      classWeights[1] = 0;
      expectParity(headOf(n, d, classes, margin, { ...(bias && { bias }), labelSmoothing: 0.3 }));
      expectParity(headOf(n, d, classes, margin, { ...(bias && { bias }), classWeights }));
      expectParity(headOf(n, d, classes, margin, { ...(bias && { bias }), classWeights, labelSmoothing: 1 }));
    });
    it('zero, parallel, opposite, long and short rows', () => {
      const [n, d, classes] = [12, 5, few ? 3 : 20];
      const k = centersOf(margin);
      const head = headOf(n, d, classes, margin, { uneven: true });
      const { x, weights, labels } = head;
      for (let i = 0; i < n; i++) if ((labels[i] as number) < 0) labels[i] = i % classes;
      const of = (i: number) => (labels[i] as number) * k * d;
      const row = (i: number) => x.subarray(i * d, i * d + d);
      row(0).fill(0);
      row(1).set(weights.subarray(of(1), of(1) + d).map((value) => 2 * value));
      row(2).set(weights.subarray(of(2), of(2) + d).map((value) => -value));
      const scaled = hasSoftmax(margin) && margin.kind !== 'softmax' && margin.kind !== 'lSoftmax' && margin.kind !== 'aSoftmax';
      row(4).forEach((value, j) => (row(4)[j] = value * (scaled ? 1e19 : 1e3)));
      row(5).forEach((value, j) => (row(5)[j] = value * 1e-30));
      const last = weights.subarray(weights.length - 3 * d);
      last.fill(0, 0, d);
      for (let j = d; j < 2 * d; j++) last[j] = (last[j] as number) * (scaled ? 1e19 : 1e3);
      for (let j = 2 * d; j < 3 * d; j++) last[j] = (last[j] as number) * 1e-30;
      expectParity(head);
    });
    it('NaN in a row, in a row of weights, and nothing but ignored labels', () => {
      const [n, d, classes] = [5, 4, few ? 3 : 6];
      const head = headOf(n, d, classes, margin);
      expectParity({ ...head, labels: head.labels.map(() => -100) });
      const broken = { ...head, x: head.x.slice(), labels: head.labels.map((_, i) => i % classes) };
      broken.x[d + 1] = Number.NaN;
      expectParity(broken);
      const weights = head.weights.slice();
      weights[weights.length - 2] = Number.NaN;
      expectParity({ ...head, weights, labels: head.labels.map((_, i) => i % 2) });
    });
  });

  it('logits of any spread and offset', () => {
    for (const labelSmoothing of [0, 0.1]) {
      const bias = new Float32Array(300);
      const wide = headOf(40, 8, 300, hs.softmaxMargin(), { bias, labelSmoothing });
      expectParity({ ...wide, x: wide.x.map((value) => value * (22 / Math.sqrt(8))) });
      expectParity({ ...wide, bias: floats(300, 3).map((value) => 1e6 + value) });
      expectParity({ ...wide, bias: floats(300, 3).map((value) => -1e6 + value) });
    }
  });

  it('infinite logits', () => {
    for (const labelSmoothing of [0, 0.1]) {
      for (const classWeights of [undefined, new Float32Array(300).fill(1).fill(0, 0, 280)]) {
        for (const infinities of [
          [[5, -Infinity]],
          [[5, Infinity]],
          [[1, -Infinity]],
          [[1, Infinity]],
          [
            [270, Infinity],
            [271, Infinity],
          ],
          [
            [2, -Infinity],
            [290, Infinity],
          ],
        ]) {
          const bias = floats(300, 3);
          for (const [at, value] of infinities as [number, number][]) bias[at] = value;
          const head = headOf(6, 4, 300, hs.softmaxMargin(), { bias, labelSmoothing, ...(classWeights && { classWeights }) });
          expectParity({ ...head, labels: Int32Array.of(1, 2, 5, 270, 271, 299) });
        }
      }
    }
    const none = new Float32Array(300).fill(-Infinity);
    expectParity(headOf(6, 4, 300, hs.softmaxMargin(), { bias: none }));
    expectParity(headOf(6, 4, 300, hs.softmaxMargin(), { bias: none.slice().fill(0, 290, 295) }));
  });
});
