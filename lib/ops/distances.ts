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

/** Which candidates count for a row: those of its own class, or those of another. */
export type NearestFilter = 'same' | 'different';
export const nearestFilters: readonly NearestFilter[] = ['same', 'different'];

/** A search: indices and distances [n, k], best first, ties to the lowest index; NaN comes last. */
export interface SearchOp {
  readonly x: Values;
  readonly n: number;
  readonly k: number;
  /** Where it leaves fewer than k candidates, index −1 and distance NaN fill up. */
  readonly filter: NearestFilter | undefined;
  /** [n]; unless a filter compares them they are not looked at and may be empty. */
  readonly labels: Int32Array;
  /** [n]: only what ranks strictly after this distance counts (NaN: nothing does), … */
  readonly beyond?: Values | undefined;
  /** [n]: … and strictly before this one (NaN: all but NaN does). Both fill up as the filter does. */
  readonly within?: Values | undefined;
  readonly indices: Int32Array;
  readonly distances: Values;
}

/** Rows to search, in float32 or bfloat16. */
export interface GalleryOp {
  readonly gallery: Values | Uint16Array;
  readonly m: number;
  readonly d: number;
  readonly metric: Metric;
}

export interface NearestOp extends SearchOp, GalleryOp {
  /** [m], or empty like `labels`. */
  readonly galleryLabels: Int32Array;
  /** Row i of the gallery is row i of x and is left out. */
  readonly excludeSelf: boolean;
}

/** Takes a copy of the gallery, in whatever form is searched fastest. */
export interface PackGalleryOp extends GalleryOp {
  readonly labels: Int32Array | undefined;
}

export interface PackedGallery {
  search(op: SearchOp): void;
  /** The same off the event loop, where the backend can. */
  readonly start?: (op: SearchOp) => { readonly promise: Promise<void>; cancel(): void };
  /** Gives the memory back, as soon as no started search needs it; no other may follow. */
  dispose(): void;
}

export interface ToBfloat16Op {
  readonly x: Float32Array;
  readonly out: Uint16Array;
}

export interface FromBfloat16Op {
  readonly x: Uint16Array;
  readonly out: Float32Array;
}

export interface DistanceOps {
  matmul(op: MatmulOp): void;
  normalize(op: NormalizeOp): void;
  normalizeGradient(op: NormalizeGradientOp): void;
  distances(op: DistancesOp): void;
  distancesGradient(op: DistancesGradientOp): void;
  nearest(op: NearestOp): void;
  packGallery(op: PackGalleryOp): PackedGallery;
  toBfloat16(op: ToBfloat16Op): void;
  fromBfloat16(op: FromBfloat16Op): void;
}
