// Losses beyond those of the main job, with the defaults of their functions unless said otherwise.
import {
  adaFace,
  angularLoss,
  type BatchLossResult,
  batchTripletLoss,
  circleLoss,
  combinedMargin,
  curricularFace,
  fastApLoss,
  histogramLoss,
  intraPairVarianceLoss,
  liftedStructureLoss,
  type Margin,
  type Matrix,
  magFace,
  marginLoss,
  marginSoftmax,
  multiSimilarityLoss,
  ncaLoss,
  normalizedSoftmax,
  ntXentLoss,
  pnpLoss,
  proxyAnchorLoss,
  proxyNcaLoss,
  rankedListLoss,
  sphereFace2,
  sphereFaceR,
  supConLoss,
  tcmLoss,
  tupletMarginLoss,
} from '../index.js';
import { balanced, type Cost, classWeights, type Objective, type ObjectiveKind, type Setting } from './objective.js';

const byDefault = 'defaults';

/** A loss of a batch and its labels alone. */
function ofBatch(title: string, loss: (x: Matrix, labels: Int32Array) => BatchLossResult, settings = byDefault): ObjectiveKind {
  const create = (setting: Setting): Objective => ({
    parameters: [],
    batch: balanced(setting),
    cost: (x, labels) => {
      const { loss: value, gradEmbeddings } = loss(x, labels);
      return { loss: value, gradEmbeddings, gradients: [] };
    },
  });
  return { title, settings, score: 'cosine', create };
}

/** AdaFace and CurricularFace carry what they know of earlier batches in the margin that comes back. */
function ofMargin(title: string, margin: Margin, settings: string): ObjectiveKind {
  const create = (setting: Setting): Objective => {
    const weights = classWeights(setting);
    let current = margin;
    return {
      parameters: [weights.data],
      batch: balanced(setting),
      cost: (x, labels) => {
        const result = marginSoftmax(x, weights, labels, { margin: current });
        current = result.margin;
        return { loss: result.loss, gradEmbeddings: result.gradEmbeddings, gradients: [result.gradWeights.data] };
      },
    };
  };
  return { title, settings, score: 'cosine', create };
}

function ofProxies(title: string, cost: (x: Matrix, proxies: Matrix, labels: Int32Array) => Cost): ObjectiveKind {
  const create = (setting: Setting): Objective => {
    const proxies = classWeights(setting);
    return { parameters: [proxies.data], batch: balanced(setting), cost: (x, labels) => cost(x, proxies, labels) };
  };
  return { title, settings: byDefault, score: 'cosine', create };
}

function marginObjective(setting: Setting): Objective {
  const beta = Float32Array.of(1.2);
  return {
    parameters: [beta],
    batch: balanced(setting),
    cost: (x, labels) => {
      const { loss, gradEmbeddings, gradBeta } = marginLoss(x, labels, beta);
      return { loss, gradEmbeddings, gradients: [gradBeta] };
    },
  };
}

export const furtherObjectives: Readonly<Record<string, ObjectiveKind>> = {
  tripletAll: ofBatch('Triplet, batch-all', (x, labels) => batchTripletLoss(x, labels, { mining: 'all', margin: 0.2 }), 'margin 0.2'),
  supCon: ofBatch('SupCon', (x, labels) => supConLoss(x, labels)),
  ntXent: ofBatch('NT-Xent', (x, labels) => ntXentLoss(x, labels)),
  circle: ofBatch('Circle', (x, labels) => circleLoss(x, labels)),
  multiSimilarity: ofBatch('Multi-similarity', (x, labels) => multiSimilarityLoss(x, labels, { epsilon: 0.1 }), 'ε 0.1'),
  liftedStructure: ofBatch('Lifted structure', (x, labels) => liftedStructureLoss(x, labels)),
  nca: ofBatch('NCA', (x, labels) => ncaLoss(x, labels)),
  angular: ofBatch('Angular', (x, labels) => angularLoss(x, labels)),
  fastAp: ofBatch('FastAP', (x, labels) => fastApLoss(x, labels)),
  margin: { title: 'Margin', settings: 'β trained from 1.2', score: 'cosine', create: marginObjective },
  intraPairVariance: ofBatch('Intra-pair variance', (x, labels) => intraPairVarianceLoss(x, labels)),
  tupletMargin: ofBatch('Tuplet margin', (x, labels) => tupletMarginLoss(x, labels)),
  histogram: ofBatch('Histogram', (x, labels) => histogramLoss(x, labels)),
  pnp: ofBatch('PNP', (x, labels) => pnpLoss(x, labels)),
  rankedList: ofBatch('Ranked list', (x, labels) => rankedListLoss(x, labels)),
  tcm: ofBatch('TCM', (x, labels) => tcmLoss(x, labels)),
  normalizedSoftmax: ofMargin('Normalized softmax', normalizedSoftmax(), byDefault),
  sphereFaceR: ofMargin('SphereFace-R', sphereFaceR({ s: 30 }), 's 30'),
  sphereFace2: ofMargin('SphereFace2', sphereFace2(), byDefault),
  combinedMargin: ofMargin('Combined margin', combinedMargin({ s: 30, m1: 1, m2: 0.3, m3: 0.2 }), 's 30, m 1, 0.3, 0.2'),
  adaFace: ofMargin('AdaFace', adaFace({ s: 30 }), 's 30'),
  magFace: ofMargin('MagFace', magFace({ s: 30 }), 's 30'),
  curricularFace: ofMargin('CurricularFace', curricularFace({ s: 30 }), 's 30'),
  proxyNca: ofProxies('Proxy-NCA', (x, proxies, labels) => {
    const { loss, gradEmbeddings, gradProxies } = proxyNcaLoss(x, proxies, labels);
    return { loss, gradEmbeddings, gradients: [gradProxies.data] };
  }),
  proxyAnchor: ofProxies('Proxy-Anchor', (x, proxies, labels) => {
    const { loss, gradEmbeddings, gradProxies } = proxyAnchorLoss(x, proxies, labels);
    return { loss, gradEmbeddings, gradients: [gradProxies.data] };
  }),
};
