import { describe, expect, it } from 'vitest';
import {
  alloc,
  balancedBatches,
  batchTripletLoss,
  centerLoss,
  clustering,
  contrastiveLoss,
  cosFace,
  distanceChunks,
  distances,
  distancesGradient,
  HypersphereError,
  infoNceLoss,
  liftedStructureLoss,
  linearCrossEntropy,
  marginSoftmax,
  matmul,
  matrix,
  minePairs,
  mineTriplets,
  nearest,
  normalize,
  nPairsLoss,
  ntXentLoss,
  OfflineMiner,
  proxyAnchorLoss,
  proxyNcaLoss,
  roc,
  samplePairs,
  softmaxCrossEntropy,
  supConLoss,
  takeRows,
  tripletLoss,
  updateCenters,
  verification,
} from '../../lib/index.js';
import { normalMatrix } from '../helpers/data.js';

const x = normalMatrix(4, 3, 1);
const w = normalMatrix(2, 3, 2);
const labels = Int32Array.of(0, 1, 0, 1);
const detached = (() => {
  const data = new Float32Array(12);
  structuredClone(data.buffer, { transfer: [data.buffer] });
  return { data, shape: [4, 3] as const };
})();

const goneLabels = (): Int32Array => {
  const gone = new Int32Array(4);
  structuredClone(gone.buffer, { transfer: [gone.buffer] });
  return gone;
};

const caught = (run: () => unknown): HypersphereError => {
  try {
    run();
  } catch (error) {
    return error as HypersphereError;
  }
  throw new Error('nothing was thrown');
};

const cases: [name: string, code: string, argument: string, run: () => unknown][] = [
  ['a plain array for data', 'ERR_TYPE', 'x.data', () => normalize({ data: [1, 2] as never, shape: [1, 2] })],
  ['no matrix at all', 'ERR_TYPE', 'x', () => normalize(null as never)],
  ['a length that is not rows × cols', 'ERR_SHAPE', 'x', () => normalize({ data: new Float32Array(5), shape: [2, 3] })],
  ['a huge declared size', 'ERR_SHAPE', 'x', () => normalize({ data: new Float32Array(6), shape: [2 ** 40, 2 ** 40] })],
  ['a negative shape', 'ERR_SHAPE', 'x.shape', () => normalize({ data: new Float32Array(6), shape: [-2, -3] })],
  ['different widths', 'ERR_SHAPE', 'y', () => distances(x, normalMatrix(2, 4, 3), { metric: 'dot' })],
  ['an unknown metric', 'ERR_OPTION_RANGE', 'options.metric', () => distances(x, x, { metric: 'cosine' as never })],
  ['an unknown option', 'ERR_OPTION_RANGE', 'options.metrc', () => distances(x, x, { metrc: 'dot' } as never)],
  ['bare numbers for y', 'ERR_TYPE', 'y', () => distances(x, x.data as never)],
  ['rows of rows for y', 'ERR_TYPE', 'y', () => distances(x, [[1, 2, 3]] as never, { metric: 'dot' })],
  ['bare numbers for a gallery', 'ERR_TYPE', 'gallery', () => nearest(x, x.data as never, { k: 2 })],
  ['bare numbers for a gradient', 'ERR_TYPE', 'gradOutput', () => distancesGradient(x, x, x.data as never)],
  ['bare numbers for options', 'ERR_TYPE', 'options', () => supConLoss(x, labels, x.data as never)],
  [
    'options beside y that is none',
    'ERR_OPTION_RANGE',
    'options.metric',
    () => distances(x, undefined as never, { metric: 'l2' as never }),
  ],
  ['a detached buffer', 'ERR_DETACHED', 'x.data', () => normalize(detached)],
  ['a label beyond the classes', 'ERR_LABEL_RANGE', 'labels[2]', () => linearCrossEntropy(x, w, [0, 1, 2, 0])],
  ['a fractional label', 'ERR_LABEL_RANGE', 'labels[1]', () => marginSoftmax(x, w, [0, 0.5, 1, 0], { margin: cosFace() })],
  ['a NaN label', 'ERR_LABEL_RANGE', 'labels[0]', () => batchTripletLoss(x, [Number.NaN, 1, 0, 1])],
  ['float labels', 'ERR_TYPE', 'labels', () => centerLoss(x, Float32Array.of(0, 1, 0, 1) as never, w)],
  ['a missing label', 'ERR_SHAPE', 'labels', () => softmaxCrossEntropy(x, [0, 1, 0])],
  ['a flag that is not 0 or 1', 'ERR_LABEL_RANGE', 'same[3]', () => contrastiveLoss(x, x, [0, 1, 1, 2])],
  ['a negative margin', 'ERR_OPTION_RANGE', 'options.margin', () => tripletLoss(x, x, x, { margin: -0.1 })],
  ['a NaN margin', 'ERR_OPTION_RANGE', 'options.margin', () => contrastiveLoss(x, x, labels, { margin: Number.NaN })],
  ['a temperature of 0', 'ERR_OPTION_RANGE', 'options.temperature', () => supConLoss(x, labels, { temperature: 0 })],
  ['a label beyond the proxies', 'ERR_LABEL_RANGE', 'labels[2]', () => proxyNcaLoss(x, w, [0, 1, 2, 0])],
  ['a label below the proxies', 'ERR_LABEL_RANGE', 'labels[0]', () => proxyAnchorLoss(x, w, [-1, 1, 1, 0])],
  ['proxies of another width', 'ERR_SHAPE', 'proxies', () => proxyAnchorLoss(x, normalMatrix(2, 4, 3), labels)],
  ['positives of another number', 'ERR_SHAPE', 'positives', () => nPairsLoss(x, w)],
  ['rows that match nothing', 'ERR_SHAPE', 'y', () => infoNceLoss(x, w)],
  ['text for a flag', 'ERR_TYPE', 'options.generalized', () => liftedStructureLoss(x, labels, { generalized: 'yes' as never })],
  ['α beyond 1', 'ERR_OPTION_RANGE', 'options.alpha', () => updateCenters(x, labels, w, { alpha: 1.5 })],
  ['k beyond the gallery', 'ERR_OPTION_RANGE', 'options.k', () => nearest(x, w, { k: 3 })],
  ['a filter of no known kind', 'ERR_OPTION_RANGE', 'options.filter', () => nearest(x, { filter: 'other' as never, labels })],
  ['a workspace of no bytes', 'ERR_OPTION_RANGE', 'options.workspaceBytes', () => distanceChunks(x, { workspaceBytes: 0 })],
  ['an out of the wrong shape', 'ERR_SHAPE', 'options.out', () => matmul(x, w, { transposeB: true, out: alloc(4, 3) })],
  ['an out over its input', 'ERR_ALIAS', 'options.out', () => normalize(x, { out: x })],
  ['detached labels', 'ERR_DETACHED', 'labels', () => batchTripletLoss(x, goneLabels())],
  ['no labels', 'ERR_TYPE', 'labels', () => batchTripletLoss(x, undefined as never)],
  ['no classes', 'ERR_TYPE', 'labelsTrue', () => clustering(undefined as never, [1])],
  ['no labels to sample', 'ERR_TYPE', 'labels', () => samplePairs(undefined as never, { count: 1 })],
  ['no labels to balance', 'ERR_TYPE', 'labels', () => balancedBatches(null as never, { classes: 1, perClass: 1 })],
  ['a miner without labels', 'ERR_TYPE', 'options.labels', () => new OfflineMiner({ every: 1, subset: 2 } as never)],
  ['a miner of no rows', 'ERR_SHAPE', 'options.labels', () => new OfflineMiner({ labels: [], every: 1, subset: 2 })],
  ['no row numbers', 'ERR_TYPE', 'indices', () => takeRows(x, undefined as never)],
  ['a row number', 'ERR_TYPE', 'indices', () => takeRows(x, 5 as never)],
  ['a negative count of row numbers', 'ERR_TYPE', 'indices', () => takeRows(x, { length: -1 })],
  ['detached row numbers', 'ERR_DETACHED', 'indices', () => takeRows(x, goneLabels())],
  ['a score that is NaN', 'ERR_OPTION_RANGE', 'scores[1]', () => roc(Float32Array.of(1, Number.NaN), [0, 1])],
  ["a margin's own option", 'ERR_OPTION_RANGE', 'options.margin.s', () => marginSoftmax(x, w, labels, { margin: { ...cosFace(), s: 0 } })],
  [
    'a margin with a stranger',
    'ERR_OPTION_RANGE',
    'options.margin.t',
    () => marginSoftmax(x, w, labels, { margin: { ...cosFace(), t: 0 } as never }),
  ],
  ['no margin', 'ERR_TYPE', 'options.margin', () => marginSoftmax(x, w, labels, {} as never)],
  ['ignoreIndex as text', 'ERR_TYPE', 'options.ignoreIndex', () => softmaxCrossEntropy(x, labels, { ignoreIndex: '0' as never })],
  [
    'gradOutput without its reduction',
    'ERR_OPTION_RANGE',
    'options.gradOutput',
    () => softmaxCrossEntropy(x, labels, { gradOutput: new Float32Array(4) }),
  ],
  ['a null out of nearest', 'ERR_TYPE', 'options.out', () => nearest(x, { out: null as never })],
  ['null indices', 'ERR_TYPE', 'options.out.indices', () => nearest(x, { out: { indices: null as never } })],
  ['p without its distance', 'ERR_OPTION_RANGE', 'options.p', () => tripletLoss(x, x, x, { p: 3 })],
  ['eps without its distance', 'ERR_OPTION_RANGE', 'options.eps', () => tripletLoss(x, x, x, { distance: 'squaredEuclidean', eps: 1e-6 })],
  ['too many pairs', 'ERR_OUT_OF_MEMORY', 'options.count', () => samplePairs(labels, { count: 2 ** 40 })],
  ['too large a matrix', 'ERR_OUT_OF_MEMORY', 'the result', () => alloc(2 ** 20, 2 ** 30)],
  ['too many thresholds', 'ERR_OUT_OF_MEMORY', 'options.numThresholds', () => verification(x, x, labels, { numThresholds: 1e12 })],
  [
    'a result that would not fit',
    'ERR_OUT_OF_MEMORY',
    'options.maxTriplets',
    () => mineTriplets(x, labels, { strategy: 'all', maxTriplets: 3 }),
  ],
  [
    'a sample that would not fit',
    'ERR_OUT_OF_MEMORY',
    'options.maxTriplets',
    () => mineTriplets(x, labels, { strategy: 'all', subsample: 4, maxTriplets: 3 }),
  ],
  [
    'pairs that would not fit',
    'ERR_OUT_OF_MEMORY',
    'options.maxPairs',
    () => minePairs(x, labels, { strategy: 'easyHard', positives: 'all', negatives: 'all', maxPairs: 1 }),
  ],
  [
    'distance weights without Euclidean distances',
    'ERR_OPTION_RANGE',
    'options.distance',
    () => mineTriplets(x, labels, { strategy: 'distanceWeighted', distance: 'squaredEuclidean' }),
  ],
  [
    'distance weights of rows as given',
    'ERR_OPTION_RANGE',
    'options.normalize',
    () => mineTriplets(x, labels, { strategy: 'distanceWeighted', normalize: false }),
  ],
  ['positives without their strategy', 'ERR_OPTION_RANGE', 'options.positives', () => minePairs(x, labels, { positives: 'easy' })],
  [
    'an epsilon without its strategy',
    'ERR_OPTION_RANGE',
    'options.epsilon',
    () => minePairs(x, labels, { strategy: 'batchHard', epsilon: 0.1 }),
  ],
  ['a margin of positives without its strategy', 'ERR_OPTION_RANGE', 'options.posMargin', () => minePairs(x, labels, { posMargin: 0.1 })],
  [
    'a margin of negatives without its strategy',
    'ERR_OPTION_RANGE',
    'options.negMargin',
    () => minePairs(x, labels, { strategy: 'easyHard', negMargin: 0.1 }),
  ],
  [
    'semi-hard negatives beyond no single positive',
    'ERR_OPTION_RANGE',
    'options.positives',
    () => minePairs(x, labels, { strategy: 'easyHard', positives: 'all' }),
  ],
  [
    'semi-hard positives within no single negative',
    'ERR_OPTION_RANGE',
    'options.negatives',
    () => minePairs(x, labels, { strategy: 'easyHard', positives: 'semiHard', negatives: 'all' }),
  ],
];

describe('bad input throws a typed error', () => {
  it.each(cases)('%s', (_name, code, argument, run) => {
    const error = caught(run);
    expect(error).toBeInstanceOf(HypersphereError);
    expect(error).toMatchObject({ code, argument });
    expect(error.message).toContain(argument);
    expect(error).toBeInstanceOf(code === 'ERR_TYPE' || code === 'ERR_DETACHED' ? TypeError : RangeError);
  });
});

it('leaves outputs and in-place arguments untouched on error', () => {
  const gradLogits = { data: new Float32Array(12).fill(7), shape: [4, 3] as const };
  expect(() => softmaxCrossEntropy(x, [0, 1, 2, 3], { out: { gradLogits } })).toThrow();
  expect(gradLogits.data).toEqual(new Float32Array(12).fill(7));
  const centers = matrix(Float32Array.from(w.data), 3);
  expect(() => updateCenters(x, [0, 1, 0, 2], centers)).toThrow();
  expect(centers.data).toEqual(w.data);
});

it('reads subarrays at odd offsets and shared memory as they are', () => {
  const padded = new Float32Array(13);
  padded.set(x.data, 1);
  const shared = alloc(4, 3);
  shared.data.set(x.data);
  const plain = distances(x, w, { metric: 'euclidean' }).data;
  expect(distances(matrix(padded.subarray(1), 3), w, { metric: 'euclidean' }).data).toEqual(plain);
  expect(distances(shared, w, { metric: 'euclidean' }).data).toEqual(plain);
});

it('refuses two outputs over the same memory', () => {
  const memory = new Float32Array(12);
  const out = { gradEmbeddings: matrix(memory, 3), gradWeights: matrix(memory.subarray(0, 6), 3) };
  expect(caught(() => linearCrossEntropy(x, w, labels, { out }))).toMatchObject({ code: 'ERR_ALIAS' });
});

it('refuses an output over the labels', () => {
  const memory = new ArrayBuffer(48);
  const own = new Int32Array(memory, 0, 4);
  own.set([0, 1, 0, 1]);
  const over = { data: new Float32Array(memory), shape: [4, 3] as const };
  const calls: Record<string, () => unknown> = {
    batchTripletLoss: () => batchTripletLoss(x, own, { out: { gradEmbeddings: over } }),
    supConLoss: () => supConLoss(x, own, { out: { gradEmbeddings: over } }),
    ntXentLoss: () => ntXentLoss(x, own, { out: { gradEmbeddings: over } }),
    proxyNcaLoss: () => proxyNcaLoss(x, w, own, { out: { gradEmbeddings: over } }),
    softmaxCrossEntropy: () => softmaxCrossEntropy(x, own, { out: { gradLogits: over } }),
    centerLoss: () => centerLoss(x, own, w, { out: { gradEmbeddings: over } }),
    updateCenters: () => updateCenters(x, own, over),
  };
  for (const [name, run] of Object.entries(calls)) expect(caught(run), name).toMatchObject({ code: 'ERR_ALIAS' });
  expect([...own]).toEqual([0, 1, 0, 1]);
});

it('nearest fills the outs it is given, apart from its inputs and from one another', () => {
  const fresh = nearest(x, w, { k: 2 });
  const out = {
    indices: { data: new Int32Array(8).fill(-1), shape: [4, 2] as const },
    distances: matrix(new Float32Array(8).fill(Number.NaN), 2),
  };
  expect(nearest(x, w, { k: 2, out })).toEqual(fresh);
  const indices = { data: new Int32Array(x.data.buffer, 0, 8), shape: [4, 2] as const };
  expect(caught(() => nearest(x, w, { k: 2, out: { indices } }))).toMatchObject({ code: 'ERR_ALIAS' });
  const both = { indices: out.indices, distances: matrix(new Float32Array(out.indices.data.buffer), 2) };
  expect(caught(() => nearest(x, w, { k: 2, out: both }))).toMatchObject({ code: 'ERR_ALIAS' });
});

it('verification of fewer than ten pairs takes as many folds, and holds given ones to them', () => {
  expect(verification(x, x, labels).foldAccuracy).toHaveLength(4);
  expect(caught(() => verification(x, x, labels, { folds: 5 }))).toMatchObject({ code: 'ERR_OPTION_RANGE', argument: 'options.folds' });
});
