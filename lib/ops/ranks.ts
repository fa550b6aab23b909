// The ranks of what a query should find.

/** Rows of a gallery against `n` queries: which of them are relevant, and where they rank. */
export interface RanksOp {
  /** [n, m], the least first, NaN last, ties by row; may be overwritten. */
  readonly values: Float32Array;
  readonly n: number;
  readonly m: number;
  /** The greatest first instead. */
  readonly descending: boolean;
  /** Row numbers of the gallery; rows[from_i] … rows[to_i − 1] are relevant to query i. */
  readonly rows: Int32Array;
  readonly from: Int32Array;
  readonly to: Int32Array;
  /** The gallery row that query 0 is, query 1 being the next, or −1: such a row has no rank and must be among the relevant ones. */
  readonly own: number;
  /** From 1 on, ascending, query by query: Σ (to_i − from_i) of them, one fewer a query that is in the gallery. */
  readonly ranks: Int32Array;
}

export interface RankOps {
  relevantRanks(op: RanksOp): void;
}
