import type { Values } from './types.js';

export const metrics = ['squaredEuclidean', 'euclidean', 'manhattan', 'dot', 'cosineSimilarity', 'cosineDistance', 'snr'] as const;
/**
 * How two rows compare: `squaredEuclidean`, `euclidean`, `manhattan`, `dot`, `cosineSimilarity`, `cosineDistance`, `snr`.
 * `dot` and `cosineSimilarity` grow with likeness, the others shrink.
 */
export type Metric = (typeof metrics)[number];

/** out [rows, cols] = op(a)·op(b), `inner` the summed dimension; a is [rows, inner] or its transpose, b [inner, cols] or its transpose. */
export interface MatmulOp {
  readonly a: Values;
  readonly b: Values;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly rows: number;
  readonly inner: number;
  readonly cols: number;
  readonly out: Values;
}

/** out_i = x_i / max(‖x_i‖, eps) */
export interface NormalizeOp {
  readonly x: Values;
  readonly n: number;
  readonly d: number;
  readonly eps: number;
  readonly out: Values;
}

export interface NormalizeGradientOp extends Omit<NormalizeOp, 'out'> {
  readonly gradOutput: Values;
  readonly gradX: Values;
}

/** out [n, m]; y === x marks self-distances. */
export interface DistancesOp {
  readonly x: Values;
  readonly y: Values;
  readonly n: number;
  readonly m: number;
  readonly d: number;
  readonly metric: Metric;
  readonly out: Values;
}

/** gradX [n, d] and gradY [m, d] of Σ out·gradOutput. For self-distances the caller adds the two. */
export interface DistancesGradientOp extends Omit<DistancesOp, 'out'> {
  readonly gradOutput: Values;
  readonly gradX: Values;
  readonly gradY: Values;
}

/** indices and distances [n, k], best first, ties to the lowest index; NaN comes last. */
export interface NearestOp {
  readonly x: Values;
  readonly gallery: Values;
  readonly n: number;
  readonly m: number;
  readonly d: number;
  readonly metric: Metric;
  readonly k: number;
  /** Row i of the gallery is row i of x and is left out. */
  readonly excludeSelf: boolean;
  readonly indices: Int32Array;
  readonly distances: Values;
}

export interface DistanceOps {
  matmul(op: MatmulOp): void;
  normalize(op: NormalizeOp): void;
  normalizeGradient(op: NormalizeGradientOp): void;
  distances(op: DistancesOp): void;
  distancesGradient(op: DistancesGradientOp): void;
  nearest(op: NearestOp): void;
}
