// What a row of the bench is.
import { type Matrix, matrix } from '../lib/index.js';

export interface Bar {
  /**
   * Whose time over ours: the name of a peer, of the op of another row with this shape (both then run in turn), of a backend; `peak` for the share of the fused multiply-add peak,
   * `memory` for the share of the bandwidth of reading.
   */
  readonly peer: string;
  readonly atLeast: number;
}

export interface Row {
  readonly op: string;
  /** As the peers name it: rows, then columns or dimensions. */
  readonly shape: readonly number[];
  readonly flops: number;
  /** Read at least, where memory is what limits. */
  readonly bytes?: number;
  /** Of the native backend at its best level with all threads, unless the bar's peer is `ts`: then avx2 and one thread. */
  readonly bars: readonly Bar[];
  /** What the call may take beside its inputs and outputs, in MiB. */
  readonly mostExtraMiB?: number;
  /** Allocates the inputs and returns the call to time, until its promise settles where it returns one. */
  readonly prepare: () => () => unknown;
  /** One call takes many seconds there. */
  readonly tooSlowOnTs?: boolean;
  /** Timed at the best level with all threads alone: others would take minutes, or tell nothing new. */
  readonly bestOnly?: boolean;
}

/** For what is too large to draw normals for: uniform with this standard deviation. */
export function uniforms(rows: number, cols: number, seed: number, deviation = 1): Matrix {
  const data = new Float32Array(rows * cols);
  const factor = (deviation * Math.sqrt(12)) / 2 ** 32;
  let state = seed;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    data[i] = factor * state;
  }
  return matrix(data, cols);
}
