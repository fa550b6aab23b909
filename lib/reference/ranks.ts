// Ranks of a query's relevant rows without a sort of all rows: the few relevant ones are sorted, and each row is counted before the first of
// them that it precedes.
import type { RanksOp } from '../ops/ranks.js';

/** Whether row a comes before row b: the lesser value first, NaN after everything, ties by row. */
function precedes(x: number, a: number, y: number, b: number): boolean {
  if (x < y) return true;
  if (x > y) return false;
  const [none, other] = [Number.isNaN(x), Number.isNaN(y)];
  return none === other ? a < b : other;
}

export function relevantRanks({ values, n, m, descending, rows, from, to, own, ranks }: RanksOp): void {
  if (descending) for (let k = 0; k < values.length; k++) values[k] = -(values[k] as number);
  let start = 0;
  for (let i = 0; i < n; i++) {
    const self = own < 0 ? -1 : own + i;
    const relevant = rows.subarray(from[i], to[i]).filter((row) => row !== self);
    countBefore(values.subarray(i * m, (i + 1) * m), relevant, self, ranks.subarray(start, start + relevant.length));
    start += relevant.length;
  }
}

function countBefore(values: Float32Array, relevant: Int32Array, self: number, ranks: Int32Array): void {
  const at = (row: number): number => values[row] as number;
  relevant.sort((a, b) => (precedes(at(a), a, at(b), b) ? -1 : 1));
  const keys = Float32Array.from(relevant, at);
  const last = keys[keys.length - 1] as number;
  ranks.fill(0);
  for (let row = 0; row < values.length; row++) {
    const value = at(row);
    if (value > last || row === self) continue;
    let [low, high] = [0, keys.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (precedes(value, row, keys[middle] as number, relevant[middle] as number)) high = middle;
      else low = middle + 1;
    }
    if (low < ranks.length) ranks[low] = (ranks[low] as number) + 1;
  }
  let before = 0;
  for (let t = 0; t < ranks.length; t++) {
    before += ranks[t] as number;
    ranks[t] = before + 1;
  }
}
