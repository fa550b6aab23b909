// A batch as the miners see it, and the search that most of their rules are made of.
export interface Mined {
  /** Anchors: the first of the columns. */
  readonly n: number;
  readonly columns: number;
  readonly labels: Int32Array;
  /** [n, columns] distances, or negated similarities. */
  readonly apart: Float64Array;
  readonly margin: number;
  readonly seed: number;
  /** Components of a row. */
  readonly d: number;
}

/** Index of the extreme distance from `a` among the rows of its own class or of the others; ties to the lowest; −1 without any. */
export function extreme({ columns, labels, apart }: Mined, a: number, ownClass: boolean, farthest: boolean, beyond = -Infinity): number {
  let best = -1;
  for (let k = 0; k < columns; k++) {
    if (k === a || (labels[k] === labels[a]) !== ownClass) continue;
    const value = apart[a * columns + k] as number;
    if (!(value > beyond)) continue;
    const record = apart[a * columns + best] as number;
    if (best < 0 || (farthest ? value > record : value < record)) best = k;
  }
  return best;
}
