// Native hardmax and its losses against the reference at every level: comparisons and one difference in float64, so to the bit.
import { afterAll, expect, it } from 'vitest';
import { resetServed, servedBy } from '../../lib/backend.js';
import { hardmax, hardmaxHingeLoss, hardmaxLoss, type Matrix, matrix, setBackend, setIsa, setThreads } from '../../lib/index.js';
import { normalMatrix } from '../helpers/data.js';
import { describeLevels, levels } from '../helpers/native.js';
import { bitsText } from '../helpers/tolerance.js';

afterAll(() => {
  setIsa(levels.at(-1) as never);
  setBackend('native');
});

/** Ties, both zeros, infinities of either sign alone and together, NaN alone and among others, and all of one kind. */
function edges(classes: number): Matrix {
  const rows = [
    [1, 3, 3, 2],
    [0, -0, 0, -0],
    [Infinity, 1, Infinity],
    [-Infinity, -Infinity],
    [Number.NaN, 5, 7],
    [-3, Number.NaN],
    [Number.NaN],
    [3.4e38, -3.4e38],
  ];
  return matrix(
    Float32Array.from({ length: rows.length * classes }, (_, at) => {
      const row = rows[Math.floor(at / classes)] as number[];
      return row[(at % classes) % row.length] as number;
    }),
    classes,
  );
}

const text = (logits: Matrix): string => {
  const [n, classes] = logits.shape;
  const labels = Int32Array.from({ length: n }, (_, i) => (i * 5 + 1) % classes);
  const losses = (['mean', 'sum', 'none'] as const).flatMap((reduction) => [
    hardmaxLoss(logits, labels, { reduction }),
    hardmaxHingeLoss(logits, labels, { reduction, margin: 0.75 }),
    { ...hardmaxHingeLoss(logits, labels, { reduction, gradients: false }), gradLogits: hardmax(logits) },
  ]);
  return losses.map(({ loss, perExample, gradLogits }) => `${loss} ${bitsText(perExample)} ${bitsText(gradLogits.data)}`).join('\n');
};

describeLevels('hardmax', (isa) => {
  it.each([1, 2, 3, 15, 16, 17, 33, 1000])('over %i classes has the bits of the reference', (classes) => {
    for (const logits of [normalMatrix(1, classes, 1), normalMatrix(37, classes, 2), edges(classes)]) {
      setBackend('ts');
      const expected = text(logits);
      setBackend('native');
      setIsa(isa);
      for (const threads of [1, 3]) {
        setThreads(threads);
        resetServed();
        expect(text(logits) === expected, `${logits.shape.join(' × ')} on ${threads} threads`).toBe(true);
        expect(servedBy()).toEqual(['native']);
      }
    }
  });
});
