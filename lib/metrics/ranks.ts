// Ranks of a query's relevant rows without a sort of all rows: the few relevant ones are sorted, and each other row is counted before the
// first of them that it precedes. O(M + M'·log R), M' of M rows being nearer than the last relevant one.

/** Whether row a comes before row b: the lesser value first, NaN after everything, ties by index. */
function precedes(x: number, a: number, y: number, b: number): boolean {
  if (x < y) return true;
  if (x > y) return false;
  const [none, other] = [Number.isNaN(x), Number.isNaN(y)];
  return none === other ? a < b : other;
}

/**
 * Ranks, from 1, of the relevant rows in the order of their values.
 * @param values [M] of one query, the least first; the own row, if it is among them, is not ranked
 * @param relevant rows among them, without the own one
 * @param isRelevant of a row; true of the own one, too
 */
export function ranksOf(values: Float32Array, relevant: readonly number[], isRelevant: (row: number) => boolean): Uint32Array {
  const at = (row: number): number => values[row] as number;
  const sorted = Uint32Array.from(relevant).sort((a, b) => (precedes(at(a), a, at(b), b) ? -1 : 1));
  const keys = Float32Array.from(sorted, at);
  const ranks = new Uint32Array(sorted.length);
  const last = keys[keys.length - 1] as number;
  for (let row = 0; row < values.length; row++) {
    const value = at(row);
    if (value > last || isRelevant(row)) continue;
    let [low, high] = [0, keys.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (precedes(value, row, keys[middle] as number, sorted[middle] as number)) high = middle;
      else low = middle + 1;
    }
    if (low < ranks.length) ranks[low] = (ranks[low] as number) + 1;
  }
  let before = 0;
  return ranks.map((others, t) => (before += others) + t + 1);
}
