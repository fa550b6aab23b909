// Every public op that takes matrices, in one form: named inputs, options, outputs. What holds for all of them (how memory
// is treated, what a bad argument does) is then tested once, over this table.

import type { IndexMatrix, Matrix } from '../../lib/index.js';
import * as hs from '../../lib/index.js';
import * as promises from '../../lib/promises.js';

type Shape = readonly [rows: number, cols: number];
type Inputs = Record<string, Matrix>;

export interface Entry {
  readonly name: string;
  readonly inputs: Readonly<Record<string, Shape>>;
  /** Shape of `options.out`, or of the matrices in it. */
  readonly out?: Shape | Readonly<Record<string, Shape>>;
  readonly options?: object;
  /** An option to have a getter in tests, where there is no `out`. */
  readonly option?: string;
  /** `changes` names the input that the op changes in place. */
  readonly changes?: string;
  /** Its gradients cannot be turned off. */
  readonly always?: true;
  run(inputs: Inputs, options: never): unknown;
}

const labels = Int32Array.of(0, 1, 0, 1);
const probe = hs.matrix(Float32Array.of(1, -2, 3, 0.5, 0.25, -1), 3);
const headOf = () => new hs.ClassifierHead({ classes: 2, dim: 3, margin: hs.cosFace() });
const m = (inputs: Inputs, name: string) => inputs[name] as Matrix;

export const entries: readonly Entry[] = [
  { name: 'matmul', inputs: { a: [4, 3], b: [3, 5] }, out: [4, 5], run: (i, o) => hs.matmul(m(i, 'a'), m(i, 'b'), o) },
  {
    name: 'matmul transposed',
    inputs: { a: [3, 4], b: [5, 3] },
    out: [4, 5],
    options: { transposeA: true, transposeB: true },
    run: (i, o) => hs.matmul(m(i, 'a'), m(i, 'b'), o),
  },
  { name: 'normalize', inputs: { x: [4, 3] }, out: [4, 3], run: (i, o) => hs.normalize(m(i, 'x'), o) },
  {
    name: 'normalizeGradient',
    inputs: { x: [4, 3], gradOutput: [4, 3] },
    out: [4, 3],
    run: (i, o) => hs.normalizeGradient(m(i, 'x'), m(i, 'gradOutput'), o),
  },
  { name: 'distances', inputs: { x: [4, 3], y: [5, 3] }, out: [4, 5], run: (i, o) => hs.distances(m(i, 'x'), m(i, 'y'), o) },
  {
    name: 'distances of x alone',
    inputs: { x: [4, 3] },
    out: [4, 4],
    options: { metric: 'cosineDistance' },
    run: (i, o) => hs.distances(m(i, 'x'), o),
  },
  {
    name: 'distancesGradient',
    option: 'metric',
    inputs: { x: [4, 3], y: [5, 3], gradOutput: [4, 5] },
    options: { metric: 'euclidean' },
    run: (i, o) => hs.distancesGradient(m(i, 'x'), m(i, 'y'), m(i, 'gradOutput'), o),
  },
  { name: 'nearest', option: 'k', inputs: { x: [4, 3], gallery: [5, 3] }, run: (i, o) => hs.nearest(m(i, 'x'), m(i, 'gallery'), o) },
  {
    name: 'nearest of x itself, filtered',
    inputs: { x: [4, 3] },
    out: { distances: [4, 2] },
    options: { k: 2, filter: 'same', labels, metric: 'cosineSimilarity' },
    run: (i, o) => hs.nearest(m(i, 'x'), o),
  },
  { name: 'Gallery', option: 'metric', inputs: { rows: [5, 3] }, run: (i, o) => new hs.Gallery(m(i, 'rows'), o).search(probe) },
  { name: 'Gallery.search', inputs: { x: [4, 3] }, out: { distances: [4, 1] }, run: (i, o) => new hs.Gallery(probe).search(m(i, 'x'), o) },
  {
    name: 'distanceChunks',
    option: 'metric',
    inputs: { x: [4, 3], y: [5, 3] },
    options: { workspaceBytes: 40 },
    run: (i, o) => Array.from(hs.distanceChunks(m(i, 'x'), m(i, 'y'), o), ({ distances }) => distances.data.slice()),
  },
  {
    name: 'contrastiveLoss',
    inputs: { x1: [4, 3], x2: [4, 3] },
    out: { gradX1: [4, 3], gradX2: [4, 3] },
    run: (i, o) => hs.contrastiveLoss(m(i, 'x1'), m(i, 'x2'), labels, o),
  },
  {
    name: 'batchContrastiveLoss',
    inputs: { x: [4, 3] },
    out: { gradEmbeddings: [4, 3] },
    run: (i, o) => hs.batchContrastiveLoss(m(i, 'x'), labels, o),
  },
  {
    name: 'tripletLoss',
    inputs: { anchor: [4, 3], positive: [4, 3], negative: [4, 3] },
    out: { gradAnchor: [4, 3], gradPositive: [4, 3], gradNegative: [4, 3] },
    run: (i, o) => hs.tripletLoss(m(i, 'anchor'), m(i, 'positive'), m(i, 'negative'), o),
  },
  {
    name: 'batchTripletLoss',
    inputs: { x: [4, 3] },
    out: { gradEmbeddings: [4, 3] },
    run: (i, o) => hs.batchTripletLoss(m(i, 'x'), labels, o),
  },
  ...Object.entries<(x: Matrix, labels: Int32Array, options: never) => unknown>({
    supConLoss: hs.supConLoss,
    ntXentLoss: hs.ntXentLoss,
    circleLoss: hs.circleLoss,
    multiSimilarityLoss: hs.multiSimilarityLoss,
    liftedStructureLoss: hs.liftedStructureLoss,
    ncaLoss: hs.ncaLoss,
    angularLoss: hs.angularLoss,
    fastApLoss: hs.fastApLoss,
    intraPairVarianceLoss: hs.intraPairVarianceLoss,
    tupletMarginLoss: hs.tupletMarginLoss,
    histogramLoss: hs.histogramLoss,
    pnpLoss: hs.pnpLoss,
    rankedListLoss: hs.rankedListLoss,
    tcmLoss: hs.tcmLoss,
  }).map(
    ([name, loss]): Entry => ({
      name,
      inputs: { x: [4, 3] },
      out: { gradEmbeddings: [4, 3] },
      run: (i, o) => loss(m(i, 'x'), labels, o),
    }),
  ),
  {
    name: 'marginLoss',
    inputs: { x: [4, 3] },
    out: { gradEmbeddings: [4, 3] },
    run: (i, o) => hs.marginLoss(m(i, 'x'), labels, Float32Array.of(1), o),
  },
  ...Object.entries({ proxyNcaLoss: hs.proxyNcaLoss, proxyAnchorLoss: hs.proxyAnchorLoss }).map(
    ([name, loss]): Entry => ({
      name,
      inputs: { x: [4, 3], proxies: [2, 3] },
      out: { gradEmbeddings: [4, 3], gradProxies: [2, 3] },
      run: (i, o) => (loss as typeof hs.proxyAnchorLoss)(m(i, 'x'), m(i, 'proxies'), labels, o),
    }),
  ),
  {
    name: 'infoNceLoss',
    inputs: { x: [4, 3], y: [4, 3] },
    out: { gradX: [4, 3], gradY: [4, 3] },
    options: { symmetric: true },
    run: (i, o) => hs.infoNceLoss(m(i, 'x'), m(i, 'y'), o),
  },
  {
    name: 'nPairsLoss',
    inputs: { anchors: [4, 3], positives: [4, 3] },
    out: { gradAnchors: [4, 3], gradPositives: [4, 3] },
    options: { l2Reg: 0.1 },
    run: (i, o) => hs.nPairsLoss(m(i, 'anchors'), m(i, 'positives'), o),
  },
  {
    name: 'vicRegLoss',
    inputs: { x: [4, 3], y: [4, 3] },
    out: { gradX: [4, 3], gradY: [4, 3] },
    run: (i, o) => hs.vicRegLoss(m(i, 'x'), m(i, 'y'), o),
  },
  {
    name: 'centerLoss',
    inputs: { x: [4, 3], centers: [2, 3] },
    out: { gradEmbeddings: [4, 3], gradCenters: [2, 3] },
    options: { gradCenters: true },
    run: (i, o) => hs.centerLoss(m(i, 'x'), labels, m(i, 'centers'), o),
  },
  {
    name: 'updateCenters',
    option: 'alpha',
    inputs: { x: [4, 3], centers: [2, 3] },
    changes: 'centers',
    run: (i, o) => hs.updateCenters(m(i, 'x'), labels, m(i, 'centers'), o),
  },
  { name: 'softmax', inputs: { logits: [4, 3] }, out: [4, 3], run: (i, o) => hs.softmax(m(i, 'logits'), o) },
  {
    name: 'softmaxGradient',
    inputs: { logits: [4, 3], gradOutput: [4, 3] },
    out: [4, 3],
    run: (i, o) => hs.softmaxGradient(m(i, 'logits'), m(i, 'gradOutput'), o),
  },
  {
    name: 'softmaxCrossEntropy',
    inputs: { logits: [4, 3] },
    out: { gradLogits: [4, 3] },
    run: (i, o) => hs.softmaxCrossEntropy(m(i, 'logits'), labels, o),
  },
  {
    name: 'linearCrossEntropy',
    inputs: { x: [4, 3], weights: [2, 3] },
    out: { gradEmbeddings: [4, 3], gradWeights: [2, 3] },
    run: (i, o) => hs.linearCrossEntropy(m(i, 'x'), m(i, 'weights'), labels, o),
  },
  {
    name: 'marginSoftmax',
    inputs: { x: [4, 3], weights: [2, 3] },
    out: { gradEmbeddings: [4, 3], gradWeights: [2, 3] },
    options: { margin: hs.arcFace() },
    run: (i, o) => hs.marginSoftmax(m(i, 'x'), m(i, 'weights'), labels, o),
  },
  {
    name: 'marginSoftmax with several rows a class',
    inputs: { x: [4, 3], weights: [6, 3] },
    out: { gradEmbeddings: [4, 3], gradWeights: [6, 3] },
    options: { margin: hs.subCenters(3, hs.cosFace()) },
    run: (i, o) => hs.marginSoftmax(m(i, 'x'), m(i, 'weights'), labels, o),
  },
  {
    name: 'marginSoftmax with state',
    inputs: { x: [4, 3], weights: [2, 3] },
    out: { gradEmbeddings: [4, 3], gradWeights: [2, 3] },
    options: { margin: hs.adaFace({ tAlpha: 0.5 }) },
    run: (i, o) => hs.marginSoftmax(m(i, 'x'), m(i, 'weights'), labels, o),
  },
  {
    name: 'marginSoftmax with a bias',
    inputs: { x: [4, 3], weights: [2, 3] },
    out: { gradEmbeddings: [4, 3], gradWeights: [2, 3] },
    options: { margin: hs.sphereFace2(), bias: Float32Array.of(0.5) },
    run: (i, o) => hs.marginSoftmax(m(i, 'x'), m(i, 'weights'), labels, o),
  },
  { name: 'hardmax', inputs: { logits: [4, 3] }, out: [4, 3], run: (i, o) => hs.hardmax(m(i, 'logits'), o) },
  {
    name: 'hardmaxLoss',
    inputs: { logits: [4, 3] },
    out: { gradLogits: [4, 3] },
    run: (i, o) => hs.hardmaxLoss(m(i, 'logits'), labels, o),
  },
  {
    name: 'hardmaxHingeLoss',
    inputs: { logits: [4, 3] },
    out: { gradLogits: [4, 3] },
    run: (i, o) => hs.hardmaxHingeLoss(m(i, 'logits'), labels, o),
  },
  {
    name: 'ClassifierHead.step',
    inputs: { x: [4, 3] },
    out: { gradEmbeddings: [4, 3] },
    always: true,
    run: (i, o) => headOf().step(m(i, 'x'), labels, o),
  },
  {
    name: 'ClassifierHead.forwardBackward',
    inputs: { x: [4, 3] },
    out: { gradEmbeddings: [4, 3], gradWeights: [2, 3] },
    always: true,
    run: (i, o) => headOf().forwardBackward(m(i, 'x'), labels, o),
  },
  { name: 'ClassifierHead.logits', inputs: { x: [4, 3] }, out: [4, 2], run: (i, o) => headOf().logits(m(i, 'x'), o) },
  { name: 'ClassifierHead.predict', option: 'k', inputs: { x: [4, 3] }, run: (i, o) => headOf().predict(m(i, 'x'), o) },
  { name: 'mineTriplets', option: 'margin', inputs: { x: [4, 3] }, run: (i, o) => hs.mineTriplets(m(i, 'x'), labels, o) },
  { name: 'minePairs', option: 'epsilon', inputs: { x: [4, 3] }, run: (i, o) => hs.minePairs(m(i, 'x'), labels, o) },
  { name: 'retrieval', option: 'metric', inputs: { query: [4, 3] }, run: (i, o) => hs.retrieval(m(i, 'query'), labels, o) },
  {
    name: 'verification',
    option: 'folds',
    inputs: { x1: [4, 3], x2: [4, 3] },
    options: { folds: 2 },
    run: (i, o) => hs.verification(m(i, 'x1'), m(i, 'x2'), labels, o),
  },
  { name: 'takeRows', inputs: { x: [4, 3] }, out: [2, 3], run: (i, o) => hs.takeRows(m(i, 'x'), [3, 0], o) },
  {
    name: 'matmul, a promise',
    inputs: { a: [4, 3], b: [3, 5] },
    out: [4, 5],
    run: (i, o) => promises.matmul(m(i, 'a'), m(i, 'b'), o),
  },
  {
    name: 'distances, a promise',
    inputs: { x: [4, 3], y: [5, 3] },
    out: [4, 5],
    run: (i, o) => promises.distances(m(i, 'x'), m(i, 'y'), o),
  },
  {
    name: 'distancesGradient, a promise',
    option: 'metric',
    inputs: { x: [4, 3], y: [5, 3], gradOutput: [4, 5] },
    run: (i, o) => promises.distancesGradient(m(i, 'x'), m(i, 'y'), m(i, 'gradOutput'), o),
  },
  { name: 'normalize, a promise', inputs: { x: [4, 3] }, out: [4, 3], run: (i, o) => promises.normalize(m(i, 'x'), o) },
  {
    name: 'normalizeGradient, a promise',
    inputs: { x: [4, 3], gradOutput: [4, 3] },
    out: [4, 3],
    run: (i, o) => promises.normalizeGradient(m(i, 'x'), m(i, 'gradOutput'), o),
  },
  {
    name: 'softmaxCrossEntropy, a promise',
    inputs: { logits: [4, 3] },
    out: { gradLogits: [4, 3] },
    run: (i, o) => promises.softmaxCrossEntropy(m(i, 'logits'), labels, o),
  },
  {
    name: 'linearCrossEntropy, a promise',
    inputs: { x: [4, 3], weights: [2, 3] },
    out: { gradEmbeddings: [4, 3], gradWeights: [2, 3] },
    options: { bias: Float32Array.of(0.5, -1) },
    run: (i, o) => promises.linearCrossEntropy(m(i, 'x'), m(i, 'weights'), labels, o),
  },
  {
    name: 'marginSoftmax, a promise',
    inputs: { x: [4, 3], weights: [2, 3] },
    out: { gradEmbeddings: [4, 3], gradWeights: [2, 3] },
    options: { margin: hs.magFace() },
    run: (i, o) => promises.marginSoftmax(m(i, 'x'), m(i, 'weights'), labels, o),
  },
  {
    name: 'centerLoss, a promise',
    inputs: { x: [4, 3], centers: [2, 3] },
    out: { gradEmbeddings: [4, 3], gradCenters: [2, 3] },
    options: { gradCenters: true },
    run: (i, o) => promises.centerLoss(m(i, 'x'), labels, m(i, 'centers'), o),
  },
  {
    name: 'nearest, a promise',
    inputs: { x: [4, 3], gallery: [5, 3] },
    out: { distances: [4, 2] },
    options: { k: 2 },
    run: (i, o) => promises.nearest(m(i, 'x'), m(i, 'gallery'), o),
  },
  {
    name: 'search, a promise',
    inputs: { x: [4, 3] },
    out: { distances: [4, 2] },
    options: { k: 2 },
    run: (i, o) => promises.search(new hs.Gallery(probe), m(i, 'x'), o),
  },
];

/** All numbers of a result in the order of its keys, whatever its form; a margin in it has text and flags besides. */
export function numbersOf(result: unknown): number[] {
  if (typeof result === 'number') return [result];
  if (typeof result !== 'object') return [];
  if (ArrayBuffer.isView(result)) return Array.from(result as Float32Array);
  const { data, shape } = result as IndexMatrix;
  if (data && shape) return [...shape, ...data];
  return Object.values(result as object).flatMap(numbersOf);
}
