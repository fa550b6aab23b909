import { expect, it } from 'vitest';
import type { LabelledBatchOp } from '../../lib/ops/batch-losses.js';
import { reference } from '../../lib/reference/index.js';
import { cyclicLabels, normals } from '../helpers/data.js';
import { expectGradient } from '../helpers/gradcheck.js';

const [n, d, m] = [6, 3, 5];
const labels = cyclicLabels(n, 3);
const perExample = new Float64Array(n);
const memory = { x: normals(m * d, 41), labels: cyclicLabels(m, 3), m };
type Op = LabelledBatchOp & { perExample: Float64Array };
const pairs = { distance: 'euclidean', normalize: true, reduction: 'mean' } as const;
const losses: Record<string, (op: Op) => number> = {
  supCon: (op) => reference.supConLoss({ ...op, temperature: 0.5 }),
  ntXent: (op) => reference.ntXentLoss({ ...op, temperature: 0.5 }),
  multiSimilarity: (op) => reference.multiSimilarityLoss({ ...op, alpha: 2, beta: 8, base: 0.5 }),
  lifted: (op) => reference.liftedStructureLoss({ ...op, negMargin: 1, posMargin: 0, normalize: true, generalized: false }),
  generalizedLifted: (op) => reference.liftedStructureLoss({ ...op, negMargin: 1, posMargin: 0, normalize: true, generalized: true }),
  nca: (op) => reference.ncaLoss({ ...op, scale: 2, normalize: true }),
  angular: (op) => reference.angularLoss({ ...op, alpha: 0.7 }),
  fastAp: (op) => reference.fastApLoss({ ...op, numBins: 4 }),
  intraPairVariance: (op) => reference.intraPairVarianceLoss({ ...op, posEps: 0.3, negEps: 0.5 }),
  tupletMargin: (op) => reference.tupletMarginLoss({ ...op, margin: 0.1, s: 4 }),
  histogram: (op) => reference.histogramLoss({ ...op, numBins: 20 }),
  pnp: (op) => reference.pnpLoss({ ...op, variant: 'Ds', anneal: 0.2, b: 2, alpha: 1 }),
  rankedList: (op) => reference.rankedListLoss({ ...op, margin: 0.6, alpha: 1.4, imbalance: 0.3, tPos: 4, tNeg: 3 }),
  tcm: (op) => reference.tcmLoss({ ...op, lambdaPlus: 0.5, lambdaMinus: 2, marginPlus: 0.8, marginMinus: 0.1 }),
  contrastive: (op) => reference.batchContrastiveLoss({ ...op, ...pairs, posMargin: 0.1, negMargin: 1.3 }),
  triplet: (op) => reference.batchTripletLoss({ ...op, ...pairs, mining: 'all', margin: 0.3, soft: true, swap: true, seed: 0 }).loss,
};

it.each(Object.keys(losses))('%s beside a memory', (name) => {
  const loss = losses[name] as (op: Op) => number;
  expectGradient({ x: normals(n * d, 42) }, (v, g) =>
    loss({ x: v.x as Float64Array, labels, n, d, memory, perExample, gradX: g.x as Float64Array }),
  );
});

it.each(Object.keys(losses))('%s beside an empty memory has the bits of the plain loss', (name) => {
  const loss = losses[name] as (op: Op) => number;
  const x = normals(n * d, 43);
  const [plain, beside] = [new Float64Array(n * d), new Float64Array(n * d)];
  const empty = { x: new Float64Array(0), labels: new Int32Array(0), m: 0 };
  expect(loss({ x, labels, n, d, memory: empty, perExample, gradX: beside })).toBe(loss({ x, labels, n, d, perExample, gradX: plain }));
  expect(beside).toEqual(plain);
});

it('margin loss beside a memory, with a β a class of the anchor', () => {
  expectGradient({ x: normals(n * d, 44), beta: Float64Array.of(0.9, 1.2, 1.6) }, (v, g) => {
    const op = { labels, n, d, memory, margin: 0.4, nu: 0, normalize: true, x: v.x as Float64Array, beta: v.beta as Float64Array };
    return reference.marginLoss({ ...op, gradX: g.x as Float64Array, gradBeta: g.beta as Float64Array });
  });
});

it.each(Object.keys(losses))('%s does not see the order of the rows of a memory', (name) => {
  const loss = losses[name] as (op: Op) => number;
  const x = normals(n * d, 45);
  const order = [3, 0, 4, 2, 1];
  const turned = {
    x: Float64Array.from(order.flatMap((j) => [...memory.x.subarray(j * d, (j + 1) * d)])),
    labels: Int32Array.from(order, (j) => memory.labels[j] as number),
    m,
  };
  const [one, other] = [new Float64Array(n * d), new Float64Array(n * d)];
  expect(loss({ x, labels, n, d, memory: turned, perExample, gradX: other })).toBeCloseTo(
    loss({ x, labels, n, d, memory, perExample, gradX: one }),
    10,
  );
  other.forEach((v, k) => expect(v).toBeCloseTo(one[k] as number, 10));
});
