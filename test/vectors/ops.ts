// The one table from the ops of the vectors to the public functions.
import * as hs from '../../lib/index.js';
import { floats, integers, matrixOf, type Results, type VectorCase } from './case.js';

type Run = (test: VectorCase) => Results;

const renamed: Record<string, string> = { sqeuclidean: 'squaredEuclidean', semihard: 'semiHard', semihard_closest: 'semiHardClosest' };
const camel = (text: string): string => text.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
/** Every option is the camelCase of its parameter, every choice the camelCase of its value; nothing is dropped. */
function options(test: VectorCase): never {
  const convert = (value: unknown) => (typeof value === 'string' ? (renamed[value] ?? camel(value)) : value);
  return Object.fromEntries(Object.entries(test.params).map(([name, value]) => [camel(name), convert(value)])) as never;
}

const input = (test: VectorCase, name: string) => {
  const tensor = test.inputs[name];
  if (!tensor) throw new Error(`${test.id}: no input ${name}`);
  return tensor;
};
const rows = (test: VectorCase, name: string) => matrixOf(input(test, name));
const labelsOf = (test: VectorCase, name = 'labels') => integers(input(test, name));
const data = (m: { data: ArrayLike<number> } | undefined): ArrayLike<number> => m?.data ?? [];

function classification(test: VectorCase) {
  const { class_weight, grad_out } = test.inputs;
  const extra = { ...(class_weight && { classWeights: floats(class_weight) }), ...(grad_out && { gradOutput: floats(grad_out) }) };
  return { ...(options(test) as object), ...extra };
}

const headOf = (test: VectorCase, margin: hs.Margin, bias?: Float32Array) => {
  const r = hs.marginSoftmax(rows(test, 'x'), rows(test, 'w'), labelsOf(test), { margin, logits: true, ...(bias && { bias }) });
  const results = { loss: r.loss, per_sample: r.perExample, logits: data(r.logits), dx: data(r.gradEmbeddings), dw: data(r.gradWeights) };
  return { ...results, all: r };
};

const withMargin =
  (make: (options: never) => hs.Margin): Run =>
  (test) => {
    const { all: _, ...results } = headOf(test, make(options(test)));
    return results;
  };

const triplet =
  (distance: 'squaredEuclidean' | 'euclidean'): Run =>
  (test) => {
    const r = hs.tripletLoss(rows(test, 'anchor'), rows(test, 'positive'), rows(test, 'negative'), {
      ...(options(test) as object),
      distance,
    });
    return {
      loss: r.loss,
      per_sample: r.perExample,
      danchor: data(r.gradAnchor),
      dpositive: data(r.gradPositive),
      dnegative: data(r.gradNegative),
    };
  };

/** A loss of embeddings and labels alone. */
const batch =
  (loss: (x: hs.Matrix, labels: Int32Array, options: never) => hs.OptionalGradients<hs.BatchLossResult>): Run =>
  (test) => {
    const r = loss(rows(test, 'x'), labelsOf(test), options(test));
    return { loss: r.loss, dx: data(r.gradEmbeddings) };
  };

export const ops: Readonly<Record<string, Run>> = {
  l2_normalize: (test) => {
    const x = rows(test, 'x');
    return { out: hs.normalize(x, options(test)).data, dx: hs.normalizeGradient(x, rows(test, 'grad_out'), options(test)).data };
  },
  pairwise_distance: (test) => {
    const [x, y] = [rows(test, 'x'), rows(test, 'y')];
    const { gradX, gradY } = hs.distancesGradient(x, y, rows(test, 'grad_out'), options(test));
    return { out: hs.distances(x, y, options(test)).data, dx: gradX.data, dy: gradY.data };
  },
  knn: (test) => {
    const { ref } = test.inputs;
    const r = ref
      ? hs.nearest(rows(test, 'x'), matrixOf(ref), options(test))
      : hs.nearest(rows(test, 'x'), options(test) as hs.NearestOptions);
    return { indices: r.indices.data, distances: r.distances.data };
  },
  cross_entropy: (test) => {
    const r = hs.softmaxCrossEntropy(rows(test, 'logits'), labelsOf(test), classification(test));
    return { loss: r.loss, per_sample: r.perExample, out: r.perExample, dlogits: data(r.gradLogits) };
  },
  linear_cross_entropy: (test) => {
    const { bias } = test.inputs;
    const opts = { ...classification(test), ...(bias && { bias: floats(bias) }), logits: true };
    const r = hs.linearCrossEntropy(rows(test, 'x'), rows(test, 'w'), labelsOf(test), opts);
    const gradients = { dx: data(r.gradEmbeddings), dw: data(r.gradWeights), dbias: r.gradBias ?? [] };
    return { loss: r.loss, per_sample: r.perExample, out: r.perExample, logits: data(r.logits), ...gradients };
  },
  contrastive_pair: (test) => {
    const r = hs.contrastiveLoss(rows(test, 'x1'), rows(test, 'x2'), labelsOf(test, 'y'), options(test));
    return { loss: r.loss, per_sample: r.perExample, dx1: data(r.gradX1), dx2: data(r.gradX2) };
  },
  contrastive_batch: batch(hs.batchContrastiveLoss),
  triplet_squared: triplet('squaredEuclidean'),
  triplet_euclidean: triplet('euclidean'),
  triplet_batch: (test) => {
    const r = hs.batchTripletLoss(rows(test, 'x'), labelsOf(test), options(test));
    return { loss: r.loss, num_triplets: r.numTriplets, dx: data(r.gradEmbeddings) };
  },
  supcon: batch(hs.supConLoss),
  nca: batch(hs.ncaLoss),
  angular: batch(hs.angularLoss),
  fast_ap: batch(hs.fastApLoss),
  margin_loss: (test) => {
    // Both tell how `beta` was made, which is an input here.
    const { betaInit: _, perClass: __, ...given } = options(test) as hs.MarginLossOptions & { betaInit: number; perClass: boolean };
    const r = hs.marginLoss(rows(test, 'x'), labelsOf(test), floats(input(test, 'beta')), given);
    return { loss: r.loss, dx: data(r.gradEmbeddings), dbeta: r.gradBeta ?? [] };
  },
  intra_pair_variance: batch(hs.intraPairVarianceLoss),
  tuplet_margin: batch(hs.tupletMarginLoss),
  histogram_loss: batch(hs.histogramLoss),
  pnp: batch(hs.pnpLoss),
  ranked_list: batch(hs.rankedListLoss),
  tcm: batch(hs.tcmLoss),
  vicreg: (test) => {
    const r = hs.vicRegLoss(rows(test, 'x'), rows(test, 'y'), options(test));
    return { loss: r.loss, dx: data(r.gradX), dy: data(r.gradY) };
  },
  ntxent: batch(hs.ntXentLoss),
  circle: batch(hs.circleLoss),
  multi_similarity: batch(hs.multiSimilarityLoss),
  lifted_structure: batch(hs.liftedStructureLoss),
  generalized_lifted_structure: batch((x, labels, o: object) => hs.liftedStructureLoss(x, labels, { ...o, generalized: true })),
  info_nce: (test) => {
    const r = hs.infoNceLoss(rows(test, 'x'), rows(test, 'y'), options(test));
    return { loss: r.loss, dx: data(r.gradX), dy: data(r.gradY) };
  },
  npairs: (test) => {
    const r = hs.nPairsLoss(rows(test, 'anchors'), rows(test, 'positives'), options(test));
    return { loss: r.loss, danchors: data(r.gradAnchors), dpositives: data(r.gradPositives) };
  },
  proxy_nca: (test) => {
    const opts = { ...(options(test) as object), logits: true };
    const r = hs.proxyNcaLoss(rows(test, 'x'), rows(test, 'proxies'), labelsOf(test), opts);
    return { loss: r.loss, per_sample: r.perExample, logits: data(r.logits), dx: data(r.gradEmbeddings), dproxies: data(r.gradProxies) };
  },
  proxy_anchor: (test) => {
    const r = hs.proxyAnchorLoss(rows(test, 'x'), rows(test, 'proxies'), labelsOf(test), options(test));
    return { loss: r.loss, dx: data(r.gradEmbeddings), dproxies: data(r.gradProxies) };
  },
  mine_triplets: (test) => ({ triplets: hs.mineTriplets(rows(test, 'x'), labelsOf(test), options(test)).data }),
  mine_pairs: (test) => {
    const r = hs.minePairs(rows(test, 'x'), labelsOf(test), options(test));
    return { positive_pairs: r.positivePairs.data, negative_pairs: r.negativePairs.data };
  },
  center_loss: (test) => {
    const r = hs.centerLoss(rows(test, 'x'), labelsOf(test), rows(test, 'centers'), { ...(options(test) as object), gradCenters: true });
    return { loss: r.loss, dx: data(r.gradEmbeddings), dcenters: data(r.gradCenters) };
  },
  center_update: (test) => {
    const [steps, batch, d] = input(test, 'x').shape as [number, number, number];
    const [x, labels, centers] = [rows(test, 'x'), labelsOf(test), rows(test, 'centers')];
    const after: number[] = [];
    for (let t = 0; t < steps; t++) {
      const step = hs.matrix(x.data.subarray(t * batch * d, (t + 1) * batch * d), d);
      after.push(...hs.updateCenters(step, labels.subarray(t * batch, (t + 1) * batch), centers, options(test)).data);
    }
    return { centers_after: after };
  },
  margin_lambda_schedule: (test) => ({ lambda: Array.from(labelsOf(test, 'iteration'), (i) => hs.annealedLambda(i, options(test))) }),
  normalized_softmax: withMargin(hs.normalizedSoftmax),
  l_softmax: withMargin(hs.lSoftmax),
  a_softmax: withMargin(hs.aSoftmax),
  cosface: withMargin(hs.cosFace),
  arcface: withMargin(hs.arcFace),
  combined_margin: withMargin(hs.combinedMargin),
  sphereface_r: withMargin(hs.sphereFaceR),
  sphereface2: (test) => {
    // The variants' names are capitals.
    const margin = hs.sphereFace2({ ...(options(test) as object), variant: test.params['variant'] as 'C' | 'A' | 'M' });
    const { all, ...results } = headOf(test, margin, floats(input(test, 'bias')));
    return { ...results, dbias: all.gradBias ?? [] };
  },
  adaface: (test) => {
    const { all, ...results } = headOf(test, hs.adaFace(options(test)));
    const { batchMean, batchStd } = all.margin as hs.AdaFaceMargin;
    return { ...results, batch_mean: batchMean, batch_std: batchStd };
  },
  magface: (test) => {
    const margin = hs.magFace(options(test));
    const { all, ...results } = headOf(test, margin);
    const loss_reg = all.regularizer as number;
    return { ...results, loss_reg, loss_ce: all.loss - margin.lambdaG * loss_reg };
  },
  curricularface: (test) => {
    const { all, ...results } = headOf(test, hs.curricularFace(options(test)));
    return { ...results, t_after: (all.margin as hs.CurricularFaceMargin).t };
  },
  subcenter_arcface: (test) => {
    const { k, ...inner } = options(test) as { k: number; m: number; s: number };
    const { all: _, ...results } = headOf(test, hs.subCenters(k, hs.arcFace(inner)));
    return results;
  },
  soft_triple: withMargin(hs.softTriple),
  p2sgrad: withMargin(hs.p2sGrad),
  roc: (test) => {
    const r = hs.roc(floats(input(test, 'scores')), labelsOf(test), options(test));
    return { ...r, tar_at_far: r.tarAtFar, best_accuracy: r.bestAccuracy };
  },
  verification_kfold: (test) => {
    const r = hs.verification(rows(test, 'x1'), rows(test, 'x2'), labelsOf(test, 'same'), options(test));
    const folds = { fold_accuracy: r.foldAccuracy, fold_threshold: r.foldThreshold };
    return { ...folds, mean_accuracy: r.meanAccuracy, std_accuracy: r.stdAccuracy, tpr: r.tpr, fpr: r.fpr };
  },
  retrieval_metrics: (test) => {
    const { reference } = test.inputs;
    const gallery = reference && { reference: matrixOf(reference), referenceLabels: labelsOf(test, 'reference_labels') };
    const r = hs.retrieval(rows(test, 'query'), labelsOf(test, 'query_labels'), { ...(options(test) as object), ...gallery });
    const ranks = { precision_at_1: r.precisionAt1, r_precision: r.rPrecision, map_at_r: r.mapAtR, mrr: r.mrr, recall_at_k: r.recallAtK };
    return { num_queries: r.numQueries, mean_average_precision: r.meanAveragePrecision, ...ranks };
  },
  clustering_scores: (test) => ({ ...hs.clustering(labelsOf(test, 'labels_true'), labelsOf(test, 'labels_pred')) }),
};
