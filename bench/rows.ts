// What is timed: every op with the shapes of the peer scripts, under their names.
import { createRandom, distances, type Matrix, matmul, matrix, nearest, retrieval, updateCenters } from '../lib/index.js';
import { batchRows } from './batch-rows.js';
import { headRows } from './head-rows.js';
import { offlineRows } from './offline-rows.js';
import { type Bar, type Row, uniforms } from './row.js';
import { tfjsRows } from './tfjs-rows.js';

function normals(rows: number, cols: number, seed: number, offset = 0): Matrix {
  const random = createRandom(seed);
  return matrix(
    Float32Array.from({ length: rows * cols }, () => offset + random.normal()),
    cols,
  );
}

const onTs: Bar = { peer: 'ts', atLeast: 15 };

function dot(b: number, d: number, c: number, ...bars: Bar[]): Row {
  const flops = 2 * b * d * c;
  return {
    op: 'dot',
    shape: [b, d, c],
    flops,
    bars,
    tooSlowOnTs: flops > 5e9,
    prepare: () => {
      const [x, w] = [normals(b, d, 1), normals(c, d, 2)];
      const out = matrix(new Float32Array(b * c), c);
      return () => matmul(x, w, { transposeB: true, out });
    },
  };
}

interface Pairwise {
  readonly self?: boolean;
  readonly offset?: number;
}

function pairwise(op: 'squaredEuclidean' | 'euclidean', n: number, d: number, { self = false, offset = 0 }: Pairwise, ...bars: Bar[]): Row {
  const note = self ? 'Self' : offset ? 'Offset' : '';
  return {
    op: `${op}${note}`,
    shape: [n, n, d],
    flops: 2 * n * n * d,
    bars,
    tooSlowOnTs: 2 * n * n * d > 5e9,
    prepare: () => {
      const [x, y] = [normals(n, d, 3, offset), normals(n, d, 4, offset)];
      const out = matrix(new Float32Array(n * n), n);
      return self ? () => distances(x, { metric: op, out }) : () => distances(x, y, { metric: op, out });
    },
  };
}

function search(n: number, m: number, d: number, k: number, ...bars: Bar[]): Row {
  return {
    op: 'nearest',
    shape: [n, m, d, k],
    flops: 2 * n * m * d,
    bytes: 4 * m * d,
    bars,
    tooSlowOnTs: 2 * n * m * d > 5e9,
    prepare: () => {
      const [x, gallery] = m > 1e6 ? [uniforms(n, d, 5), uniforms(m, d, 6)] : [normals(n, d, 5), normals(m, d, 6)];
      const out = { indices: { data: new Int32Array(n * k), shape: [n, k] as const }, distances: matrix(new Float32Array(n * k), k) };
      return () => nearest(x, gallery, { k, out });
    },
  };
}

/** The update alone; the same batch each time, as the peer does it. Centers that no label names are never touched, so never resident. */
function centerUpdate(b: number, d: number, c: number, ...bars: Bar[]): Row {
  return {
    op: 'centerUpdate',
    shape: [b, d, c],
    flops: 6 * b * d,
    bars,
    prepare: () => {
      const random = createRandom(7);
      const [x, centers] = [normals(b, d, 8), matrix(new Float32Array(c * d), d)];
      const labels = Int32Array.from({ length: b }, () => random.integer(c));
      return () => updateCenters(x, labels, centers);
    },
  };
}

/** All figures of the full ranking; the peer's are those of the nearest R. */
function retrieve(n: number, d: number, classes: number, ...bars: Bar[]): Row {
  return {
    op: 'retrieval',
    shape: [n, d, classes],
    flops: 2 * n * n * d,
    bars,
    tooSlowOnTs: true,
    bestOnly: true,
    prepare: () => {
      const x = normals(n, d, 9);
      const labels = Int32Array.from({ length: n }, (_, i) => i % classes);
      return () => retrieval(x, labels);
    },
  };
}

export const rows: readonly Row[] = [
  dot(64, 64, 1000, { peer: 'torch', atLeast: 1 }, onTs),
  dot(256, 512, 10000, { peer: 'torch', atLeast: 1 }, onTs),
  dot(4096, 128, 4096, { peer: 'torch', atLeast: 1 }, onTs),
  dot(512, 512, 100000, { peer: 'peak', atLeast: 0.88 }, { peer: 'torch', atLeast: 1 }),
  pairwise('squaredEuclidean', 1024, 128, {}, { peer: 'faiss', atLeast: 1.3 }, onTs),
  pairwise('squaredEuclidean', 4096, 128, {}, { peer: 'faiss', atLeast: 1.7 }),
  pairwise('squaredEuclidean', 4096, 128, { self: true }, { peer: 'squaredEuclidean', atLeast: 1.6 }),
  pairwise('squaredEuclidean', 4096, 128, { offset: 100 }, { peer: 'squaredEuclidean', atLeast: 0.25 }),
  pairwise('squaredEuclidean', 10000, 512, {}, { peer: 'faiss', atLeast: 1.1 }),
  pairwise('euclidean', 8, 64, {}, { peer: 'loop', atLeast: 1 }),
  pairwise('euclidean', 1024, 128, {}, { peer: 'torch', atLeast: 1.3 }, onTs),
  pairwise('euclidean', 4096, 128, {}, { peer: 'torch', atLeast: 1.8 }),
  pairwise('euclidean', 10000, 512, {}, { peer: 'torch', atLeast: 1.15 }),
  search(1000, 100000, 128, 10, { peer: 'faiss', atLeast: 2 }, { peer: 'onnxruntime', atLeast: 2 }, { peer: 'usearch', atLeast: 25 }),
  search(10, 100000, 128, 10, onTs),
  search(1, 100000, 128, 10, { peer: 'memory', atLeast: 0.8 }),
  search(1, 2_000_000, 128, 10, { peer: 'memory', atLeast: 0.8 }), // larger than any last level of cache
  centerUpdate(1024, 512, 10_000, { peer: 'torch', atLeast: 4 }),
  centerUpdate(1024, 512, 100_000, { peer: 'torch', atLeast: 4 }, { peer: 'torchDense', atLeast: 1000 }),
  centerUpdate(1024, 512, 1_000_000, { peer: 'torch', atLeast: 4 }),
  centerUpdate(1024, 64, 10_000_000, { peer: 'torch', atLeast: 4 }),
  retrieve(50_000, 128, 1000, { peer: 'torch', atLeast: 3 }),
  ...headRows,
  ...offlineRows,
  ...batchRows,
  ...tfjsRows,
];
