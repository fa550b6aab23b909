// How the losses over the pairs of a labelled batch cross to the addon: one function for all of them, each with its own numbers.
import { type BatchLossOps, type LabelledBatchOp, type LiftedStructureOp, type NcaOp, pnpVariants } from '../ops/batch-losses.js';
import { type BatchContrastiveOp, type PairDistance, type PairOps, pairDistances, type TermReduction } from '../ops/pairs.js';
import type { Values } from '../ops/types.js';
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
  ncaLoss: ({ scale, normalize }) => ({ distance: 'squaredEuclidean', normalize, numbers: [scale] }),
  liftedStructureLoss: ({ negMargin, posMargin, normalize, generalized }) => ({
    normalize,
    numbers: [negMargin, posMargin, generalized ? 1 : 0],
  }),
  intraPairVarianceLoss: ({ posEps, negEps }) => ({ numbers: [posEps, negEps] }),
  pnpLoss: ({ variant, anneal, b, alpha }) => ({ numbers: [pnpVariants.indexOf(variant), anneal, b, alpha] }),
  angularLoss: ({ alpha }) => ({ numbers: [Math.tan(alpha) ** 2] }),
} satisfies Forms;

type NativeLoss = keyof typeof forms;
export type NativeBatchLosses = { readonly [Name in NativeLoss]: (op: OpOf<Name>) => number };
const names = Object.keys(forms) as NativeLoss[];
const mostNumbers = 4;

/** Whether the addon has this form; margins beyond float32 are the reference's. */
export function hasBatchContrastive({ posMargin, negMargin }: BatchContrastiveOp): boolean {
  return isFloat32(posMargin) && isFloat32(negMargin);
}

/** Likewise; raw rows so long that the square of a distance may be beyond float32, or no numbers, are the reference's. */
export function hasNca({ normalize, x, n, d, memory }: NcaOp): boolean {
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
