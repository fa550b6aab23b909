// Drawing batches from labels: random pairs, P×K batches, and the rows themselves.
import {
  checkInteger,
  checkLabels,
  checkMatrix,
  checkMemory,
  checkNumber,
  checkOptions,
  checkRowNumbers,
  checkSeed,
  type Labels,
} from './checks.js';
import { allocated, failure } from './errors.js';
import { outputOf } from './fresh.js';
import type { IndexMatrix, Matrix } from './matrix.js';
import { createRandom, type Random } from './random.js';

/** Rows of every class, classes in the order of first appearance. */
export function rowsByClass(labels: Int32Array): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  labels.forEach((label, row) => {
    const rows = groups.get(label);
    if (rows) rows.push(row);
    else groups.set(label, [row]);
  });
  return groups;
}

/**
 * How many rows each class gives to `wanted` in all, as if they gave one each in turn: small classes are used up first, the others share
 * what is left, and where it does not divide the first ones give one more. Their sum is `wanted`, or all rows there are.
 */
export function shares(sizes: readonly number[], wanted: number): number[] {
  const counts = sizes.map(() => 0);
  let open = sizes.map((_, c) => c);
  for (let left = wanted; left > 0; ) {
    open = open.filter((c) => (counts[c] as number) < (sizes[c] as number));
    if (open.length === 0) break;
    for (const c of open.slice(0, left)) {
      counts[c] = (counts[c] as number) + 1;
      left--;
    }
  }
  return counts;
}

function pick<T>(items: readonly T[], random: Random): T {
  return items[random.integer(items.length)] as T;
}

export interface SamplePairsOptions {
  /** How many pairs, at least 0. */
  readonly count: number;
  /** Share of pairs of one class, in [0, 1], default 0.5; rounded to whole pairs. */
  readonly positiveShare?: number;
  /** Default 0. */
  readonly seed?: number;
}

export interface SampledPairs {
  /** (i, j), i ≠ j, [count, 2], in random order. */
  readonly pairs: IndexMatrix;
  /** 1 where both rows are of one class, [count]. */
  readonly same: Uint8Array;
}

/**
 * Random pairs of rows, which contrastive training starts from. A positive pair starts from a uniform row among those that have a partner,
 * a negative one from a uniform row; the other side is uniform among the rows that fit.
 * @param labels one per row of the data set, compared for equality only
 * @throws ERR_TYPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE when the labels hold no pair of a kind asked for, ERR_OUT_OF_MEMORY
 */
export function samplePairs(labels: Labels, options: SamplePairsOptions): SampledPairs {
  options = checkOptions(options, ['count', 'positiveShare', 'seed']);
  const count = checkInteger('options.count', options.count, 0);
  const share = checkNumber('options.positiveShare', options.positiveShare ?? 0.5, { min: 0, max: 1 });
  const random = createRandom(checkSeed('options.seed', options.seed ?? 0));
  const checked = checkLabels('labels', labels);
  const groups = rowsByClass(checked);
  const partnered = [...groups.values()].filter((rows) => rows.length > 1).flat();
  const positives = Math.round(count * share);
  if (positives > 0 && partnered.length === 0)
    throw failure('ERR_LABEL_RANGE', 'labels', 'a class with two rows for the positive pairs', 'none');
  if (positives < count && groups.size < 2)
    throw failure('ERR_LABEL_RANGE', 'labels', 'two classes for the negative pairs', `${groups.size}`);
  const { data, same } = allocated('options.count', `${count} pairs`, () => ({
    data: new Int32Array(2 * count),
    same: new Uint8Array(count),
  }));
  random.shuffle(same.fill(1, 0, positives));
  // Rows in the order of their classes: partners and strangers of a row are then ranges, drawn without rejection.
  const ordered = Int32Array.from([...groups.values()].flat());
  const placeOf = new Int32Array(ordered.length);
  ordered.forEach((row, place) => (placeOf[row] = place));
  same.forEach((positive, i) => {
    const first = positive ? pick(partnered, random) : random.integer(ordered.length);
    const own = groups.get(checked[first] as number) as number[];
    const start = placeOf[own[0] as number] as number;
    let place: number;
    if (positive) {
      place = start + random.integer(own.length - 1);
      if (place >= (placeOf[first] as number)) place++;
    } else {
      place = random.integer(ordered.length - own.length);
      if (place >= start) place += own.length;
    }
    data[2 * i] = first;
    data[2 * i + 1] = ordered[place] as number;
  });
  return { pairs: { data, shape: [count, 2] }, same };
}

export interface BalancedBatchesOptions {
  /** P: classes in a batch. */
  readonly classes: number;
  /** K: rows of each; P·K is at most 2²⁶. */
  readonly perClass: number;
  /** Default 0. */
  readonly seed?: number;
}

/**
 * Endless P×K batches of row numbers, as online mining needs them: P distinct classes, K rows of each, without repeats where
 * a class has K rows; smaller classes repeat theirs.
 * @throws ERR_TYPE, ERR_OPTION_RANGE when there are fewer than P classes
 */
export function balancedBatches(labels: Labels, options: BalancedBatchesOptions): Generator<Int32Array, never, void> {
  options = checkOptions(options, ['classes', 'perClass', 'seed']);
  const groups = [...rowsByClass(checkLabels('labels', labels)).values()];
  const classes = checkInteger('options.classes', options.classes, 1, groups.length);
  const perClass = checkInteger('options.perClass', options.perClass, 1, Math.max(1, Math.floor(2 ** 26 / classes)));
  return draw(groups, classes, perClass, createRandom(checkSeed('options.seed', options.seed ?? 0)));
}

function* draw(groups: number[][], classes: number, perClass: number, random: Random): Generator<Int32Array, never, void> {
  for (;;) {
    const batch = new Int32Array(classes * perClass);
    chooseFirst(groups, classes, random);
    for (let c = 0; c < classes; c++) {
      const rows = groups[c] as number[];
      if (rows.length >= perClass) chooseFirst(rows, perClass, random);
      for (let k = 0; k < perClass; k++) batch[c * perClass + k] = rows.length >= perClass ? (rows[k] as number) : pick(rows, random);
    }
    yield batch;
  }
}

/** Moves `count` uniformly chosen items to the front, in place: no copy of a large class per batch. */
export function chooseFirst(items: unknown[], count: number, random: Random): void {
  for (let i = 0; i < count; i++) {
    const j = i + random.integer(items.length - i);
    [items[i], items[j]] = [items[j], items[i]];
  }
}

/**
 * The rows of x named by `indices`, in that order, [indices.length, D].
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE for an index outside [0, N), ERR_ALIAS, ERR_OUT_OF_MEMORY
 */
export function takeRows(x: Matrix, indices: ArrayLike<number>, options: { readonly out?: Matrix } = {}): Matrix {
  x = checkMatrix('x', x);
  options = checkOptions(options, ['out']);
  const [n, d] = x.shape;
  const rows = checkRowNumbers('indices', indices, n);
  const out = outputOf(options.out, rows.length, d);
  checkMemory({ 'options.out': out }, { x });
  rows.forEach((row, i) => out.data.set(x.data.subarray(row * d, row * d + d), i * d));
  return options.out ?? out;
}
