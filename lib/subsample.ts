import type { Sfc32 } from './random.js';

/**
 * Selection sampling (Knuth, TAOCP 2, 3.4.2 S): asked once for each of `total` items in turn, says yes to exactly min(wanted, total) of them,
 * each subset of that size equally likely. Totals past 2³² are why a draw has 53 bits.
 */
export function selectionSampler(total: number, wanted: number, stream: Sfc32): () => boolean {
  let [left, needed] = [total, wanted];
  return () => {
    if (needed >= left) return left-- > 0;
    if (needed === 0) return false;
    const uniform = ((stream.bits() >>> 5) * 2 ** 26 + (stream.bits() >>> 6)) / 2 ** 53;
    const chosen = uniform * left < needed;
    left--;
    if (chosen) needed--;
    return chosen;
  };
}
