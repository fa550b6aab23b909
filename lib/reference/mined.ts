// A batch as the miners see it: some anchors against all rows, and the search that most of the rules are made of.
import type { Values } from '../ops/types.js';
import { type BatchInput, batchOf } from './pair-distances.js';

/** Anchors first to first + n − 1. */
export interface AnchorBlock {
  readonly first: number;
  readonly n: number;
  /** [n, columns] distances, or negated similarities; 0 of an anchor to itself. */
  readonly apart: Values;
}

export interface Mined extends AnchorBlock {
  readonly columns: number;
  readonly labels: Int32Array;
  readonly margin: number;
  readonly seed: number;
  /** Components of a row. */
  readonly d: number;
}

export type MinedRows = Omit<BatchInput, 'memory'>;

/** The distances of a batch, block by block, so that no more exist than those of a block; the block's memory may be the last one's. */
export type BlocksOf = (rows: MinedRows) => Iterable<AnchorBlock>;

const blockDistances = 2 ** 21;
export const anchorsOfBlock = (n: number): number => Math.max(1, Math.min(n, Math.floor(blockDistances / n)));

/** The blocks as often as they are asked for: one that is the whole batch is computed once, more are computed anew. */
export function repeatable(rows: MinedRows, blocksOf: BlocksOf): () => Iterable<AnchorBlock> {
  const whole = anchorsOfBlock(rows.n) >= rows.n ? [...blocksOf(rows)] : undefined;
  return () => whole ?? blocksOf(rows);
}

/** In float64. */
export function* referenceBlocks(rows: MinedRows): Iterable<AnchorBlock> {
  const { n } = rows;
  const { apart } = batchOf(rows);
  const most = anchorsOfBlock(n);
  const block = new Float64Array(most * n);
  for (let first = 0; first < n; first += most) {
    const count = Math.min(most, n - first);
    for (let a = 0; a < count; a++) for (let k = 0; k < n; k++) block[a * n + k] = first + a === k ? 0 : apart(first + a, k);
    yield { first, n: count, apart: block };
  }
}

export const distanceOf = ({ apart, columns, first }: Mined, a: number, k: number): number => apart[(a - first) * columns + k] as number;

/** Index of the extreme distance from `a` among the rows of its own class or of the others; ties to the lowest; −1 without any. */
export function extreme(mined: Mined, a: number, ownClass: boolean, farthest: boolean, beyond = -Infinity): number {
  const { columns, labels, apart } = mined;
  const row = (a - mined.first) * columns;
  const label = labels[a];
  let [best, record] = [-1, 0];
  for (let k = 0; k < columns; k++) {
    if (k === a || (labels[k] === label) !== ownClass) continue;
    const value = apart[row + k] as number;
    if (!(value > beyond)) continue;
    if (best >= 0 && !(farthest ? value > record : value < record)) continue;
    [best, record] = [k, value];
  }
  return best;
}
