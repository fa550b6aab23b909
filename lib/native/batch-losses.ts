// How the losses over the pairs of a labelled batch cross to the addon: one function for all of them, each with its own numbers.
import type { BatchLossOps, LabelledBatchOp, LiftedStructureOp, NcaOp } from '../ops/batch-losses.js';
import { type BatchContrastiveOp, type PairDistance, type PairOps, pairDistances, type TermReduction } from '../ops/pairs.js';
import { isFloat32, noMemory, reductions } from './pairs.js';

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
];

/** What an op becomes: the distance that its rows are compared by, and its options in the order of native/losses. */
interface Form {
  readonly distance?: PairDistance;
  readonly normalize?: boolean;
  readonly reduction?: TermReduction;
  readonly numbers: readonly number[];
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
  ncaLoss: ({ scale }) => ({ numbers: [scale] }),
  liftedStructureLoss: ({ negMargin, posMargin, normalize }) => ({ normalize, numbers: [negMargin, posMargin] }),
  intraPairVarianceLoss: ({ posEps, negEps }) => ({ numbers: [posEps, negEps] }),
} satisfies Forms;

type NativeLoss = keyof typeof forms;
export type NativeBatchLosses = { readonly [Name in NativeLoss]: (op: OpOf<Name>) => number };
const names = Object.keys(forms) as NativeLoss[];
const mostNumbers = 4;

/** Whether the addon has this form; margins beyond float32 are the reference's. */
export function hasBatchContrastive({ posMargin, negMargin }: BatchContrastiveOp): boolean {
  return isFloat32(posMargin) && isFloat32(negMargin);
}

/** Likewise; the squares of raw rows may be beyond float32, and are the reference's. */
export function hasNca({ normalize }: NcaOp): boolean {
  return normalize;
}

/** Likewise; the form of single pairs is the reference's. */
export function hasLiftedStructure({ generalized }: LiftedStructureOp): boolean {
  return generalized;
}

function argumentsOf(name: NativeLoss, op: LabelledBatchOp, loss: Float64Array): BatchLossArguments {
  const { distance = 'cosineSimilarity', normalize = true, reduction = 'mean', numbers } = (forms[name] as (op: unknown) => Form)(op);
  const [x, perExample, gradX] = [op.x, op.perExample, op.gradX] as (Float32Array | undefined)[];
  const { x: memory, labels, m } = op.memory ?? noMemory;
  const padded = Float64Array.from({ length: mostNumbers }, (_, i) => numbers[i] ?? 0);
  const codes = [pairDistances.indexOf(distance), normalize, reductions.indexOf(reduction)] as const;
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
