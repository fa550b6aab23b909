import { backend } from './backend.js';
import { checkChoice, checkMatrix, checkMemory, checkOptions, checkWorkspace, splitArguments } from './checks.js';
import { zeros } from './fresh.js';
import type { Matrix } from './matrix.js';
import { type Metric, metrics } from './ops/distances.js';

export interface DistanceChunksOptions {
  /** Default `squaredEuclidean`, as in `distances`. */
  readonly metric?: Metric;
  /** Memory for one block of the result, at least 1; default 96 MiB. A block has at least one row, whatever that takes. */
  readonly workspaceBytes?: number;
}

export interface DistanceChunk {
  /** Row of x that the block begins with. */
  readonly start: number;
  /** Distances of the rows start, start + 1, … to all of y, [rows, M]. The next step overwrites its memory. */
  readonly distances: Matrix;
}

const rowBytes = (m: number): number => Math.max(m, 1) * Float32Array.BYTES_PER_ELEMENT;

/**
 * `distances` for results too large to hold: consecutive blocks of rows of x [N, D] against all of y [M, D], or against x itself.
 * The values have the bits of `distances`. All blocks share one buffer: use or copy one before you ask for the next.
 * O(N·M·D) time; memory for one block.
 * @throws ERR_TYPE, ERR_DETACHED, ERR_SHAPE, ERR_OPTION_RANGE, ERR_OUT_OF_MEMORY, at the call; a step throws when x, y or the buffer went away
 */
export function distanceChunks(x: Matrix, options?: DistanceChunksOptions): Generator<DistanceChunk, void, void>;
export function distanceChunks(x: Matrix, y: Matrix, options?: DistanceChunksOptions): Generator<DistanceChunk, void, void>;
export function distanceChunks(x: Matrix, second?: Matrix | DistanceChunksOptions, third?: DistanceChunksOptions) {
  const [given, wanted] = splitArguments<Matrix, DistanceChunksOptions>(second, third);
  x = checkMatrix('x', x);
  const y = given === undefined ? x : checkMatrix('y', given, x.shape[1]);
  const options = checkOptions(wanted, ['metric', 'workspaceBytes']);
  const metric = checkChoice('options.metric', options.metric ?? 'squaredEuclidean', metrics);
  const bytes = checkWorkspace(options.workspaceBytes);
  checkMemory({}, { x, y });
  const rows = Math.min(Math.max(Math.floor(bytes / rowBytes(y.shape[0])), 1), x.shape[0]);
  return chunks(x, y, metric, zeros(rows, y.shape[0]));
}

function* chunks(x: Matrix, y: Matrix, metric: Metric, buffer: Matrix): Generator<DistanceChunk, void, void> {
  const [n, d] = x.shape;
  const [most, m] = buffer.shape;
  const exactZero = x === y && (metric === 'cosineDistance' || metric === 'snr');
  for (let start = 0; start < n; start += most) {
    // The caller's code has run since the last step.
    checkMemory({ distances: buffer }, { x, y });
    const rows = Math.min(most, n - start);
    const out = buffer.data.subarray(0, rows * m);
    backend().distances({ x: x.data.subarray(start * d, (start + rows) * d), y: y.data, n: rows, m, d, metric, out });
    for (let i = 0; exactZero && i < rows; i++) out[i * m + start + i] = 0;
    yield { start, distances: { data: out, shape: [rows, m] } };
  }
}
