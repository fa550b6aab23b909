// Every operation in one form, over two matrices and labels that stand for whatever it takes: what `check` compares and `bench` times.
import * as hs from '../index.js';

export interface OpInputs {
  /** [N, D]. */
  readonly x: hs.Matrix;
  /** [N, D], a second view or partner of each row; also another side of products. */
  readonly y: hs.Matrix;
  /** [classes, D]. */
  readonly weights: hs.Matrix;
  /** [N], in [0, classes). */
  readonly labels: Int32Array;
}

/** What an operation returns: of it every number, vector of floats and matrix is compared. */
export type OpResult = Readonly<Record<string, unknown>>;

const batchOptions = { reduction: 'mean' } as const;
const margins: Readonly<Record<string, hs.Margin>> = {
  normalizedSoftmax: hs.normalizedSoftmax({ temperature: 1 / 16 }),
  lSoftmax: hs.lSoftmax({ m: 2, lambda: 5 }),
  aSoftmax: hs.aSoftmax({ m: 4, lambda: 5 }),
  sphereFaceR: hs.sphereFaceR({ s: 16 }),
  sphereFace2: hs.sphereFace2(),
  cosFace: hs.cosFace({ s: 16 }),
  arcFace: hs.arcFace({ s: 16 }),
  combinedMargin: hs.combinedMargin({ s: 16, m1: 1, m2: 0.3, m3: 0.2 }),
  magFace: hs.magFace({ s: 16 }),
  adaFace: hs.adaFace({ s: 16 }),
  curricularFace: hs.curricularFace({ s: 16 }),
};

const beta = Float32Array.of(1.1);
const same = (labels: Int32Array): Int32Array => labels.map((label) => label & 1);

const batch: Readonly<Record<string, (x: hs.Matrix, labels: Int32Array) => OpResult>> = {
  batchContrastiveLoss: (x, labels) => ({ ...hs.batchContrastiveLoss(x, labels, batchOptions) }),
  'batchTripletLoss, all': (x, labels) => ({ ...hs.batchTripletLoss(x, labels, { mining: 'all' }) }),
  'batchTripletLoss, batchHard': (x, labels) => ({ ...hs.batchTripletLoss(x, labels, { mining: 'batchHard' }) }),
  'batchTripletLoss, semiHard': (x, labels) => ({ ...hs.batchTripletLoss(x, labels, { mining: 'semiHard' }) }),
  supConLoss: (x, labels) => ({ ...hs.supConLoss(x, labels) }),
  ntXentLoss: (x, labels) => ({ ...hs.ntXentLoss(x, labels) }),
  circleLoss: (x, labels) => ({ ...hs.circleLoss(x, labels, { gamma: 16 }) }),
  multiSimilarityLoss: (x, labels) => ({ ...hs.multiSimilarityLoss(x, labels, { beta: 8 }) }),
  liftedStructureLoss: (x, labels) => ({ ...hs.liftedStructureLoss(x, labels) }),
  'liftedStructureLoss, generalized': (x, labels) => ({ ...hs.liftedStructureLoss(x, labels, { generalized: true }) }),
  ncaLoss: (x, labels) => ({ ...hs.ncaLoss(x, labels) }),
  angularLoss: (x, labels) => ({ ...hs.angularLoss(x, labels) }),
  fastApLoss: (x, labels) => ({ ...hs.fastApLoss(x, labels) }),
  marginLoss: (x, labels) => ({ ...hs.marginLoss(x, labels, beta) }),
  intraPairVarianceLoss: (x, labels) => ({ ...hs.intraPairVarianceLoss(x, labels) }),
  tupletMarginLoss: (x, labels) => ({ ...hs.tupletMarginLoss(x, labels, { s: 16 }) }),
  histogramLoss: (x, labels) => ({ ...hs.histogramLoss(x, labels) }),
  pnpLoss: (x, labels) => ({ ...hs.pnpLoss(x, labels, { anneal: 0.1 }) }),
  rankedListLoss: (x, labels) => ({ ...hs.rankedListLoss(x, labels) }),
  tcmLoss: (x, labels) => ({ ...hs.tcmLoss(x, labels) }),
};

const metrics: readonly hs.Metric[] = ['squaredEuclidean', 'euclidean', 'manhattan', 'dot', 'cosineSimilarity', 'cosineDistance', 'snr'];

/** The name is the public function, and where it has several forms which. */
export const opCases: Readonly<Record<string, (inputs: OpInputs) => OpResult>> = {
  matmul: ({ x, weights }) => ({ out: hs.matmul(x, weights, { transposeB: true }) }),
  ...Object.fromEntries(
    metrics.flatMap((metric): [string, (inputs: OpInputs) => OpResult][] => [
      [`distances, ${metric}`, ({ x, weights }) => ({ out: hs.distances(x, weights, { metric }) })],
      [
        `distancesGradient, ${metric}`,
        ({ x, weights }) => ({ ...hs.distancesGradient(x, weights, hs.matmul(x, weights, { transposeB: true }), { metric }) }),
      ],
    ]),
  ),
  normalize: ({ x }) => ({ out: hs.normalize(x) }),
  normalizeGradient: ({ x, y }) => ({ out: hs.normalizeGradient(x, y) }),
  nearest: ({ x, weights }) => ({ distances: hs.nearest(x, weights, { k: 3 }).distances }),
  softmax: ({ x }) => ({ out: hs.softmax(x) }),
  softmaxCrossEntropy: ({ x, labels }) => ({
    ...hs.softmaxCrossEntropy(
      x,
      labels.map((label) => label % x.shape[1]),
    ),
  }),
  hardmaxHingeLoss: ({ x, labels }) => ({
    ...hs.hardmaxHingeLoss(
      x,
      labels.map((label) => label % x.shape[1]),
    ),
  }),
  linearCrossEntropy: ({ x, weights, labels }) => ({ ...hs.linearCrossEntropy(x, weights, labels) }),
  ...Object.fromEntries(
    Object.entries(margins).map(([name, margin]) => [
      `marginSoftmax, ${name}`,
      ({ x, weights, labels }: OpInputs): OpResult => ({ ...hs.marginSoftmax(x, weights, labels, { margin }) }),
    ]),
  ),
  centerLoss: ({ x, weights, labels }) => ({ ...hs.centerLoss(x, labels, weights, { gradCenters: true }) }),
  updateCenters: ({ x, weights, labels }) => ({ centers: hs.updateCenters(x, labels, hs.matrix(weights.data.slice(), weights.shape[1])) }),
  contrastiveLoss: ({ x, y, labels }) => ({ ...hs.contrastiveLoss(x, y, same(labels), { margin: 4 }) }),
  tripletLoss: ({ x, y }) => ({ ...hs.tripletLoss(x, y, hs.matrix(y.data.slice().reverse(), y.shape[1]), { margin: 8 }) }),
  ...Object.fromEntries(Object.entries(batch).map(([name, run]) => [name, ({ x, labels }: OpInputs) => run(x, labels)])),
  infoNceLoss: ({ x, y }) => ({ ...hs.infoNceLoss(x, y, { symmetric: true }) }),
  nPairsLoss: ({ x, y }) => ({ ...hs.nPairsLoss(x, y) }),
  vicRegLoss: ({ x, y }) => ({ ...hs.vicRegLoss(x, y) }),
  proxyNcaLoss: ({ x, weights, labels }) => ({ ...hs.proxyNcaLoss(x, weights, labels) }),
  proxyAnchorLoss: ({ x, weights, labels }) => ({ ...hs.proxyAnchorLoss(x, weights, labels) }),
};

/** Standard normal rows; labels in turns, so that every class has its share. */
export function opInputs(rows: number, dim: number, classes: number, seed: number): OpInputs {
  const random = hs.createRandom(seed);
  const normal = (count: number): hs.Matrix =>
    hs.matrix(
      Float32Array.from({ length: count * dim }, () => random.normal()),
      dim,
    );
  return { x: normal(rows), y: normal(rows), weights: normal(classes), labels: Int32Array.from({ length: rows }, (_, i) => i % classes) };
}

/** The floats of a result by name; indices and counts are not among them. */
export function floatsOf(result: OpResult): Map<string, Float32Array | Float64Array> {
  const found = new Map<string, Float32Array | Float64Array>();
  for (const [name, value] of Object.entries(result)) {
    const data = typeof value === 'number' ? Float64Array.of(value) : ((value as { data?: unknown } | undefined)?.data ?? value);
    if (data instanceof Float32Array || data instanceof Float64Array) found.set(name, data);
  }
  return found;
}
