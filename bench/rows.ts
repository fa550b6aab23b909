// What is timed: every op with the shapes of the peer scripts, under their names.
import { createRandom, distances, type Matrix, matmul, matrix } from '../lib/index.js';

export interface Row {
  readonly op: string;
  /** As the peers name it: rows, then dimensions, then columns or classes. */
  readonly shape: readonly number[];
  readonly flops: number;
  /** Backends on which one call takes longer than a bench should. */
  readonly tooSlowOn?: readonly string[];
  /** Allocates the inputs and returns one timed call. */
  readonly prepare: () => () => unknown;
}

function normals(rows: number, cols: number, seed: number): Matrix {
  const random = createRandom(seed);
  return matrix(
    Float32Array.from({ length: rows * cols }, () => random.normal()),
    cols,
  );
}

const dot = (b: number, d: number, c: number): Row => ({
  op: 'dot',
  shape: [b, d, c],
  flops: 2 * b * d * c,
  ...(b * d * c > 2e9 && { tooSlowOn: ['ts'] }),
  prepare: () => {
    const [x, w] = [normals(b, d, 1), normals(c, d, 2)];
    const out = matrix(new Float32Array(b * c), c);
    return () => matmul(x, w, { transposeB: true, out });
  },
});

const pairwise = (op: 'squaredEuclidean' | 'euclidean', n: number, d: number): Row => ({
  op,
  shape: [n, n, d],
  flops: 2 * n * n * d,
  ...(n * n * d > 3e9 && { tooSlowOn: ['ts'] }),
  prepare: () => {
    const [x, y] = [normals(n, d, 3), normals(n, d, 4)];
    const out = matrix(new Float32Array(n * n), n);
    return () => distances(x, y, { metric: op, out });
  },
});

export const rows: readonly Row[] = [
  dot(64, 64, 1000),
  dot(256, 512, 10000),
  dot(4096, 128, 4096),
  dot(512, 512, 100000),
  pairwise('squaredEuclidean', 1024, 128),
  pairwise('squaredEuclidean', 4096, 128),
  pairwise('squaredEuclidean', 10000, 512),
  pairwise('euclidean', 1024, 128),
  pairwise('euclidean', 4096, 128),
];
