import { checkInteger, checkLabels, checkMatrix, checkOptions, checkSeed, type Labels } from './checks.js';
import { describe, failure, HypersphereError } from './errors.js';
import type { IndexMatrix, Matrix } from './matrix.js';
import { checkMiningRule, type MineTripletsOptions, mineTriplets } from './mining.js';
import { createRandom, type Random, Sfc32 } from './random.js';
import { chooseFirst, rowsByClass, shares } from './sampling.js';
import { selectionSampler } from './subsample.js';

export interface OfflineMinerOptions extends Omit<MineTripletsOptions, 'subsample' | 'maxTriplets'> {
  /** One per row of the data set. */
  readonly labels: Labels;
  /** n: select again every n steps, at least 1. */
  readonly every: number;
  /** Rows to embed at each selection, at least 2: spread evenly over as many classes as can have two rows each. */
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
  readonly #rule: ReturnType<typeof checkMiningRule>;
  readonly #random: Random;

  /** @throws ERR_TYPE, ERR_SHAPE without any label, ERR_OPTION_RANGE, ERR_LABEL_RANGE */
  constructor(options: OfflineMinerOptions) {
    options = checkOptions(options, optionNames);
    this.#every = checkInteger('options.every', options.every, 1);
    this.#subset = checkInteger('options.subset', options.subset, 2);
    this.#maxTriplets = checkInteger('options.maxTriplets', options.maxTriplets ?? 100_000, 1);
    this.#rule = checkMiningRule({ ...options, strategy: options.strategy ?? 'faceNetSemiHard' });
    this.#random = createRandom(checkSeed('options.seed', options.seed ?? 0));
    // A copy: the miner outlives the call, and the caller's array may change.
    this.#labels = checkLabels('options.labels', options.labels).slice();
    if (this.#labels.length === 0) throw failure('ERR_SHAPE', 'options.labels', 'at least one row', 'none');
    this.#classes = [...rowsByClass(this.#labels).values()];
  }

  /** Whether this training step, counted from 0, starts with a new selection. */
  due(step: number): boolean {
    return checkInteger('step', step, 0) % this.#every === 0;
  }

  /**
   * Embeds a fresh subset and returns its triplets as row numbers of the data set, [T, 3].
   * @param embed gives the embeddings [rows.length, D] of these rows, by the newest network
   * @throws ERR_TYPE, ERR_SHAPE when `embed` returns another number of rows, ERR_OUT_OF_MEMORY when the rule selects more than 2²⁶ triplets
   */
  async refresh(embed: (rows: Int32Array) => Matrix | Promise<Matrix>): Promise<IndexMatrix> {
    if (typeof embed !== 'function') throw failure('ERR_TYPE', 'embed', 'a function', describe(embed));
    const rows = this.#drawSubset();
    const x = checkMatrix('embed(rows)', await embed(rows));
    if (x.shape[0] !== rows.length) throw failure('ERR_SHAPE', 'embed(rows)', `${rows.length} rows`, `${x.shape[0]}`);
    const labels = rows.map((row) => this.#labels[row] as number);
    const mined = this.#select(x, labels);
    return this.#limit({ data: mined.data.map((i) => rows[i] as number), shape: mined.shape });
  }

  #select(x: Matrix, labels: Int32Array): IndexMatrix {
    const seed = this.#random.integer(2 ** 32);
    try {
      return mineTriplets(x, labels, { ...this.#rule, seed, maxTriplets: largestSelection });
    } catch (error) {
      if (!(error instanceof HypersphereError && error.code === 'ERR_OUT_OF_MEMORY')) throw error;
      // The bound that was passed is ours; what the caller can change is the subset.
      const room = `a subset in which '${this.#rule.strategy}' selects at most ${largestSelection} triplets`;
      throw failure('ERR_OUT_OF_MEMORY', 'options.subset', room, `${labels.length} rows with more`);
    }
  }

  /**
   * Round robin over shuffled classes, one row of each in turn, until there are enough. A class of two rows or more gets two at least, so
   * that it can pair: classes are let in only while there is room for that, two of them in any case, for the negatives' sake.
   */
  #drawSubset(): Int32Array {
    const wanted = Math.min(this.#subset, this.#labels.length);
    chooseFirst(this.#classes, this.#classes.length, this.#random);
    let [needed, admitted] = [0, 0];
    for (const group of this.#classes) {
      needed += Math.min(2, group.length);
      if (needed > wanted && admitted >= 2) break;
      admitted++;
    }
    const present = this.#classes.slice(0, admitted);
    const counts = shares(
      present.map((group) => group.length),
      wanted,
    );
    return Int32Array.from(
      present.flatMap((group, c) => {
        const count = counts[c] as number;
        chooseFirst(group, count, this.#random);
        return group.slice(0, count);
      }),
    );
  }

  /** A uniform sample of at most maxTriplets, in the order they had. */
  #limit({ data, shape }: IndexMatrix): IndexMatrix {
    const total = shape[0];
    if (total <= this.#maxTriplets) return { data, shape };
    const out = new Int32Array(3 * this.#maxTriplets);
    const keep = selectionSampler(total, this.#maxTriplets, new Sfc32(this.#random.integer(2 ** 32)));
    let taken = 0;
    for (let t = 0; t < total; t++) if (keep()) out.set(data.subarray(3 * t, 3 * t + 3), 3 * taken++);
    return { data: out, shape: [taken, 3] };
  }
}
