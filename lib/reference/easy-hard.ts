// pytorch-metric-learning's BatchEasyHardMiner: of each row one positive and one negative, easy or hard, or semi-hard relative to the other.
import type { EasyHardChoice } from '../ops/pairs.js';
import { distanceOf, extreme, type Mined } from './mined.js';

export function easyHardPairs(
  batch: Mined,
  positives: EasyHardChoice,
  negatives: EasyHardChoice,
  take: (own: boolean, i: number, j: number) => void,
): void {
  const { first, n, columns, labels } = batch;
  for (let a = first; a < first + n; a++) {
    let p = -1;
    let k = -1;
    // What the semi-hard side is measured by comes first.
    if (positives === 'easy' || positives === 'hard') p = extreme(batch, a, true, positives === 'hard');
    if (negatives === 'easy' || negatives === 'hard') k = extreme(batch, a, false, negatives === 'easy');
    if (positives === 'semiHard' && k >= 0) p = farthestWithin(batch, a, distanceOf(batch, a, k));
    if (negatives === 'semiHard' && p >= 0) k = extreme(batch, a, false, false, distanceOf(batch, a, p));
    const alone = positives === 'all' || negatives === 'all';
    for (let j = 0; j < columns; j++) {
      if (j === a) continue;
      const own = labels[j] === labels[a];
      const all = own ? positives === 'all' : negatives === 'all';
      const chosen = own ? j === p && (alone || k >= 0) : j === k && (alone || p >= 0);
      if (all || chosen) take(own, a, j);
    }
  }
}

/** The farthest row of a's class closer than `bound`; ties to the lowest; −1 without any. */
function farthestWithin(batch: Mined, a: number, bound: number): number {
  const { columns, labels } = batch;
  let best = -1;
  for (let k = 0; k < columns; k++) {
    const value = distanceOf(batch, a, k);
    if (k === a || labels[k] !== labels[a] || !(value < bound)) continue;
    if (best < 0 || value > distanceOf(batch, a, best)) best = k;
  }
  return best;
}
