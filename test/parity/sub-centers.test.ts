// Sub-centers under every margin they may carry: the native backend against the reference in float64, at every level; equal bits of
// levels and threads; and the choice of the best row where rows are equal or NaN.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { movedOn } from '../../lib/margins/columns.js';
import { reference } from '../../lib/reference/index.js';
import { normalMatrix, normals } from '../helpers/data.js';
import { describeNative, levels } from '../helpers/native.js';
import { bitsOf, expectWithin, roundoff } from '../helpers/tolerance.js';

const s = 8;
const inners: hs.CosineMargin[] = [
  hs.normalizedSoftmax({ temperature: 1 / s }),
  hs.cosFace({ s, m: 0.2 }),
  hs.arcFace({ s, m: 0.4 }),
  hs.combinedMargin({ s, m1: 1.1, m2: 0.2, m3: 0.1, gradient: 'straightThrough' }),
  hs.sphereFaceR({ s, variant: 'v0', m: 1.7, lossWeight: 5 }),
  hs.sphereFaceR({ s, variant: 'v1', m: 1.3, lossWeight: 5 }),
  hs.sphereFaceR({ s, variant: 'v2', m: 1.4, lossWeight: 5 }),
  hs.sphereFaceR({ s, variant: 'v2', m: 1.4, lossWeight: 5, gradient: 'straightThrough' }),
  hs.adaFace({ s, tAlpha: 0.5, batchMean: 4, batchStd: 1 }),
  hs.magFace({ s, lA: 1, uA: 20, lambdaG: 2, easyMargin: false }),
  // In 3 dimensions and more, half of the columns or nearly are beyond the target.
  hs.curricularFace({ s, m: 0.4, t: 0.2, momentum: 0.5 }),
];

// k = 3 leaves a column of each block empty, 256 fills a block with one class, 1 pools nothing; 90 and 300 classes take more than one block.
const shapes = [
  { n: 7, d: 3, classes: 4, k: 2 },
  { n: 33, d: 40, classes: 90, k: 3 },
  { n: 9, d: 17, classes: 3, k: 256 },
  { n: 20, d: 16, classes: 300, k: 1 },
];
type Shape = (typeof shapes)[number];

interface Options {
  readonly labelSmoothing: number;
  readonly reduction: hs.SoftmaxReduction;
  readonly classWeights?: Float32Array;
  readonly gradOutput?: Float32Array;
}

function problem({ n, d, classes, k }: Shape) {
  const [x, w] = [normalMatrix(n, d, 21), normalMatrix(classes * k, d, 22)];
  // The second row counts nowhere.
  const labels = Int32Array.from({ length: n }, (_, i) => (i === 1 ? -100 : (i * 5) % classes));
  const options: Options[] = [
    { reduction: 'sum', labelSmoothing: 0 },
    { reduction: 'none', labelSmoothing: 0.1, gradOutput: Float32Array.from(normals(n, 23)) },
    { reduction: 'sum', labelSmoothing: 0.1, classWeights: Float32Array.from({ length: classes }, (_, c) => (c % 3) / 2 + 0.5) },
  ];
  return { x, w, labels, options };
}

const wide = (values: Float32Array | undefined) => values && Float64Array.from(values);
const at = (values: ArrayLike<number>, i: number): number => values[i] as number;

function exact({ n, d, classes, k }: Shape, x: hs.Matrix, w: hs.Matrix, labels: Int32Array, margin: hs.Margin, options: Options) {
  const out = {
    perExample: new Float64Array(n),
    logits: new Float64Array(n * classes),
    gradX: new Float64Array(n * d),
    gradWeights: new Float64Array(classes * k * d),
  };
  const { reduction, labelSmoothing } = options;
  const shape = { n, d, classes, reduction, labelSmoothing, ignoreIndex: -100, workspaceBytes: 1 };
  const [classWeights, gradOutput] = [wide(options.classWeights), wide(options.gradOutput)];
  const inputs = { x: Float64Array.from(x.data), weights: Float64Array.from(w.data), labels, classWeights, gradOutput };
  return { ...out, ...reference.marginSoftmax({ ...shape, ...inputs, margin, ...out }) };
}

/** Unit rows, their lengths, which of its class's k rows each row of x is nearest to, [n, classes], and how narrowly. */
function geometry({ n, d, classes, k }: Shape, x: hs.Matrix, w: hs.Matrix) {
  const lengths = (m: hs.Matrix) => Float64Array.from({ length: m.shape[0] }, (_, i) => Math.hypot(...m.data.subarray(i * d, (i + 1) * d)));
  const [ofX, ofW] = [lengths(x), lengths(w)];
  const unit = (m: hs.Matrix, of: Float64Array) => Float64Array.from(m.data, (value, e) => value / at(of, Math.floor(e / d)));
  const [u, v] = [unit(x, ofX), unit(w, ofW)];
  const best = new Int32Array(n * classes);
  let gap = Infinity;
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < classes; c++) {
      const cosines = Array.from({ length: k }, (_, r) =>
        u.subarray(i * d, (i + 1) * d).reduce((sum, value, j) => sum + value * at(v, (c * k + r) * d + j), 0),
      );
      const [most, next] = [...cosines].sort((a, b) => b - a) as [number, number?];
      best[i * classes + c] = c * k + cosines.indexOf(most);
      gap = Math.min(gap, most - (next ?? -Infinity));
    }
  }
  return { ofX, ofW, u, v, best, gap };
}

/**
 * A cosine is a sum of d products of two unit rows, off by (d + 16)·2⁻²⁴ at most, and a logit by that times s times the slope of the bend, no
 * more than 3 here (c(t + c): 2.2; cos(θ/m) short of π: 2.6). A softmax makes a relative error of twice that of it and sums C terms; the slope of a
 * bend changes with its cosine. A gradient is a sum over classes, or rows, of coefficients that are off by so much each: `sizeX` and `sizeW` are
 * the sums of their sizes times those of what they multiply, with 4 for the slope on the target.
 */
function expectParity(shape: Shape, inner: hs.CosineMargin): void {
  const { n, d, classes, k } = shape;
  const { x, w, labels, options } = problem(shape);
  const { ofX, ofW, u, v, best, gap } = geometry(shape, x, w);
  // Else float32 could take another row.
  expect(gap).toBeGreaterThan(2 * (d + 16) * roundoff);
  const margin = hs.subCenters(k, inner);
  const bends = inner.kind === 'curricularFace' || (inner.kind === 'sphereFaceR' && inner.variant === 'v2');
  const steepest = 4;
  const ofLogit = s * (bends ? 3 : 1) * (d + 16) * roundoff;
  const relative = 2 * ofLogit + (classes + (bends ? 16 * (d + 16) : 16)) * roundoff;
  for (const option of options) {
    const expected = exact(shape, x, w, labels, margin, option);
    const got = hs.marginSoftmax(x, w, labels, { ...option, margin, logits: true });
    const what = `${JSON.stringify(inner)}, ${JSON.stringify({ ...shape, ...option, classWeights: undefined, gradOutput: undefined })}`;
    expectWithin(got.logits?.data as Float32Array, expected.logits, () => ofLogit, `${what}: logits`);
    const heaviest = option.classWeights ? 1.5 : 1;
    const ofLoss = (i: number): number => heaviest * 4 * ofLogit + (classes + 16) * roundoff * (1 + at(expected.perExample, i));
    expectWithin(got.perExample, expected.perExample, ofLoss, `${what}: rows`);
    const weight = (inner.kind === 'sphereFaceR' ? inner.lossWeight / inner.s : 1) * heaviest;
    const upstream = (i: number): number => Math.abs(option.gradOutput?.[i] ?? 1);
    const ofTotal = expected.perExample.reduce((sum, _, i) => sum + weight * upstream(i) * ofLoss(i), 0);
    expect(Math.abs(got.loss - expected.loss), `${what}: loss`).toBeLessThanOrEqual(ofTotal);
    expect(Math.abs((got.regularizer ?? 0) - expected.regularizer), `${what}: regularizer`).toBeLessThanOrEqual(
      1e-12 * expected.perExample.length,
    );
    const [sizeX, sizeW] = [new Float64Array(n * d), new Float64Array(classes * k * d)];
    for (let i = 0; i < n; i++) {
      if (at(labels, i) === -100) continue;
      const z = expected.logits.subarray(i * classes, (i + 1) * classes);
      const most = z.reduce((a, b) => Math.max(a, b));
      const total = z.reduce((sum, value) => sum + Math.exp(value - most), 0);
      for (let c = 0; c < classes; c++) {
        const p = Math.exp(at(z, c) - most) / total;
        const share = option.labelSmoothing / classes;
        const size = s * steepest * weight * upstream(i) * ((c === labels[i] ? 1 - p : p) + share);
        const r = at(best, i * classes + c);
        for (let j = 0; j < d; j++) {
          const both = Math.abs(at(u, i * d + j)) + Math.abs(at(v, r * d + j));
          sizeX[i * d + j] = at(sizeX, i * d + j) + (size * both) / at(ofX, i);
          sizeW[r * d + j] = at(sizeW, r * d + j) + (size * both) / at(ofW, r);
        }
      }
    }
    // MagFace's regulariser adds to the gradient of x alone, in float64.
    const limitX = (e: number): number => relative * at(sizeX, e) + 4 * roundoff * Math.abs(at(expected.gradX, e));
    expectWithin(got.gradEmbeddings?.data as Float32Array, expected.gradX, limitX, `${what}: x`);
    expectWithin(
      got.gradWeights?.data as Float32Array,
      expected.gradWeights,
      (e) => (relative + n * roundoff) * at(sizeW, e),
      `${what}: w`,
    );
    const after = movedOn(margin, expected.state) ?? margin;
    for (const [name, value] of Object.entries((after as hs.SubCentersMargin).margin)) {
      const found = (got.margin as hs.SubCentersMargin).margin[name as 'kind'] as unknown;
      if (typeof value === 'number')
        expect(Math.abs((found as number) - value), `${what}: ${name}`).toBeLessThanOrEqual(1e-12 * (1 + Math.abs(value)));
      else expect(found).toBe(value);
    }
  }
}

const bitsOfAll = (shape: Shape, inner: hs.CosineMargin, workspaceBytes: number): number[] => {
  const { x, w, labels, options } = problem(shape);
  return options.flatMap((option) => {
    const result = hs.marginSoftmax(x, w, labels, { ...option, margin: hs.subCenters(shape.k, inner), logits: true, workspaceBytes });
    const loss = new Float32Array(Float64Array.of(result.loss).buffer);
    const parts = [loss, result.perExample, result.logits?.data, result.gradEmbeddings?.data, result.gradWeights?.data];
    return parts.flatMap((part) => [...bitsOf(part as Float32Array)]);
  });
};

const named = inners.map((inner) => ({ name: JSON.stringify(inner), inner }));
const kept = 96 * 2 ** 20;

describeNative('sub-centers', () => {
  beforeAll(() => hs.setBackend('native'));
  afterAll(() => {
    hs.setIsa(levels.at(-1) as hs.Isa);
    hs.setThreads(1);
  });

  describe.each(levels)('at %s', (isa) => {
    beforeAll(() => hs.setIsa(isa));
    it.each(named)('equal the reference under $name', ({ inner }) => {
      for (const shape of shapes) expectParity(shape, inner);
    });
    it.each(named)('choose the lowest of equal rows, and a NaN only where all are: $name', ({ inner }) => {
      const margin = hs.subCenters(3, inner);
      const x = hs.matrix(Float32Array.of(1, 0.5), 2);
      const weights = (...first: number[]) => hs.matrix(Float32Array.of(...first, 0, 1, 0, 1, -1, 1), 2);
      const run = (m: hs.Matrix) => hs.marginSoftmax(x, m, [0], { margin });
      const touched = (m: hs.Matrix) => {
        const g = run(m).gradWeights.data;
        return [0, 1, 2, 3, 4, 5].filter((r) => g[2 * r] !== 0 || g[2 * r + 1] !== 0);
      };
      expect(touched(weights(2, 0, 2, 0, 2, 0))).toEqual([0, 3]);
      expect(touched(weights(-1, 0, 1, 0, 1, 0))).toEqual([1, 3]);
      const broken = run(weights(Number.NaN, 0, -1, 0, 1, 0));
      expect(broken.loss).toBe(run(weights(0, -1, -1, 0, 1, 0)).loss);
      expect(run(weights(...new Array(6).fill(Number.NaN))).loss).toBeNaN();
    });
  });

  it.each(named)('have the same bits at every level, thread count and workspace: $name', ({ inner }) => {
    const fused = levels.filter((isa) => isa !== 'baseline');
    for (const isas of [...(fused.length > 0 ? [fused] : []), ['baseline' as const]]) {
      for (const shape of shapes) {
        let first: number[] | undefined;
        for (const isa of isas) {
          hs.setIsa(isa);
          for (const [threads, workspace] of [
            [1, kept],
            [1, 1],
            [2, kept],
            [3, 1],
          ] as const) {
            hs.setThreads(threads);
            const bits = bitsOfAll(shape, inner, workspace);
            first ??= bits;
            const differs = bits.findIndex((value, e) => value !== first?.[e]);
            expect(differs, `${isa}, ${threads} threads, ${JSON.stringify(shape)}`).toBe(-1);
          }
        }
      }
    }
  });
});
