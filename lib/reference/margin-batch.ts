// What a margin knows of the batch as a whole: AdaFace's norms, CurricularFace's running cosine, MagFace's regulariser.
import { columnMargin } from '../margins/columns.js';
import { elsewhere, type MarginSoftmaxOp } from '../ops/softmax.js';
import { magFaceMargin } from './margins.js';

export interface Batch {
  /** adaFace: where the norm of each row stands, in [−1, 1]. */
  readonly quality?: Float64Array;
  /** curricularFace: the running mean, this batch included. */
  readonly t: number;
  readonly state: readonly [number, number];
}

/** The class of a row in this op's weights, −1 where it has none there. */
export function classOf({ labels, ignoreIndex, exchange }: MarginSoftmaxOp, i: number): number {
  const y = labels[i] as number;
  return y === ignoreIndex || (exchange && y === elsewhere) ? -1 : y;
}

/** Rows that count: not ignored, wherever their class is. */
function counted({ labels, ignoreIndex, n }: MarginSoftmaxOp): number[] {
  return Array.from({ length: n }, (_, i) => i).filter((i) => labels[i] !== ignoreIndex);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** `cosOf(i)` is the cosine between row i and its class: the one its rows of weights have become. */
export function batchOf(op: MarginSoftmaxOp, norms: Float64Array, cosOf: (i: number) => number): Batch {
  const margin = columnMargin(op.margin);
  if (margin.kind !== 'adaFace' && margin.kind !== 'curricularFace') return { t: 0, state: [0, 0] };
  const rows = counted(op);
  if (margin.kind === 'curricularFace') {
    const { t: before, momentum } = margin;
    const t = rows.length === 0 ? before : momentum * mean(rows.map(cosOf)) + (1 - momentum) * before;
    return { t, state: [t, 0] };
  }
  const { h, tAlpha, batchMean, batchStd } = margin;
  const lengths = norms.map((norm) => Math.max(1e-3, Math.min(100, norm)));
  const here = rows.map((i) => lengths[i] as number);
  const towards = (now: number, before: number): number => tAlpha * now + (1 - tAlpha) * before;
  const average = mean(here);
  const center = here.length === 0 ? batchMean : towards(average, batchMean);
  // One row has no standard deviation: the running one stays as it was.
  const deviation = Math.sqrt(here.reduce((sum, a) => sum + (a - average) ** 2, 0) / (here.length - 1));
  const spread = here.length < 2 ? batchStd : towards(deviation, batchStd);
  const quality = lengths.map((a) => Math.max(-1, Math.min(1, (h * (a - center)) / (spread + 1e-3))));
  return { quality, t: 0, state: [center, spread] };
}

export interface Regularizer {
  /** Reduced as the loss is, without class weights. */
  readonly value: number;
  /** λ times its derivative along ‖x_i‖. */
  slope(i: number): number;
}

/** MagFace's g(a) = a/u² + 1/a, Meng et al. 2021; none for other margins. */
export function regularizerOf(op: MarginSoftmaxOp, norms: Float64Array): Regularizer | undefined {
  const { reduction, gradOutput } = op;
  const margin = columnMargin(op.margin);
  if (margin.kind !== 'magFace') return undefined;
  const { uA, lA, lambdaG } = margin;
  const rows = counted(op);
  const weight = (i: number): number => (reduction === 'none' ? (gradOutput?.[i] ?? 1) : reduction === 'mean' ? 1 / rows.length : 1);
  const inverse = 1 / (uA * uA);
  return {
    value: rows.reduce((sum, i) => {
      const { a } = magFaceMargin(margin, norms[i] as number);
      return sum + weight(i) * (a * inverse + 1 / a);
    }, 0),
    slope(i) {
      const norm = norms[i] as number;
      return norm >= lA && norm <= uA ? lambdaG * weight(i) * (inverse - 1 / (norm * norm)) : 0;
    },
  };
}
