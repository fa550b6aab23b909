// Margins whose backward pass is not the derivative of the loss: something is a constant there. Each is held to the central differences of the
// function that it is the gradient of, or to a formula written down apart.
import { describe, expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { marginSoftmax } from '../../lib/reference/margin-softmax.js';
import { base } from '../helpers/classification.js';
import { normals } from '../helpers/data.js';
import { expectGradient, type Inputs } from '../helpers/gradcheck.js';

const d = 4;
const { n, classes, labels, ignoreIndex } = base;
const x = normals(n * d, 15, 2);
const w = normals(classes * d, 16);
const of = (inputs: Inputs, name: string): Float64Array => inputs[name] as Float64Array;

function run(margin: hs.Margin, v: Inputs, g?: Inputs) {
  const logits = new Float64Array(n * classes);
  const gradients = g && { gradX: of(g, 'x'), gradWeights: of(g, 'w') };
  const op = {
    ...base,
    reduction: 'mean' as const,
    d,
    margin,
    workspaceBytes: 1,
    x: of(v, 'x'),
    weights: of(v, 'w'),
    logits,
    ...gradients,
  };
  return { ...marginSoftmax(op), logits };
}

/** ∂loss/∂logits of the mean cross-entropy, times a weight. */
function softmaxGradient(logits: Float64Array, weight: number): Float64Array {
  const g = new Float64Array(n * classes);
  const count = labels.filter((y) => y !== ignoreIndex).length;
  for (let i = 0; i < n; i++) {
    if (labels[i] === ignoreIndex) continue;
    const row = logits.subarray(i * classes, (i + 1) * classes);
    const sum = row.reduce((total, z) => total + Math.exp(z - Math.max(...row)), 0);
    row.forEach((z, c) => (g[i * classes + c] = (weight * (Math.exp(z - Math.max(...row)) / sum - Number(c === labels[i]))) / count));
  }
  return g;
}

/** The same of sphereFace2's binary cross-entropy. */
function binaryGradient(logits: Float64Array, alpha: number, weight: number): Float64Array {
  const count = labels.filter((y) => y !== ignoreIndex).length;
  return logits.map((z, at) => {
    const y = labels[Math.floor(at / classes)] as number;
    if (y === ignoreIndex) return 0;
    const slope = y === at % classes ? -alpha / (1 + Math.exp(z)) : (1 - alpha) / (1 + Math.exp(-z));
    return (weight * slope) / count;
  });
}

/** Σ g·scale·u·v, u and v unit rows or as they are. */
function plainSum(v: Inputs, g: Float64Array, scale: number, unitX: boolean): number {
  let sum = 0;
  const row = (values: Float64Array, at: number, unit: boolean): number[] => {
    const r = Array.from(values.subarray(at * d, (at + 1) * d));
    return unit ? r.map((value) => value / Math.hypot(...r)) : r;
  };
  for (let i = 0; i < n; i++) {
    const u = row(of(v, 'x'), i, unitX);
    for (let c = 0; c < classes; c++) {
      const cos = row(of(v, 'w'), c, true).reduce((total, value, j) => total + value * (u[j] as number), 0);
      sum += (g[i * classes + c] as number) * scale * cos;
    }
  }
  return sum;
}

describe('straight through', () => {
  const gradient = 'straightThrough' as const;
  const margins = [
    { margin: hs.arcFace({ s: 8, m: 1.2, overflow: 'none', gradient }), scale: 8 },
    { margin: hs.arcFace({ s: 8, m: 1.2, overflow: 'clip', gradient }), scale: 8 },
    { margin: hs.combinedMargin({ s: 8, gradient }), scale: 8 },
    ...(['v0', 'v1', 'v2'] as const).map((variant) => ({ margin: hs.sphereFaceR({ variant, s: 8, lossWeight: 20, gradient }), scale: 8 })),
    ...(['C', 'A', 'M'] as const).map((variant) => ({ margin: hs.sphereFace2({ variant, r: 6, gradient }), scale: 6 })),
    { margin: hs.aSoftmax({ m: 3, lambda: 0.5, gradient }), scale: 1 },
  ];
  it.each(margins.map((row) => ({ name: JSON.stringify(row.margin), ...row })))('$name', ({ margin, scale }) => {
    const { logits } = run(margin, { x, w });
    const g =
      margin.kind === 'sphereFace2'
        ? binaryGradient(logits, margin.alpha, margin.lossWeight / margin.r)
        : softmaxGradient(logits, margin.kind === 'sphereFaceR' ? margin.lossWeight / margin.s : 1);
    expectGradient({ x: x.slice(), w: w.slice() }, (v, grads) => {
      run(margin, v, grads);
      return plainSum(v, g, scale, margin.kind !== 'aSoftmax');
    });
  });
});

/** The rows of v at the lengths of the rows of x: what only the directions decide. */
function atLengthsOf(v: Float64Array): Float64Array {
  return v.map((value, at) => {
    const i = Math.floor(at / d) * d;
    return (value * Math.hypot(...x.subarray(i, i + d))) / Math.hypot(...v.subarray(i, i + d));
  });
}

const k = 3;
const several = normals(classes * k * d, 17);

it.each([0.5, 1])('adaFace takes the norms as constants, tAlpha %s', (tAlpha) => {
  const margin = hs.adaFace({ s: 8, h: 1.5, tAlpha, batchMean: 4, batchStd: 1 });
  for (const [head, rows] of [
    [margin, w],
    [hs.subCenters(k, margin), several],
  ] as const) {
    expectGradient({ x: x.slice(), w: rows.slice() }, (v, g) => run(head, { x: atLengthsOf(of(v, 'x')), w: of(v, 'w') }, g).loss);
  }
});

const curricular = [0, 0.3, 1].flatMap((momentum) => [
  { name: 'curricularFace', momentum, over: (inner: hs.CosineMargin): hs.Margin => inner, rows: w },
  {
    name: 'curricularFace over sub-centers',
    momentum,
    over: (inner: hs.CosineMargin): hs.Margin => hs.subCenters(k, inner),
    rows: several,
  },
]);

it.each(curricular)('$name takes t as a constant, momentum $momentum', ({ momentum, over, rows }) => {
  const margin = over(hs.curricularFace({ s: 8, t: 0.2, momentum }));
  const [t] = run(margin, { x, w: rows }).state;
  expect(t === 0.2).toBe(momentum === 0);
  const still = over(hs.curricularFace({ s: 8, t, momentum: 0 }));
  const { logits } = run(still, { x, w: rows });
  const plain = run(over(hs.cosFace({ s: 8, m: 0 })), { x, w: rows }).logits;
  const hard = logits.filter((z, at) => at % classes !== labels[Math.floor(at / classes)] && z !== plain[at]);
  expect(hard.length, 'some classes are hard, and some are not').toBeGreaterThan(2);
  expectGradient({ x: x.slice(), w: rows.slice() }, (v, g) => {
    run(margin, { x, w: rows }, g);
    return run(still, v).loss;
  });
});

/**
 * The authors' layer: sphereface's margin_inner_product layer, by its own sign algebra for cos(mθ) (Liu et al. 2016's code writes ψ so as well). Its gradient
 * of x for the target is a·ŵ + b·x with the pair at length 1, blended with λ; its gradient of w is Gᵀx.
 */
const layers: Record<number, (c: number) => { psi: number; a: number; bTimesNorm: number }> = {
  2: (c) => {
    const s0 = Math.sign(c);
    return { psi: 2 * s0 * c * c - 1, a: 4 * s0 * c, bTimesNorm: -(2 * s0 * c * c + 1) };
  },
  3: (c) => {
    const s1 = Math.sign(Math.abs(c) - 0.5);
    const s2 = Math.sign(c) * (1 + s1) - 2;
    return { psi: s1 * (4 * c ** 3 - 3 * c) + s2, a: s1 * (12 * c * c - 3), bTimesNorm: -(8 * s1 * c ** 3 - s2) };
  },
  4: (c) => {
    const s3 = Math.sign(c) * Math.sign(2 * c * c - 1);
    const s4 = 2 * Math.sign(c) + s3 - 3;
    return {
      psi: s3 * (8 * c ** 4 - 8 * c * c + 1) + s4,
      a: s3 * (32 * c ** 3 - 16 * c),
      bTimesNorm: -(s3 * (24 * c ** 4 - 8 * c * c - 1) - s4),
    };
  },
};

it.each([2, 3, 4].flatMap((m) => [0, 5].map((lambda) => ({ m, lambda }))))(
  'aSoftmax passes back what the Caffe layer does: m $m, λ $lambda',
  ({ m, lambda }) => {
    const layer = layers[m] as (typeof layers)[number];
    const unit = Array.from({ length: classes }, (_, c) => {
      const row = w.subarray(c * d, (c + 1) * d);
      return row.map((value) => value / Math.hypot(...row));
    });
    const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, j) => sum + value * (b[j] as number), 0);
    const rows = Array.from({ length: n }, (_, i) => x.subarray(i * d, (i + 1) * d));
    const logits = new Float64Array(n * classes);
    rows.forEach((row, i) => {
      unit.forEach((v, c) => {
        const norm = Math.hypot(...row);
        const plain = dot(row, v);
        logits[i * classes + c] = c === labels[i] ? (lambda * plain + norm * layer(plain / norm).psi) / (1 + lambda) : plain;
      });
    });
    const g = softmaxGradient(logits, 1);
    const [gradX, gradW] = [new Float64Array(n * d), new Float64Array(classes * d)];
    rows.forEach((row, i) => {
      const norm = Math.hypot(...row);
      unit.forEach((v, c) => {
        const top = g[i * classes + c] as number;
        let [alongV, alongX] = [1, 0];
        if (c === labels[i]) {
          const { a, bTimesNorm } = layer(dot(row, v) / norm);
          const b = bTimesNorm / norm;
          const length = Math.sqrt(a * a + b * b);
          [alongV, alongX] = [(lambda + a / length) / (1 + lambda), b / length / (1 + lambda)];
        }
        for (let j = 0; j < d; j++) {
          gradX[i * d + j] = (gradX[i * d + j] as number) + top * (alongV * (v[j] as number) + alongX * (row[j] as number));
          gradW[c * d + j] = (gradW[c * d + j] as number) + top * (row[j] as number);
        }
      });
    });
    const got: Inputs = { x: new Float64Array(n * d), w: new Float64Array(classes * d) };
    const { logits: found } = run(hs.aSoftmax({ m, lambda, gradient: 'caffe' }), { x, w }, got);
    const same = (a: Float64Array, b: Float64Array): void =>
      a.forEach((value, at) => {
        // The ignored row has no target.
        if (a !== found || labels[Math.floor(at / classes)] !== ignoreIndex)
          expect(Math.abs(value - (b[at] as number))).toBeLessThanOrEqual(1e-12);
      });
    same(found, logits);
    same(of(got, 'x'), gradX);
    same(of(got, 'w'), gradW);
  },
);

it('aSoftmax of m = 1 as the Caffe layer has the plain gradient of x', () => {
  const [caffe, exact]: [Inputs, Inputs] = [
    { x: new Float64Array(n * d), w: new Float64Array(classes * d) },
    { x: new Float64Array(n * d), w: new Float64Array(classes * d) },
  ];
  run(hs.aSoftmax({ m: 1, gradient: 'caffe' }), { x, w }, caffe);
  run(hs.aSoftmax({ m: 1 }), { x, w }, exact);
  expect(caffe['x']).toEqual(exact['x']);
  expect(caffe['w']).not.toEqual(exact['w']);
});
