// Online selection of triplets and pairs. Each published rule is a generator of triplets over the batch's distances,
// so the loss streams them and only the miner itself stores them.
import { allocated, failure } from '../errors.js';
import type { MinePairsOp, MineTripletsOp, MiningStrategy, PairStrategy } from '../ops/pairs.js';
import { Sfc32 } from '../random.js';
import { selectionSampler } from '../subsample.js';
import { easyHardPairs } from './easy-hard.js';
import { type BlocksOf, distanceOf, extreme, type Mined, referenceBlocks, repeatable } from './mined.js';

type Visit = (anchor: number, positive: number, negative: number) => void;

/** Calls `visit` with every chosen triplet, in sorted order. */
export function eachTriplet(strategy: MiningStrategy, mined: Mined, visit: Visit): void {
  if (strategy === 'batchHard') batchHard(mined, visit);
  else if (strategy === 'semiHardClosest') perPair(mined, visit, (a, p) => closestBeyond(mined, a, p));
  else if (strategy === 'hardestViolating') perPair(mined, visit, (a, p) => hardestViolating(mined, a, p));
  else if (strategy === 'faceNetSemiHard') faceNet(mined, visit);
  else if (strategy === 'distanceWeighted') distanceWeighted(mined, visit);
  else band(mined, visit, bands[strategy]);
}

const bands: Record<'all' | 'violating' | 'semiHard' | 'hard' | 'easy', (gap: number, margin: number) => boolean> = {
  all: () => true,
  violating: (gap, margin) => gap < margin,
  semiHard: (gap, margin) => gap > 0 && gap <= margin,
  hard: (gap) => gap <= 0,
  easy: (gap, margin) => gap > margin,
};

function eachPositivePair({ first, n, columns, labels }: Mined, visit: (a: number, p: number) => void): void {
  for (let a = first; a < first + n; a++) for (let p = 0; p < columns; p++) if (p !== a && labels[p] === labels[a]) visit(a, p);
}

/** One negative for every ordered positive pair, or none where `choose` says −1. */
function perPair(mined: Mined, visit: Visit, choose: (a: number, p: number) => number): void {
  eachPositivePair(mined, (a, p) => {
    const negative = choose(a, p);
    if (negative >= 0) visit(a, p, negative);
  });
}

function band(mined: Mined, visit: Visit, inside: (gap: number, margin: number) => boolean): void {
  const { first, columns, labels, apart, margin } = mined;
  eachPositivePair(mined, (a, p) => {
    const row = (a - first) * columns;
    const near = apart[row + p] as number;
    for (let k = 0; k < columns; k++) {
      if (labels[k] !== labels[a] && inside((apart[row + k] as number) - near, margin)) visit(a, p, k);
    }
  });
}

function batchHard(mined: Mined, visit: Visit): void {
  for (let a = mined.first; a < mined.first + mined.n; a++) {
    const positive = extreme(mined, a, true, true);
    const negative = extreme(mined, a, false, false);
    if (positive >= 0 && negative >= 0) visit(a, positive, negative);
  }
}

function closestBeyond(mined: Mined, a: number, p: number): number {
  const beyond = extreme(mined, a, false, false, distanceOf(mined, a, p));
  return beyond >= 0 ? beyond : extreme(mined, a, false, true);
}

function hardestViolating(mined: Mined, a: number, p: number): number {
  if (a > p) return -1;
  const negative = extreme(mined, a, false, false);
  if (negative < 0) return -1;
  return distanceOf(mined, a, p) - distanceOf(mined, a, negative) + mined.margin > 0 ? negative : -1;
}

/** Schroff et al. 2015: for every positive pair one negative drawn among those inside d_ap < d_an < d_ap + margin. */
function faceNet(mined: Mined, visit: Visit): void {
  const { columns, labels, margin, seed } = mined;
  const stream = new Sfc32(seed);
  perPair(mined, visit, (a, p) => {
    const inside: number[] = [];
    for (let k = 0; k < columns; k++) {
      const gap = distanceOf(mined, a, k) - distanceOf(mined, a, p);
      if (labels[k] !== labels[a] && gap > 0 && gap < margin) inside.push(k);
    }
    if (inside.length === 0) return -1;
    // A stream for each pair: what one pair draws does not depend on the others, so that anchors can be walked in any order.
    stream.reseed(seed, a, p);
    return inside[stream.integer(inside.length)] as number;
  });
}

// Wu et al. 2017: distances below the first count as it, so that no weight explodes; beyond the second a margin loss has no gradient.
const [weightCutoff, weightEnd] = [0.5, 1.4];

/**
 * Wu et al. 2017, section 4: for every positive pair one negative, drawn with weight 1/q(d), where q(d) ∝ dᴰ⁻²·(1 − d²/4)^((D−3)/2) is how
 * distances between uniform points of the unit sphere are distributed.
 */
function distanceWeighted(mined: Mined, visit: Visit): void {
  const { columns, labels, seed, d } = mined;
  const stream = new Sfc32(seed);
  const candidates = new Int32Array(columns);
  const sums = new Float64Array(columns);
  let [anchor, count] = [-1, 0];
  const weigh = (a: number): void => {
    [anchor, count] = [a, 0];
    let top = -Infinity;
    for (let k = 0; k < columns; k++) {
      const distance = distanceOf(mined, a, k);
      if (labels[k] === labels[a] || !(distance < weightEnd)) continue;
      const counted = Math.max(distance, weightCutoff);
      const log = (2 - d) * Math.log(counted) - ((d - 3) / 2) * Math.log(1 - counted ** 2 / 4);
      top = Math.max(top, log);
      candidates[count] = k;
      sums[count++] = log;
    }
    // Relative to the largest: the weights themselves overflow at some hundred components.
    for (let c = 0, sum = 0; c < count; c++) sums[c] = sum += Math.exp((sums[c] as number) - top);
  };
  perPair(mined, visit, (a, p) => {
    if (anchor !== a) weigh(a);
    if (count === 0) return -1;
    stream.reseed(seed, a, p);
    const drawn = (stream.bits() / 2 ** 32) * (sums[count - 1] as number);
    return candidates[firstAbove(sums, count, drawn)] as number;
  });
}

/** The first of `count` ascending sums above `value`, which is below the last. */
function firstAbove(sums: Float64Array, count: number, value: number): number {
  let [low, high] = [0, count - 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sums[middle] as number) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Room for what is kept of so many triplets. */
export function tripletRoom(op: Pick<MineTripletsOp, 'subsample' | 'maxTriplets'>, selected: number): Int32Array {
  const count = Math.min(selected, op.subsample ?? selected);
  if (count > op.maxTriplets) {
    throw failure(
      'ERR_OUT_OF_MEMORY',
      'options.maxTriplets',
      `room for all ${count} triplets (${count * 12} bytes)`,
      String(op.maxTriplets),
    );
  }
  return allocated('options.maxTriplets', `${count} triplets`, () => new Int32Array(3 * count));
}

/** Counts first, so that the result has its exact size; with more blocks than one, distances are computed twice for it. */
export function mineTriplets(op: MineTripletsOp, blocksOf: BlocksOf = referenceBlocks): Int32Array {
  const blocks = repeatable(op, blocksOf);
  const each = (visit: Visit): void => {
    for (const block of blocks()) eachTriplet(op.strategy, { ...op, ...block, columns: op.n }, visit);
  };
  let selected = 0;
  each(() => selected++);
  const out = tripletRoom(op, selected);
  const keep = selectionSampler(selected, out.length / 3, new Sfc32(op.seed));
  let at = 0;
  each((a, p, k) => {
    if (!keep()) return;
    out[at++] = a;
    out[at++] = p;
    out[at++] = k;
  });
  return out;
}

type Take = (own: boolean, i: number, j: number) => void;

/** A row's farthest positive and closest negative: their indices, −1 without any, and distances, then NaN, which keeps nothing. */
interface Ends {
  readonly farPositive: number;
  readonly nearNegative: number;
  readonly far: number;
  readonly near: number;
}
type Keep = (own: boolean, j: number, value: number, ends: Ends) => boolean;

function keepOf({ distance, epsilon, posMargin, negMargin }: MinePairsOp, strategy: Exclude<PairStrategy, 'easyHard'>): Keep {
  const sign = distance === 'cosineSimilarity' ? -1 : 1;
  switch (strategy) {
    case 'multiSimilarity': // s_ij + ε > min s_i⁺ and s_ij − ε < max s_i⁻, in distances
      return (own, _, value, { far, near }) => (own ? value + epsilon > near : value - epsilon < far);
    case 'pairMargin':
      return (own, _, value) => (own ? value > sign * posMargin : value < sign * negMargin);
    case 'batchHard':
      return (own, j, _, { farPositive, nearNegative }) => j === (own ? farPositive : nearNegative);
  }
}

function boundedPairs(mined: Mined, op: MinePairsOp, strategy: Exclude<PairStrategy, 'easyHard'>, take: Take): void {
  const { first, n, columns, labels } = mined;
  const keep = keepOf(op, strategy);
  for (let i = first; i < first + n; i++) {
    const farPositive = extreme(mined, i, true, true);
    const nearNegative = extreme(mined, i, false, false);
    const at = (j: number): number => (j < 0 ? Number.NaN : distanceOf(mined, i, j));
    const ends = { farPositive, nearNegative, far: at(farPositive), near: at(nearNegative) };
    for (let j = 0; j < columns; j++) {
      const own = labels[i] === labels[j];
      if (i !== j && keep(own, j, distanceOf(mined, i, j), ends)) take(own, i, j);
    }
  }
}

/** Room for what is kept of one kind, if there is enough for both. */
export function pairRoom(
  op: Pick<MinePairsOp, 'subsample' | 'maxPairs'>,
  selected: { readonly positive: number; readonly negative: number },
  kind: 'positive' | 'negative',
): Int32Array {
  const wanted = (pairs: number): number => Math.min(pairs, op.subsample ?? pairs);
  for (const [each, pairs] of Object.entries(selected)) {
    const count = wanted(pairs);
    if (count <= op.maxPairs) continue;
    const room = `room for all ${count} ${each} pairs (${count * 8} bytes)`;
    throw failure('ERR_OUT_OF_MEMORY', 'options.maxPairs', room, String(op.maxPairs));
  }
  const count = wanted(selected[kind]);
  return allocated('options.maxPairs', `${count} pairs`, () => new Int32Array(2 * count));
}

export function minePairs(op: MinePairsOp, blocksOf: BlocksOf = referenceBlocks): { positivePairs: Int32Array; negativePairs: Int32Array } {
  const blocks = repeatable(op, blocksOf);
  const each = (take: Take): void => {
    for (const block of blocks()) {
      const mined = { ...op, ...block, columns: op.n, margin: 0, seed: 0 };
      if (op.strategy === 'easyHard') easyHardPairs(mined, op.positives, op.negatives, take);
      else boundedPairs(mined, op, op.strategy, take);
    }
  };
  const selected = { positive: 0, negative: 0 };
  each((own) => selected[own ? 'positive' : 'negative']++);
  const kindOf = (kind: 'positive' | 'negative', stream: number) => {
    const data = pairRoom(op, selected, kind);
    return { data, keep: selectionSampler(selected[kind], data.length / 2, new Sfc32(op.seed, stream)), at: 0 };
  };
  const [negative, positive] = [kindOf('negative', 0), kindOf('positive', 1)];
  each((own, i, j) => {
    const pairs = own ? positive : negative;
    if (!pairs.keep()) return;
    pairs.data[pairs.at++] = i;
    pairs.data[pairs.at++] = j;
  });
  return { positivePairs: positive.data, negativePairs: negative.data };
}
