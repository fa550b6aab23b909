// Exact top-k by bounded insertion: one row of candidates at a time, never the distance matrix.
import type { NearestOp, PackedGallery, PackGalleryOp } from '../ops/distances.js';
import { widened } from './bfloat16.js';
import { measureOf } from './distances.js';

export function nearest(op: NearestOp): void {
  const { x, n, m, d, metric, k, excludeSelf, filter, labels, galleryLabels, indices, distances, beyond, within } = op;
  const value = measureOf(metric, { x, y: widened(op.gallery), d });
  const sign = metric === 'dot' || metric === 'cosineSimilarity' ? -1 : 1;
  const keys = new Float64Array(k);
  const best = new Int32Array(k);
  for (let i = 0; i < n; i++) {
    let held = 0;
    for (let j = 0; j < m; j++) {
      if (excludeSelf && i === j) continue;
      if (filter && (labels[i] === galleryLabels[j]) !== (filter === 'same')) continue;
      const key = sign * value(i * d, j * d);
      if (beyond && !before(sign * (beyond[i] as number), key)) continue;
      if (within && !before(key, sign * (within[i] as number))) continue;
      if (held === k && !before(key, keys[k - 1] as number)) continue;
      // Candidates come in index order, so stepping only over strictly worse keys keeps ties at the lowest index.
      let at = held < k ? held++ : k - 1;
      for (; at > 0 && before(key, keys[at - 1] as number); at--) {
        keys[at] = keys[at - 1] as number;
        best[at] = best[at - 1] as number;
      }
      keys[at] = key;
      best[at] = j;
    }
    indices.set(best.fill(-1, held), i * k);
    for (let r = 0; r < k; r++) distances[i * k + r] = r < held ? value(i * d, (best[r] as number) * d) : Number.NaN;
  }
}

export function packGallery({ gallery, m, d, metric, labels }: PackGalleryOp): PackedGallery {
  const kept = { gallery: gallery.slice(), m, d, metric, galleryLabels: labels?.slice() ?? new Int32Array(0), excludeSelf: false };
  return { search: (op) => nearest({ ...kept, ...op }), dispose: () => {} };
}

/** Strictly better: smaller, or a number where the other is NaN, which comes after everything, infinities included. */
function before(key: number, other: number): boolean {
  return key < other || (Number.isNaN(other) && !Number.isNaN(key));
}
