// Exact top-k by bounded insertion: one row of candidates at a time, never the distance matrix.
import type { NearestOp } from '../ops/distances.js';
import { measureOf } from './distances.js';

export function nearest({ x, gallery, n, m, d, metric, k, excludeSelf, indices, distances }: NearestOp): void {
  const value = measureOf(metric, { x, y: gallery, d });
  const sign = metric === 'dot' || metric === 'cosineSimilarity' ? -1 : 1;
  const keys = new Float64Array(k);
  const best = new Int32Array(k);
  for (let i = 0; i < n; i++) {
    let held = 0;
    for (let j = 0; j < m; j++) {
      if (excludeSelf && i === j) continue;
      const key = sign * value(i * d, j * d);
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
    indices.set(best, i * k);
    for (let r = 0; r < k; r++) distances[i * k + r] = value(i * d, (best[r] as number) * d);
  }
}

/** Strictly better: smaller, or a number where the other is NaN, which comes after everything, infinities included. */
function before(key: number, other: number): boolean {
  return key < other || (Number.isNaN(other) && !Number.isNaN(key));
}
