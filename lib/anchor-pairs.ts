// Which (anchor, positive) pairs of a data set are mined: drawn from labels and a seed alone, before any embedding is read.
import { allocated, failure } from './errors.js';
import type { Random } from './random.js';
import { shares } from './sampling.js';

export interface PairsToDraw {
  /** Anchors, spread evenly over the classes that can pair; undefined for all. */
  readonly anchors: number | undefined;
  readonly positivesPerAnchor: number | 'all';
  /** More pairs than this are refused. */
  readonly maxTriplets: number;
}

export interface AnchorPairs {
  /** (anchor, positive, −1), sorted, room for the negatives: 12 bytes a pair. */
  readonly triplets: Int32Array;
  readonly pairs: number;
  readonly anchors: number;
  /** Rows that are alone in their class. */
  readonly withoutPositive: number;
  readonly classes: number;
}

/** Rows ordered by class, ascending inside each; class c has [starts[c], starts[c + 1]). */
function groupRows(labels: Int32Array): { readonly order: Int32Array; readonly starts: Int32Array } {
  const classOf = new Map<number, number>();
  const sizes: number[] = [];
  for (const label of labels) {
    const known = classOf.get(label);
    if (known === undefined) classOf.set(label, sizes.push(1) - 1);
    else sizes[known] = (sizes[known] as number) + 1;
  }
  const starts = new Int32Array(sizes.length + 1);
  sizes.forEach((size, c) => (starts[c + 1] = (starts[c] as number) + size));
  const next = starts.slice();
  const order = new Int32Array(labels.length);
  labels.forEach((label, row) => {
    const c = classOf.get(label) as number;
    const at = next[c] as number;
    order[at] = row;
    next[c] = at + 1;
  });
  return { order, starts };
}

/** `count` distinct integers in [0, bound), ascending, uniform among such sets (Floyd's algorithm): no memory but the result's. */
function drawDistinct(count: number, bound: number, random: Random): Iterable<number> {
  if (count >= bound) return Array(bound).keys();
  const drawn = new Set<number>();
  for (let j = bound - count; j < bound; j++) {
    const candidate = random.integer(j + 1);
    drawn.add(drawn.has(candidate) ? j : candidate);
  }
  return [...drawn].sort((a, b) => a - b);
}

/** The place of `row` in its class: rows ascend inside one. */
function placeOf(row: number, order: Int32Array, start: number, end: number): number {
  let [low, high] = [start, end];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((order[middle] as number) < row) low = middle + 1;
    else high = middle;
  }
  return low - start;
}

/** @throws ERR_OUT_OF_MEMORY with the number of pairs beyond `maxTriplets` */
export function drawPairs(labels: Int32Array, wanted: PairsToDraw, random: Random): AnchorPairs {
  const { order, starts } = groupRows(labels);
  const classes = starts.length - 1;
  const sizeOf = (c: number): number => (starts[c + 1] as number) - (starts[c] as number);
  const pairing = Array.from({ length: classes }, (_, c) => c).filter((c) => sizeOf(c) > 1);
  const eligible = pairing.reduce((sum, c) => sum + sizeOf(c), 0);
  const anchors = Math.min(wanted.anchors ?? eligible, eligible);
  const positives = (c: number): number =>
    wanted.positivesPerAnchor === 'all' ? sizeOf(c) - 1 : Math.min(wanted.positivesPerAnchor, sizeOf(c) - 1);
  // Shuffled, so that where the anchors do not divide it is no matter of order which classes have one more.
  if (anchors < eligible) random.shuffle(pairing);
  const counts = shares(pairing.map(sizeOf), anchors);
  const pairs = pairing.reduce((sum, c, i) => sum + (counts[i] as number) * positives(c), 0);
  if (pairs > wanted.maxTriplets) {
    const room = `room for all ${pairs} pairs of anchor and positive (${pairs * 12} bytes)`;
    throw failure('ERR_OUT_OF_MEMORY', 'options.maxTriplets', room, `${wanted.maxTriplets}`);
  }
  const chosen = new Int32Array(anchors);
  const classOf = new Map<number, number>();
  let filled = 0;
  pairing.forEach((c, i) => {
    classOf.set(labels[order[starts[c] as number] as number] as number, c);
    for (const place of drawDistinct(counts[i] as number, sizeOf(c), random))
      chosen[filled++] = order[(starts[c] as number) + place] as number;
  });
  chosen.sort();
  const triplets = allocated('options.maxTriplets', `${pairs} triplets`, () => new Int32Array(3 * pairs));
  let at = 0;
  for (const anchor of chosen) {
    const c = classOf.get(labels[anchor] as number) as number;
    const start = starts[c] as number;
    const own = placeOf(anchor, order, start, starts[c + 1] as number);
    for (const place of drawDistinct(positives(c), sizeOf(c) - 1, random)) {
      triplets[at++] = anchor;
      triplets[at++] = order[start + place + (place >= own ? 1 : 0)] as number;
      triplets[at++] = -1;
    }
  }
  return { triplets, pairs, anchors, withoutPositive: labels.length - eligible, classes };
}
