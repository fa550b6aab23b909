// Online selection of triplets and pairs. Each published rule is a generator of triplets over the batch's distances,
// so the loss streams them and only the miner itself stores them.
import { failure } from '../errors.js';
import type { MinePairsOp, MineTripletsOp, TripletStrategy } from '../ops/pairs.js';
import { createRandom } from '../random.js';
import { apartMatrix, batchOf } from './pair-distances.js';

export interface Mined {
  /** Anchors: the first of the columns. */
  readonly n: number;
  readonly columns: number;
  readonly labels: Int32Array;
  /** [n, columns] distances, or negated similarities. */
  readonly apart: Float64Array;
  readonly margin: number;
  readonly seed: number;
}

type Visit = (anchor: number, positive: number, negative: number) => void;

/** Calls `visit` with every chosen triplet, in sorted order. */
export function eachTriplet(strategy: TripletStrategy, mined: Mined, visit: Visit): void {
  if (strategy === 'batchHard') batchHard(mined, visit);
  else if (strategy === 'semiHardClosest') perPair(mined, visit, (a, p) => closestBeyond(mined, a, p));
  else if (strategy === 'hardestViolating') perPair(mined, visit, (a, p) => hardestViolating(mined, a, p));
  else if (strategy === 'faceNetSemiHard') faceNet(mined, visit);
  else band(mined, visit, bands[strategy]);
}

const bands: Record<'all' | 'violating' | 'semiHard' | 'hard' | 'easy', (gap: number, margin: number) => boolean> = {
  all: () => true,
  violating: (gap, margin) => gap < margin,
  semiHard: (gap, margin) => gap > 0 && gap <= margin,
  hard: (gap) => gap <= 0,
  easy: (gap, margin) => gap > margin,
};

function eachPositivePair({ n, columns, labels }: Mined, visit: (a: number, p: number) => void): void {
  for (let a = 0; a < n; a++) for (let p = 0; p < columns; p++) if (p !== a && labels[p] === labels[a]) visit(a, p);
}

/** One negative for every ordered positive pair, or none where `choose` says −1. */
function perPair(mined: Mined, visit: Visit, choose: (a: number, p: number) => number): void {
  eachPositivePair(mined, (a, p) => {
    const negative = choose(a, p);
    if (negative >= 0) visit(a, p, negative);
  });
}

function band(mined: Mined, visit: Visit, inside: (gap: number, margin: number) => boolean): void {
  const { columns, labels, apart, margin } = mined;
  eachPositivePair(mined, (a, p) => {
    for (let k = 0; k < columns; k++) {
      if (labels[k] !== labels[a] && inside((apart[a * columns + k] as number) - (apart[a * columns + p] as number), margin))
        visit(a, p, k);
    }
  });
}

/** Index of the extreme distance from `a` among the rows of its own class or of the others; ties to the lowest; −1 without any. */
function extreme({ columns, labels, apart }: Mined, a: number, ownClass: boolean, farthest: boolean, beyond = -Infinity): number {
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

function batchHard(mined: Mined, visit: Visit): void {
  for (let a = 0; a < mined.n; a++) {
    const positive = extreme(mined, a, true, true);
    const negative = extreme(mined, a, false, false);
    if (positive >= 0 && negative >= 0) visit(a, positive, negative);
  }
}

function closestBeyond(mined: Mined, a: number, p: number): number {
  const beyond = extreme(mined, a, false, false, mined.apart[a * mined.columns + p] as number);
  return beyond >= 0 ? beyond : extreme(mined, a, false, true);
}

function hardestViolating(mined: Mined, a: number, p: number): number {
  if (a > p) return -1;
  const { columns, apart, margin } = mined;
  const negative = extreme(mined, a, false, false);
  if (negative < 0) return -1;
  return (apart[a * columns + p] as number) - (apart[a * columns + negative] as number) + margin > 0 ? negative : -1;
}

/** Schroff et al. 2015: for every positive pair one negative drawn among those inside d_ap < d_an < d_ap + margin. */
function faceNet(mined: Mined, visit: Visit): void {
  const { columns, labels, apart, margin, seed } = mined;
  const random = createRandom(seed);
  perPair(mined, visit, (a, p) => {
    const inside: number[] = [];
    for (let k = 0; k < columns; k++) {
      const gap = (apart[a * columns + k] as number) - (apart[a * columns + p] as number);
      if (labels[k] !== labels[a] && gap > 0 && gap < margin) inside.push(k);
    }
    return inside.length > 0 ? (inside[random.integer(inside.length)] as number) : -1;
  });
}

export function mineTriplets(op: MineTripletsOp): Int32Array {
  const mined: Mined = { ...op, columns: op.n, apart: apartMatrix(batchOf(op)) };
  let count = 0;
  eachTriplet(op.strategy, mined, () => count++);
  if (count > op.maxTriplets) {
    throw failure(
      'ERR_OUT_OF_MEMORY',
      'options.maxTriplets',
      `room for all ${count} triplets (${count * 12} bytes)`,
      String(op.maxTriplets),
    );
  }
  const out = new Int32Array(3 * count);
  let at = 0;
  eachTriplet(op.strategy, mined, (a, p, k) => {
    out[at++] = a;
    out[at++] = p;
    out[at++] = k;
  });
  return out;
}

export function minePairs(op: MinePairsOp): { positivePairs: Int32Array; negativePairs: Int32Array } {
  const { n, labels, strategy, distance, epsilon } = op;
  const batch = { ...op, columns: n, apart: apartMatrix(batchOf(op)), margin: 0, seed: 0 };
  const sign = distance === 'cosineSimilarity' ? -1 : 1;
  const [positive, negative]: [number[], number[]] = [[], []];
  for (let i = 0; i < n; i++) {
    const farPositive = extreme(batch, i, true, true);
    const nearNegative = extreme(batch, i, false, false);
    const at = (j: number): number => (j < 0 ? Number.NaN : (batch.apart[i * n + j] as number));
    for (let j = 0; j < n; j++) {
      if (i === j) continue;
      const value = at(j);
      const own = labels[i] === labels[j];
      const keep = {
        // s_ij + ε > min s_i⁺ and s_ij − ε < max s_i⁻, in distances; a missing side compares as NaN and keeps nothing.
        multiSimilarity: own ? value + epsilon > at(nearNegative) : value - epsilon < at(farPositive),
        pairMargin: own ? value > sign * op.posMargin : value < sign * op.negMargin,
        batchHard: j === (own ? farPositive : nearNegative),
      }[strategy];
      if (keep) (own ? positive : negative).push(i, j);
    }
  }
  return { positivePairs: Int32Array.from(positive), negativePairs: Int32Array.from(negative) };
}
