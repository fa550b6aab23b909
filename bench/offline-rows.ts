// Offline mining over a million rows, beside the search that it cannot do without. 10⁴ anchors of the 10⁵ that the bar names, as the search
// alone takes minutes with those; time is linear in them. `npm run verify:long -- offline` runs all.
import { type Matrix, matrix, mineTripletsOffline, nearest, takeRows } from '../lib/index.js';
import { type Row, uniforms } from './row.js';

const [rows, dim, classes, anchors, candidates] = [1_000_000, 128, 10_000, 10_000, 16];
const shape = [anchors, rows, dim, candidates];
const common = { shape, flops: 2 * anchors * rows * dim, tooSlowOnTs: true, bestOnly: true };

/** A direction for each class, and noise of the same size around it. */
function embeddings(): Matrix {
  const [x, centers] = [uniforms(rows, dim, 5), uniforms(classes, dim, 6)];
  for (let i = 0; i < rows; i++) {
    const center = (i % classes) * dim;
    for (let j = 0; j < dim; j++) x.data[i * dim + j] = (x.data[i * dim + j] as number) + (centers.data[center + j] as number);
  }
  return x;
}

export const offlineRows: readonly Row[] = [
  {
    ...common,
    op: 'nearest',
    bars: [],
    prepare: () => {
      const x = embeddings();
      const some = takeRows(
        x,
        Array.from({ length: anchors }, (_, i) => i * (rows / anchors)),
      );
      const indices = { data: new Int32Array(anchors * candidates), shape: [anchors, candidates] as const };
      const out = { indices, distances: matrix(new Float32Array(anchors * candidates), candidates) };
      return () => nearest(some, x, { k: candidates, out });
    },
  },
  {
    ...common,
    op: 'mineTripletsOffline',
    bars: [{ peer: 'nearest', atLeast: 1 / 1.3 }],
    prepare: () => {
      const x = embeddings();
      const labels = Int32Array.from({ length: rows }, (_, i) => i % classes);
      return () => mineTripletsOffline(x, labels, { anchors, candidates });
    },
  },
];
