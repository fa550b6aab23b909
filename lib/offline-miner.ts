import { checkInteger, checkLabels, checkMatrix, checkOptions, type Labels } from './checks.js';
import { failure } from './errors.js';
import type { IndexMatrix, Matrix } from './matrix.js';
import { type MineTripletsOptions, mineTriplets } from './mining.js';
import { createRandom, type Random } from './random.js';
import { chooseFirst, rowsByClass } from './sampling.js';

export interface OfflineMinerOptions extends Omit<MineTripletsOptions, 'maxTriplets'> {
  /** One per row of the data set. */
  readonly labels: Labels;
  /** n: select again every n steps, at least 1. */
  readonly every: number;
  /** Rows to embed at each selection, at least 2: spread evenly over the classes. */
  readonly subset: number;
  /** Triplets handed out at most, default 100,000; beyond it a uniform sample of them. */
  readonly maxTriplets?: number;
}

const optionNames = ['labels', 'every', 'subset', 'strategy', 'distance', 'normalize', 'margin', 'seed', 'maxTriplets'];
// The rule itself may select more than is handed out; this bounds what one selection may hold (768 MiB).
const largestSelection = 2 ** 26;

/**
 * Offline selection of triplets (FaceNet §3.2): every n steps embed a subset of the data set with the newest network, select among it,
 * train on the triplets until the next selection. Default strategy `faceNetSemiHard`. Memory: O(subset² + triplets selected),
 * whatever the size of the data set.
 *
 * ```ts
 * if (miner.due(step)) triplets = await miner.refresh((rows) => network(takeRows(data, rows)));
 * ```
 */
export class OfflineMiner {
  readonly #labels: Int32Array;
  readonly #classes: number[][];
  readonly #every: number;
  readonly #subset: number;
  readonly #maxTriplets: number;
  readonly #mining: MineTripletsOptions;
  readonly #random: Random;

  /** @throws ERR_TYPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE */
  constructor(options: OfflineMinerOptions) {
    options = checkOptions(options, optionNames);
    const { labels, every, subset, maxTriplets = 100_000, seed = 0, ...mining } = options;
    this.#labels = checkLabels('options.labels', labels, (labels as ArrayLike<number>).length);
    this.#every = checkInteger('options.every', every, 1);
    this.#subset = checkInteger('options.subset', subset, 2);
    this.#maxTriplets = checkInteger('options.maxTriplets', maxTriplets, 1);
    this.#random = createRandom(checkInteger('options.seed', seed, 0));
    this.#classes = [...rowsByClass(this.#labels).values()];
    this.#mining = { strategy: 'faceNetSemiHard', ...mining };
  }

  /** Whether this training step, counted from 0, starts with a new selection. */
  due(step: number): boolean {
    return checkInteger('step', step, 0) % this.#every === 0;
  }

  /**
   * Embeds a fresh subset and returns its triplets as row numbers of the data set, [T, 3].
   * @param embed gives the embeddings [rows.length, D] of these rows, by the newest network
   * @throws what `mineTriplets` throws; ERR_SHAPE when `embed` returns another number of rows
   */
  async refresh(embed: (rows: Int32Array) => Matrix | Promise<Matrix>): Promise<IndexMatrix> {
    const rows = this.#drawSubset();
    const x = checkMatrix('embed(rows)', await embed(rows));
    if (x.shape[0] !== rows.length) throw failure('ERR_SHAPE', 'embed(rows)', `${rows.length} rows`, `${x.shape[0]}`);
    const labels = rows.map((row) => this.#labels[row] as number);
    const seed = this.#random.integer(2 ** 32);
    const mined = mineTriplets(x, labels, { ...this.#mining, seed, maxTriplets: largestSelection });
    return this.#limit({ data: mined.data.map((i) => rows[i] as number), shape: mined.shape });
  }

  /** Round robin over the shuffled classes, so that every class present has rows to pair. */
  #drawSubset(): Int32Array {
    const wanted = Math.min(this.#subset, this.#labels.length);
    // Two rows of a class at least: a class with one row in the subset yields no positive.
    const classes = Math.max(1, Math.min(this.#classes.length, Math.floor(wanted / 2)));
    chooseFirst(this.#classes, classes, this.#random);
    const perClass = Math.ceil(wanted / classes);
    const rows: number[] = [];
    for (const group of this.#classes.slice(0, classes)) {
      const take = Math.min(perClass, group.length, wanted - rows.length);
      chooseFirst(group, take, this.#random);
      rows.push(...group.slice(0, take));
    }
    return Int32Array.from(rows);
  }

  /** A uniform sample of at most maxTriplets, in the order they had. */
  #limit({ data, shape }: IndexMatrix): IndexMatrix {
    const total = shape[0];
    if (total <= this.#maxTriplets) return { data, shape };
    const out = new Int32Array(3 * this.#maxTriplets);
    let taken = 0;
    for (let t = 0; t < total && taken < this.#maxTriplets; t++) {
      // Selection sampling (Knuth, TAOCP 2, 3.4.2 S): each subset of that size is equally likely.
      if (this.#random.next() * (total - t) < this.#maxTriplets - taken) out.set(data.subarray(3 * t, 3 * t + 3), 3 * taken++);
    }
    return { data: out, shape: [taken, 3] };
  }
}
