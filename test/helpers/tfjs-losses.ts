// Every loss of the package with arguments that it takes, tensors and matrices alike, and the names of the gradients of its arguments.
import * as hs from '../../lib/index.js';
import { cyclicLabels, normalMatrix } from './data.js';

type Argument = hs.Matrix | Float32Array | Int32Array;
export interface Case {
  readonly name: string;
  readonly args: readonly Argument[];
  /** One for each argument; none for labels. */
  readonly gradients: readonly (string | undefined)[];
  readonly options?: object;
  /** What only the direct call has to ask for. */
  readonly direct?: object;
}

const [n, d, classes] = [12, 5, 4];
const x = normalMatrix(n, d, 1);
const y = normalMatrix(n, d, 2);
const z = normalMatrix(n, d, 3);
const perClass = normalMatrix(classes, d, 4);
const logits = normalMatrix(n, classes, 5);
const labels = cyclicLabels(n, classes);
const same = cyclicLabels(n, 2);

const batch = (name: string, options = {}): Case => ({ name, args: [x, labels], gradients: ['gradEmbeddings', undefined], options });
const onLogits = (name: string, options = {}): Case => ({ name, args: [logits, labels], gradients: ['gradLogits', undefined], options });

export const cases: readonly Case[] = [
  batch('angularLoss'),
  batch('batchContrastiveLoss', { posMargin: 0.1 }),
  batch('batchTripletLoss', { mining: 'all', margin: 0.5 }),
  batch('circleLoss', { gamma: 4 }),
  batch('fastApLoss'),
  batch('histogramLoss'),
  batch('intraPairVarianceLoss'),
  batch('liftedStructureLoss'),
  batch('multiSimilarityLoss'),
  batch('ncaLoss'),
  batch('ntXentLoss'),
  batch('pnpLoss', { variant: 'Ib' }),
  batch('rankedListLoss', { tPos: 2, tNeg: 3 }),
  batch('supConLoss', { temperature: 0.5 }),
  batch('tcmLoss'),
  batch('tupletMarginLoss', { s: 8 }),
  onLogits('softmaxCrossEntropy', { labelSmoothing: 0.1 }),
  onLogits('hardmaxLoss'),
  onLogits('hardmaxHingeLoss', { margin: 2 }),
  { name: 'infoNceLoss', args: [x, y], gradients: ['gradX', 'gradY'] },
  { name: 'vicRegLoss', args: [x, y], gradients: ['gradX', 'gradY'] },
  { name: 'nPairsLoss', args: [x, y], gradients: ['gradAnchors', 'gradPositives'] },
  { name: 'contrastiveLoss', args: [x, y, same], gradients: ['gradX1', 'gradX2', undefined], options: { margin: 4 } },
  { name: 'tripletLoss', args: [x, y, z], gradients: ['gradAnchor', 'gradPositive', 'gradNegative'] },
  { name: 'proxyAnchorLoss', args: [x, perClass, labels], gradients: ['gradEmbeddings', 'gradProxies', undefined] },
  { name: 'proxyNcaLoss', args: [x, perClass, labels], gradients: ['gradEmbeddings', 'gradProxies', undefined] },
  {
    name: 'centerLoss',
    args: [x, labels, perClass],
    gradients: ['gradEmbeddings', undefined, 'gradCenters'],
    direct: { gradCenters: true },
  },
  {
    name: 'marginLoss',
    args: [x, labels, Float32Array.of(0.9, 1.1, 1.2, 1.3)],
    gradients: ['gradEmbeddings', undefined, 'gradBeta'],
  },
  { name: 'linearCrossEntropy', args: [x, perClass, labels], gradients: ['gradEmbeddings', 'gradWeights', undefined] },
  {
    name: 'marginSoftmax',
    args: [x, perClass, labels],
    gradients: ['gradEmbeddings', 'gradWeights', undefined],
    options: { margin: hs.arcFace({ s: 8, m: 0.3 }) },
  },
];
