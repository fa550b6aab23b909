// The pairs (anchor, positive) that offline mining has at hand: their rows, picked up as the data set goes by, and what has been found for them.
import type { IndexMatrix, Matrix } from './matrix.js';
import type { Values } from './ops/types.js';

/** Rows of some pairs out of all rows. */
export class PairRows {
  readonly count: number;
  readonly d: number;
  /** [count, d] */
  readonly anchors: Float32Array;
  /** [count, d] */
  readonly positives: Float32Array;
  readonly #triplets: Int32Array;
  /** The pairs, by their positives: rows come in order. */
  readonly #byPositive: Uint32Array;
  #anchorsTaken = 0;
  #positivesTaken = 0;

  /** @param triplets (anchor, positive, anything), sorted */
  constructor(triplets: Int32Array, d: number) {
    this.count = triplets.length / 3;
    this.d = d;
    this.#triplets = triplets;
    this.anchors = new Float32Array(this.count * d);
    this.positives = new Float32Array(this.count * d);
    this.#byPositive = Uint32Array.from({ length: this.count }, (_, i) => i);
    this.#byPositive.sort((i, j) => this.#positive(i) - this.#positive(j));
  }

  anchor(pair: number): number {
    return this.#triplets[3 * pair] as number;
  }

  #positive(pair: number): number {
    return this.#triplets[3 * pair + 1] as number;
  }

  /** Copies what the pairs need of the rows start, start + 1, …; pieces come in order. */
  take({ data, shape: [rows, d] }: Matrix, start: number): void {
    const end = start + rows;
    const copy = (row: number, into: Float32Array, pair: number): void =>
      into.set(data.subarray((row - start) * d, (row - start + 1) * d), pair * d);
    for (; this.#anchorsTaken < this.count && this.anchor(this.#anchorsTaken) < end; this.#anchorsTaken++) {
      copy(this.anchor(this.#anchorsTaken), this.anchors, this.#anchorsTaken);
    }
    for (; this.#positivesTaken < this.count; this.#positivesTaken++) {
      const pair = this.#byPositive[this.#positivesTaken] as number;
      if (this.#positive(pair) >= end) break;
      copy(this.#positive(pair), this.positives, pair);
    }
  }
}

/** The k best rows so far of each pair, best first. */
export class Found {
  readonly #k: number;
  readonly #sign: number;
  readonly #rows: Int32Array;
  readonly #distances: Values;
  readonly #counts: Int32Array;
  readonly #within: Values;

  /**
   * @param within [count], how near the next one must be: moves to the k-th best when there are k
   * @param distances [count, k], room for them
   */
  constructor(k: number, grows: boolean, within: Values, distances: Values) {
    this.#k = k;
    this.#sign = grows ? -1 : 1;
    this.#rows = new Int32Array(distances.length);
    this.#distances = distances;
    this.#counts = new Int32Array(within.length);
    this.#within = within;
  }

  /** Merges the result of a search over rows from `start` on. Those come later, so in a tie what is held stays before them. */
  add(start: number, indices: Int32Array, distances: Values): void {
    const k = this.#k;
    for (let pair = 0; pair < this.#counts.length; pair++) {
      if ((indices[pair * k] as number) >= 0) this.#addTo(pair, start, indices, distances);
    }
  }

  #addTo(pair: number, start: number, indices: Int32Array, distances: Values): void {
    const [k, sign, first] = [this.#k, this.#sign, pair * this.#k];
    const [rows, held] = [this.#rows, this.#distances];
    let count = this.#counts[pair] as number;
    for (let r = first; r < first + k && (indices[r] as number) >= 0; r++) {
      const key = sign * (distances[r] as number);
      let at = first + count;
      while (at > first && key < sign * (held[at - 1] as number)) at--;
      if (at === first + k) break;
      count = Math.min(count + 1, k);
      rows.copyWithin(at + 1, at, first + count - 1);
      held.copyWithin(at + 1, at, first + count - 1);
      rows[at] = start + (indices[r] as number);
      held[at] = distances[r] as number;
    }
    this.#counts[pair] = count;
    if (count === k) this.#within[pair] = held[first + k - 1] as number;
  }

  /** One of a pair's rows, as `draw` picks its rank below their number; −1 without any. */
  choose(pair: number, draw: (bound: number) => number): number {
    const count = this.#counts[pair] as number;
    return count === 0 ? -1 : (this.#rows[pair * this.#k + draw(count)] as number);
  }
}

/** The least float32 that is not below: for a float32 v, v < value and v < least are one. */
export function notBelow(value: number): number {
  const rounded = Math.fround(value);
  if (!(rounded < value)) return rounded;
  const bits = new Int32Array(Float32Array.of(rounded).buffer);
  bits[0] = rounded === 0 ? 1 : (bits[0] as number) + (rounded < 0 ? -1 : 1);
  return new Float32Array(bits.buffer)[0] as number;
}

/** Without the triplets whose negative is −1. */
export function compacted(triplets: Int32Array): IndexMatrix {
  let kept = 0;
  for (let t = 0; t < triplets.length; t += 3) {
    if ((triplets[t + 2] as number) < 0) continue;
    triplets.copyWithin(kept, t, t + 3);
    kept += 3;
  }
  return { data: triplets.slice(0, kept), shape: [kept / 3, 3] };
}
