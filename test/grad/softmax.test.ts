import { describe, it } from 'vitest';
import { hardmaxLoss } from '../../lib/reference/hardmax.js';
import { softmax, softmaxCrossEntropy, softmaxGradient } from '../../lib/reference/softmax.js';
import { base, reductions } from '../helpers/classification.js';
import { normals } from '../helpers/data.js';
import { expectGradient, type Inputs, weighted } from '../helpers/gradcheck.js';

const { n, classes } = base;
const of = (inputs: Inputs, name: string): Float64Array => inputs[name] as Float64Array;
describe.each(reductions)('$name', ({ options }) => {
  it('softmaxCrossEntropy', () => {
    expectGradient({ logits: normals(n * classes, 1, 2) }, (v, g) =>
      softmaxCrossEntropy({ ...base, ...options, logits: of(v, 'logits'), gradLogits: of(g, 'logits') }),
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
