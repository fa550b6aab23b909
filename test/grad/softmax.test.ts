import { describe, it } from 'vitest';
import { arcFace, aSoftmax, combinedMargin, cosFace, lSoftmax, normalizedSoftmax } from '../../lib/index.js';
import { hardmaxLoss } from '../../lib/reference/hardmax.js';
import { marginSoftmax } from '../../lib/reference/margin-softmax.js';
import { linearCrossEntropy, softmax, softmaxCrossEntropy, softmaxGradient } from '../../lib/reference/softmax.js';
import { normals } from '../helpers/data.js';
import { expectGradient, type Inputs, weighted } from '../helpers/gradcheck.js';

const [n, d, classes] = [5, 4, 6];
const base = {
  labels: Int32Array.of(2, 0, -1, 5, 2),
  n,
  classes,
  labelSmoothing: 0,
  ignoreIndex: -1,
  perExample: new Float64Array(n),
};
const of = (inputs: Inputs, name: string): Float64Array => inputs[name] as Float64Array;
const variants = [
  { name: 'mean', options: { reduction: 'mean' as const } },
  { name: 'sum, smoothed', options: { reduction: 'sum' as const, labelSmoothing: 0.2 } },
  {
    name: 'mean, weighted and smoothed',
    options: { reduction: 'mean' as const, labelSmoothing: 0.1, classWeights: Float64Array.of(1, 2, 0, 0.5, 3, 1) },
  },
  { name: 'none with upstream gradients', options: { reduction: 'none' as const, gradOutput: Float64Array.of(1, -2, 3, 0.5, 0.1) } },
];

describe.each(variants)('$name', ({ options }) => {
  it('softmaxCrossEntropy', () => {
    expectGradient({ logits: normals(n * classes, 1, 2) }, (v, g) =>
      softmaxCrossEntropy({ ...base, ...options, logits: of(v, 'logits'), gradLogits: of(g, 'logits') }),
    );
  });
  it('linearCrossEntropy', () => {
    expectGradient({ x: normals(n * d, 2), w: normals(classes * d, 3), bias: normals(classes, 4) }, (v, g) =>
      linearCrossEntropy({
        ...base,
        ...options,
        d,
        x: of(v, 'x'),
        weights: of(v, 'w'),
        bias: of(v, 'bias'),
        gradX: of(g, 'x'),
        gradWeights: of(g, 'w'),
        gradBias: of(g, 'bias'),
      }),
    );
  });
});

const margins = [
  normalizedSoftmax({ temperature: 0.1 }),
  ...[1, 2, 3, 4, 7].flatMap((m) => [lSoftmax({ m, lambda: 0 }), aSoftmax({ m, lambda: 1.5 })]),
  cosFace({ s: 16 }),
  ...(['none', 'linear', 'easy', 'clip'] as const).map((overflow) => arcFace({ s: 16, m: 1.2, overflow })),
  combinedMargin({ s: 16, m1: 0.9, m2: 0.4, m3: 0.15 }),
];

describe.each(margins.map((margin) => ({ name: JSON.stringify(margin), margin })))('marginSoftmax $name', ({ margin }) => {
  it.each(variants)('$name', ({ options }) => {
    expectGradient({ x: normals(n * d, 5), w: normals(classes * d, 6) }, (v, g) =>
      marginSoftmax({ ...base, ...options, d, margin, x: of(v, 'x'), weights: of(v, 'w'), gradX: of(g, 'x'), gradWeights: of(g, 'w') }),
    );
  });
});

it('softmaxGradient', () => {
  const gradOutput = normals(n * classes, 7);
  expectGradient({ logits: normals(n * classes, 8) }, (v, g) => {
    const op = { logits: of(v, 'logits'), n, classes, temperature: 0.7 };
    const out = new Float64Array(n * classes);
    softmax({ ...op, out });
    softmaxGradient({ ...op, gradOutput, gradLogits: of(g, 'logits') });
    return weighted(out, gradOutput);
  });
});

it.each([undefined, 1])('hardmaxLoss with margin %s', (margin) => {
  expectGradient({ logits: normals(n * classes, 9) }, (v, g) =>
    hardmaxLoss({
      ...base,
      labels: Int32Array.of(2, 0, 1, 5, 2),
      reduction: 'mean',
      margin,
      logits: of(v, 'logits'),
      gradLogits: of(g, 'logits'),
    }),
  );
});
