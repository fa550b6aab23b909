// What the table says, from rows and runs whose figures are known by hand.
import { expect, it } from 'vitest';
import { addToRows, pairDots, pairSquaredDistances, prelu, preluGradient, sumOfRows } from '../../lib/cli/rows.js';
import { columns, summarize, textTable } from '../../lib/cli/summary.js';
import type { RunResult } from '../../lib/cli/train.js';
import { matrix } from '../../lib/index.js';

const of = (...values: number[]) => matrix(Float32Array.from(values), 2);

it('rows: bias, its gradient, PReLU and its gradient', () => {
  const x = of(1, -2, 3, 4);
  addToRows(x, Float32Array.of(10, 1));
  expect(x.data).toEqual(Float32Array.of(11, -1, 13, 5));
  expect(sumOfRows(x)).toEqual(Float32Array.of(24, 4));
  const slope = Float32Array.of(0.5, 0.25);
  expect(prelu(x, slope).data).toEqual(Float32Array.of(11, -0.25, 13, 5));
  expect(preluGradient(x, slope, of(1, 2, 3, 4))).toEqual({ input: of(1, 0.5, 3, 4), slope: Float32Array.of(0, -2) });
});

it('pairs: dots and squared distances', () => {
  const x = of(1, 2, 4, 6, 0, 0);
  expect([...pairDots(x, Int32Array.of(0, 1, 1, 2))]).toEqual([16, 0]);
  expect([...pairSquaredDistances(x, Int32Array.of(0, 1, 2, 0))]).toEqual([25, 5]);
});

it('the table: means over the splits, each figure in its own column', () => {
  const run = (dim: number, accuracy: number, auc?: number): RunResult => ({
    job: { loss: 'arcFace', dim, trainClasses: [0], heldOut: auc ? [8, 9] : [], steps: 1, seed: 1 },
    accuracy,
    intraAngle: 20,
    interAngle: 80,
    verification: auc ? { auc, eer: 0.1, tarAtFar: 0.2, precisionAt1: 0.3, mapAtR: 0.4, fpr: [], tpr: [] } : undefined,
    curve: [],
    points: [],
    secondsPerStep: 0.0123,
  });
  const rows = summarize([run(2, 0.1), run(16, 0.9, 0.7), run(16, 0.8, 0.9)]);
  expect(rows).toHaveLength(1);
  const cells = Object.fromEntries(columns.map(({ head, cell }) => [head, cell(rows[0] as (typeof rows)[number])]));
  expect(cells).toEqual({
    loss: 'ArcFace',
    accuracy: '85.0 %',
    AUC: '0.8000',
    EER: '10.0 %',
    'TAR@FAR=1e-2': '20.0 %',
    'P@1': '30.0 %',
    'MAP@R': '40.0 %',
    intra: '20°',
    inter: '80°',
    's/step': '0.0123',
  });
  expect(textTable(rows).split('\n')).toHaveLength(2);
});
