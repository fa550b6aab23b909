// How the losses over the pairs of a labelled batch cross to the addon: one function for all of them, each with its own numbers.
import {
  type BatchLossOps,
  type CircleOp,
  type HistogramOp,
  type LabelledBatchOp,
  type LiftedStructureOp,
  type MarginLossOp,
  type MultiSimilarityOp,
  type NcaOp,
  type PnpOp,
  pnpVariants,
  type RankedListOp,
  type TupletMarginOp,
} from '../ops/batch-losses.js';
import {
  type BatchContrastiveOp,
  type PairDistance,
  type PairOps,
  pairDistances,
  type TermReduction,
  termReductions,
} from '../ops/pairs.js';
import type { Values } from '../ops/types.js';
import { isMild } from './compared-rows.js';
import { hasSnrGradient, isFloat32, noMemory } from './pairs.js';

export type BatchLossArguments = [
  kind: number,
  x: Float32Array,
  labels: Int32Array,
  n: number,
  d: number,
  memory: Float32Array,
  memoryLabels: Int32Array,
  m: number,
  metric: number,
  normalize: boolean,
  reduction: number,
  numbers: Float64Array,
  loss: Float64Array,
  perExample: Float32Array | undefined,
  gradX: Float32Array | undefined,
  beta: Float32Array | undefined,
  betas: number,
  gradBeta: Float32Array | undefined,
];

/** What an op becomes: the distance that its rows are compared by, and its options in the order of native/losses. */
interface Form {
  readonly distance?: PairDistance;
  readonly normalize?: boolean;
  readonly reduction?: TermReduction;
  readonly numbers: readonly number[];
  readonly beta?: Values;
  readonly gradBeta?: Values | undefined;
}

type LossName = keyof BatchLossOps | 'batchContrastiveLoss';
type OpOf<Name extends LossName> = Parameters<(BatchLossOps & PairOps)[Name]>[0];
type Forms = { readonly [Name in LossName]?: (op: OpOf<Name>) => Form };

// In the order of BatchLossKind in native/api.h.
const forms = {
  supConLoss: ({ temperature }) => ({ numbers: [temperature] }),
  ntXentLoss: ({ temperature }) => ({ numbers: [temperature] }),
  circleLoss: ({ m, gamma }) => ({ numbers: [m, gamma] }),
  multiSimilarityLoss: ({ alpha, beta, base, epsilon }) => ({ numbers: [alpha, beta, base, epsilon ?? Number.NaN] }),
  batchContrastiveLoss: ({ distance, normalize, reduction, posMargin, negMargin }) => ({
    distance,
    normalize,
    reduction,
    numbers: [posMargin, negMargin],
  }),
  ncaLoss: ({ scale, normalize }) => ({ distance: 'squaredEuclidean', normalize, numbers: [scale] }),
  liftedStructureLoss: ({ negMargin, posMargin, normalize, generalized }) => ({
    normalize,
    numbers: [negMargin, posMargin, generalized ? 1 : 0],
  }),
  intraPairVarianceLoss: ({ posEps, negEps }) => ({ numbers: [posEps, negEps] }),
  pnpLoss: ({ variant, anneal, b, alpha }) => ({ numbers: [pnpVariants.indexOf(variant), anneal, b, alpha] }),
  angularLoss: ({ alpha }) => ({ numbers: [Math.tan(alpha) ** 2] }),
  tupletMarginLoss: ({ margin, s }) => ({ numbers: [margin, s] }),
  tcmLoss: ({ lambdaPlus, lambdaMinus, marginPlus, marginMinus }) => ({ numbers: [lambdaPlus, lambdaMinus, marginPlus, marginMinus] }),
  rankedListLoss: ({ margin, alpha, imbalance, tPos, tNeg }) => ({ numbers: [margin, alpha, imbalance, tPos, tNeg] }),
  fastApLoss: ({ numBins }) => ({ numbers: [numBins] }),
  marginLoss: ({ margin, nu, normalize, beta, gradBeta }) => ({ normalize, numbers: [margin, nu], beta, gradBeta }),
  histogramLoss: ({ numBins }) => ({ numbers: [numBins] }),
} satisfies Forms;

type NativeLoss = keyof typeof forms;
export type NativeBatchLosses = { readonly [Name in NativeLoss]: (op: OpOf<Name>) => number };
const names = Object.keys(forms) as NativeLoss[];
const mostNumbers = 8;

/** Whether the addon has this form; factors that take a similarity beyond float32 are the reference's. */
export function hasTemperature({ temperature }: { readonly temperature: number }): boolean {
  return isMild(temperature);
}

/** Likewise. */
export function hasCircle({ m, gamma }: CircleOp): boolean {
  return isMild(gamma) && isMild(gamma * (1 + m));
}

/** Likewise. */
export function hasMultiSimilarity({ alpha, beta }: MultiSimilarityOp): boolean {
  return isMild(alpha) && isMild(beta);
}

/** Likewise. */
export function hasPnp({ anneal }: PnpOp): boolean {
  return isMild(anneal);
}

/** Likewise; margins beyond float32 are the reference's, and gradients of snr that are. */
export function hasBatchContrastive(op: BatchContrastiveOp): boolean {
  return isFloat32(op.posMargin) && isFloat32(op.negMargin) && hasSnrGradient(op);
}

/** Likewise; raw rows so long that the square of a distance may be beyond float32, or no numbers, are the reference's. */
export function hasNca({ scale, normalize, x, n, d, memory }: NcaOp): boolean {
  if (!isMild(scale)) return false;
  if (normalize) return true;
  const most = Math.sqrt(2 ** 124 / Math.max(d, 1));
  const within = (rows: Values, count: number): boolean => {
    for (let i = 0; i < count; i++) if (!(Math.abs(rows[i] as number) <= most)) return false;
    return true;
  };
  return within(x, n * d) && (memory === undefined || within(memory.x, memory.m * d));
}

/** Likewise; a pair's excess is its coefficient, and margins beyond float32 are the reference's. */
export function hasLiftedStructure({ generalized, negMargin, posMargin }: LiftedStructureOp): boolean {
  return generalized || (isFloat32(negMargin) && isFloat32(posMargin));
}

/** Likewise; a scale beyond what the addon multiplies float32 cosines with is the reference's. */
export function hasTupletMargin({ s }: TupletMarginOp): boolean {
  return s >= 2 ** -126 && s <= 2 ** 126;
}

/** Likewise: products of these stay in float32. */
export function hasRankedList({ margin, alpha, tPos, tNeg }: RankedListOp): boolean {
  return Math.max(margin, alpha, tPos, tNeg) <= 2 ** 60;
}

/** Likewise; boundaries that are no float32 numbers, with the margin, are the reference's. */
export function hasMarginLoss({ beta, margin }: MarginLossOp): boolean {
  return beta.every((boundary) => isFloat32(Math.abs(boundary) + margin));
}

/** Likewise: the addon counts whole numbers of 2⁻²⁸ in 64 bits. */
export function hasHistogram({ n, memory }: HistogramOp): boolean {
  return n * (n + (memory?.m ?? 0)) < 2 ** 36;
}

function argumentsOf(name: NativeLoss, op: LabelledBatchOp, loss: Float64Array): BatchLossArguments {
  const form = (forms[name] as (op: unknown) => Form)(op);
  const { distance = 'cosineSimilarity', normalize = true, reduction = 'mean', numbers } = form;
  const [beta, gradBeta] = [form.beta, form.gradBeta] as (Float32Array | undefined)[];
  const [x, perExample, gradX] = [op.x, op.perExample, op.gradX] as (Float32Array | undefined)[];
  const { x: memory, labels, m } = op.memory ?? noMemory;
  const padded = Float64Array.from({ length: mostNumbers }, (_, i) => numbers[i] ?? 0);
  const codes = [pairDistances.indexOf(distance), normalize, termReductions.indexOf(reduction)] as const;
  return [
    names.indexOf(name),
    x as Float32Array,
    op.labels,
    op.n,
    op.d,
    memory as Float32Array,
    labels,
    m,
    ...codes,
    padded,
    loss,
    perExample,
    gradX,
    beta,
    beta?.length ?? 0,
    gradBeta,
  ];
}

export function nativeBatchLosses(run: (...args: BatchLossArguments) => void): NativeBatchLosses {
  const lossOf = (name: NativeLoss) => (op: LabelledBatchOp) => {
    const loss = new Float64Array(1);
    run(...argumentsOf(name, op, loss));
    return loss[0] as number;
  };
  return Object.fromEntries(names.map((name) => [name, lossOf(name)])) as unknown as NativeBatchLosses;
}
