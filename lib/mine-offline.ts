// Offline mining over data sets that are too large for distances among all rows, or for memory. Pairs of an anchor and a positive are drawn
// from the labels. Then, for as many pairs at a time as the workspace holds, one pass over the embeddings picks up the rows of
// the pairs, and another searches all rows, block by block, for each pair's nearest negatives between two bounds: the positive's
// distance, and the margin beyond it or the k-th best so far. The bounds make later blocks nearly free of candidates, so a search
// by blocks costs what one search costs.
import { drawPairs } from './anchor-pairs.js';
import { backend, tasks } from './backend.js';
import { checkBoolean, checkChoice, checkInteger, checkLabels, checkMemory, checkNumber, checkSeed, type Labels } from './checks.js';
import { type EmbeddingSource, openSource, type RowSource } from './embedding-source.js';
import { allocated, describe, failure } from './errors.js';
import type { IndexMatrix, Matrix } from './matrix.js';
import type { MineTripletsOptions } from './mining.js';
import { type Abortable, settled, splitSignal } from './off-loop.js';
import { compacted, Found, notBelow, PairRows } from './offline-pairs.js';
import { type PairDistance, pairDistances } from './ops/pairs.js';
import { shortest, type Values } from './ops/types.js';
import { createRandom, type Random } from './random.js';

export const offlineStrategies = ['faceNetSemiHard', 'hardest'] as const;
/** `faceNetSemiHard` or `hardest`; `MineTripletsOfflineOptions` says what each selects. */
export type OfflineStrategy = (typeof offlineStrategies)[number];

export interface MiningProgress {
  /** Of the search, in [0, 1], never falling; 1 at the end. */
  readonly fraction: number;
}

export interface MineTripletsOfflineOptions extends Abortable, Pick<MineTripletsOptions, 'normalize' | 'margin' | 'seed' | 'maxTriplets'> {
  /**
   * Of each pair (a, p), which negatives n are admitted. `faceNetSemiHard` (default): d(a,p) < d(a,n) < d(a,p) + margin (Schroff et al. 2015, eq. 4 and
   * §3.2). `hardest`: d(a,n) < d(a,p) + margin, so every n that violates the margin. All rows of the source compete: the semi-hard
   * negatives nearest to the anchor are found however many harder ones there are.
   */
  readonly strategy?: OfflineStrategy;
  /** Default `squaredEuclidean`, as FaceNet has it (`mineTriplets` compares `euclidean`); a similarity s counts as d = −s. */
  readonly distance?: PairDistance;
  /** Anchors, drawn without repeats and spread evenly over the classes of two rows or more; default all rows of those. */
  readonly anchors?: number;
  /** Positives drawn for each anchor, without repeats, default 1; `'all'`, or more than there are, takes the whole class. */
  readonly positivesPerAnchor?: number | 'all';
  /**
   * k, in [1, 1024]: the negative is drawn from the k admitted ones that are nearest to the anchor, ties to the lowest row. Default 16 for
   * `faceNetSemiHard`, where k = 1 takes the hardest of the band, and 1 for `hardest`.
   */
  readonly candidates?: number;
  /** For the pairs that are searched at a time, at least 1, default 256 MiB; at least one pair is, whatever that takes. */
  readonly workspaceBytes?: number;
  /** Called on the event loop as the search goes on, which waits for its promise if it returns one. What it throws or rejects with ends the mining. */
  readonly onProgress?: (progress: MiningProgress) => void | Promise<void>;
}

export interface OfflineTriplets {
  /** (anchor, positive, negative), rows of the source, [T, 3], sorted. */
  readonly triplets: IndexMatrix;
  /** Anchors drawn. */
  readonly anchors: number;
  /** Pairs (anchor, positive) searched: T + withoutNegative. */
  readonly pairs: number;
  /** Rows that cannot be anchors, alone in their class. */
  readonly withoutPositive: number;
  /** Pairs for which no negative is admitted; they give no triplet. */
  readonly withoutNegative: number;
}

const optionNames = [
  'strategy',
  'distance',
  'normalize',
  'margin',
  'seed',
  'maxTriplets',
  'anchors',
  'positivesPerAnchor',
  'candidates',
  'workspaceBytes',
  'onProgress',
] as const;

/** Rows that are searched at a time: 16 MiB, a quarter of a smaller workspace, or one row. */
const blockElements = 2 ** 22;
/** Rows or pairs done on the loop at a time, before others have their turn. */
const sliceElements = 2 ** 19;

function checkSettings(given: MineTripletsOfflineOptions) {
  const { signal, rest: options } = splitSignal(given, optionNames);
  const strategy = checkChoice('options.strategy', options.strategy ?? 'faceNetSemiHard', offlineStrategies);
  const distance = checkChoice('options.distance', options.distance ?? 'squaredEuclidean', pairDistances);
  const { anchors, positivesPerAnchor = 1, onProgress } = options;
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw failure('ERR_TYPE', 'options.onProgress', 'a function', describe(onProgress));
  }
  return {
    signal,
    onProgress,
    semiHard: strategy === 'faceNetSemiHard',
    distance,
    // Cosine similarity compares unit rows by itself.
    normalize: checkBoolean('options.normalize', options.normalize ?? true) && distance !== 'cosineSimilarity',
    margin: checkNumber('options.margin', options.margin ?? 0.2, { min: 0 }),
    random: createRandom(checkSeed('options.seed', options.seed ?? 0)),
    maxTriplets: checkInteger('options.maxTriplets', options.maxTriplets ?? 2 ** 26, 0),
    anchors: anchors === undefined ? undefined : checkInteger('options.anchors', anchors, 0),
    positivesPerAnchor: positivesPerAnchor === 'all' ? 'all' : checkInteger('options.positivesPerAnchor', positivesPerAnchor, 1),
    candidates: checkInteger('options.candidates', options.candidates ?? (strategy === 'hardest' ? 1 : 16), 1, 1024),
    workspaceBytes: checkInteger('options.workspaceBytes', options.workspaceBytes ?? 256 * 2 ** 20, 1),
  } as const;
}

/**
 * Selects triplets (anchor, positive, negative) from millions of embeddings. The search runs off the event loop (on the TypeScript backend in turns of a
 * block of rows each), the drawing of pairs before it on the loop, some 0.3 s a million rows. Of at most 2²⁴ classes. FaceNet's
 * offline selection with all rows as candidates. Equal sources, labels and options give equal triplets, whether the source is a matrix, chunks
 * or a file and whatever the chunks and `workspaceBytes`. A pair with a NaN among its rows gives none. The source must stay as it is until the promise settles.
 *
 * Time: one `nearest` of the pairs against all rows, O(pairs·N·D). Memory: 8 bytes a row for labels and order, 24 a pair of all, a table of the classes,
 * `workspaceBytes` for 8·D + 16·candidates + 40 bytes a pair at a time, 16 MiB of rows, what `nearest` takes (some 50 MiB), and
 * whatever holds the source: a file passes through 4 MiB. Memory of an earlier pass waits for the collector. The source is read twice for every `workspaceBytes` of pairs.
 *
 * @param source embeddings [N, D]
 * @param labels [N], compared for equality only; copied at the call
 * Rejects with ERR_TYPE (also for an iterator that can be read once, or a file of another type), ERR_DETACHED, ERR_SHAPE where rows and labels differ in
 * number (where rows are read: not without any pair) or chunks in columns, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_FORMAT for a file that is no sound `.npy`, ERR_OUT_OF_MEMORY with the number of pairs
 * beyond `maxTriplets` before anything is read, with `signal.reason`, with Node's own errors of the file system for a path, and
 * with what the source or `onProgress` throws, or its promise rejects with.
 */
export async function mineTripletsOffline(
  source: EmbeddingSource,
  labels: Labels,
  options: MineTripletsOfflineOptions = {},
): Promise<OfflineTriplets> {
  const settings = checkSettings(options);
  const { signal, onProgress, random } = settings;
  const own = checkLabels('labels', labels).slice();
  signal?.throwIfAborted();
  const rows = await openSource(source, signal);
  try {
    signal?.throwIfAborted();
    if (rows.rows !== undefined) checkLabels('labels', own, rows.rows);
    const { triplets, pairs, anchors, withoutPositive, classes } = drawPairs(own, settings, random);
    // Without a second class there are no negatives to read for.
    if (classes > 1) {
      const search = new OfflineSearch(rows, own, settings);
      for (let done = 0; done < pairs; ) {
        const count = await search.fill(triplets, done);
        await search.run(async (seen) => onProgress?.({ fraction: (done + (count * seen) / own.length) / pairs }));
        search.choose(triplets, done, random);
        done += count;
      }
    }
    if (pairs === 0 || classes < 2) await onProgress?.({ fraction: 1 });
    signal?.throwIfAborted();
    const kept = compacted(triplets);
    return { triplets: kept, anchors, pairs, withoutPositive, withoutNegative: pairs - kept.shape[0] };
  } finally {
    await rows.close();
  }
}

const later = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

type Settings = ReturnType<typeof checkSettings>;

/** Pairs that are searched together. */
interface Pairs {
  readonly count: number;
  readonly d: number;
  /** Rows of the anchors, unit ones if wanted, [count, d]. */
  readonly x: Float32Array;
  readonly labels: Int32Array;
  readonly beyond: Values | undefined;
  readonly within: Values;
  readonly found: Found;
}

class OfflineSearch {
  readonly #source: RowSource;
  readonly #labels: Int32Array;
  readonly #settings: Settings;
  readonly #backend = backend();
  readonly #nearest = tasks()?.nearest;
  #pairs: Pairs | undefined;

  constructor(source: RowSource, labels: Int32Array, settings: Settings) {
    this.#source = source;
    this.#labels = labels;
    this.#settings = settings;
  }

  /** What the backend computes in: its own distances must compare as it has them. */
  #values(length: number): Values {
    return this.#nearest ? new Float32Array(length) : new Float64Array(length);
  }

  /** Every piece with the row it begins with; there must be as many rows as labels. */
  async *#pieces(): AsyncGenerator<{ readonly start: number; readonly piece: Matrix }, void, void> {
    const n = this.#labels.length;
    const wrong = (rows: string) => failure('ERR_SHAPE', 'source', `${n} rows in every pass, one for each label`, rows);
    let start = 0;
    for await (const piece of this.#source.pieces()) {
      this.#settings.signal?.throwIfAborted();
      if (start + piece.shape[0] > n) throw wrong('more');
      yield { start, piece };
      start += piece.shape[0];
    }
    if (start < n) throw wrong(`${start}`);
  }

  /** The first pass: takes as many pairs from `first` on as there is room for, and sets their bounds. Returns their number. */
  async fill(triplets: Int32Array, first: number): Promise<number> {
    const { distance, candidates: k, semiHard, workspaceBytes, normalize } = this.#settings;
    let taken: PairRows | undefined;
    for await (const { start, piece } of this.#pieces()) {
      const d = piece.shape[1];
      const room = Math.max(Math.floor(workspaceBytes / (8 * d + 16 * k + 40)), 1);
      const some = triplets.subarray(3 * first, 3 * (first + room));
      taken ??= allocated('options.workspaceBytes', `rows of ${some.length / 3} pairs`, () => new PairRows(some, d));
      taken.take(piece, start);
    }
    const rows = taken as PairRows;
    const { count, d, anchors, positives } = rows;
    if (normalize) for (const x of [anchors, positives]) await this.#toUnit(x, d);
    const apart = this.#values(count);
    const perTurn = Math.max(Math.floor(sliceElements / (d * 16)), 1);
    for (let i = 0; i < count; i++) {
      if (i % perTurn === 0) await this.#turn();
      const pair = { x: anchors.subarray(i * d, i * d + d), y: positives.subarray(i * d, i * d + d) };
      this.#backend.distances({ ...pair, n: 1, m: 1, d, metric: distance, out: apart.subarray(i, i + 1) });
    }
    const within = this.#limits(apart);
    const found = new Found(k, distance === 'cosineSimilarity', within, this.#values(count * k));
    const labels = Int32Array.from({ length: count }, (_, i) => this.#labels[rows.anchor(i)] as number);
    this.#pairs = { count, d, x: anchors, labels, beyond: semiHard ? apart : undefined, within, found };
    return count;
  }

  /** What lies the margin beyond each positive, in the backend's precision; before everything where a distance is NaN. */
  #limits(apart: Values): Values {
    const { distance, margin } = this.#settings;
    const sign = distance === 'cosineSimilarity' ? -1 : 1;
    const most = 3.4028234663852886e38;
    const limits = this.#values(apart.length);
    apart.forEach((value, i) => {
      const limit = sign * value + margin;
      const rounded = limits instanceof Float32Array ? notBelow(limit) : limit;
      limits[i] = sign * (Number.isNaN(limit) ? -most : rounded);
    });
    return limits;
  }

  /** The second pass: every row against the pairs, in blocks of one size whatever the pieces. */
  async run(onRows: (seen: number) => Promise<void>): Promise<void> {
    const pairs = this.#pairs as Pairs;
    const { candidates: k, normalize, workspaceBytes } = this.#settings;
    const { count, d, x, labels, beyond, within, found } = pairs;
    const most = Math.min(Math.max(Math.floor(Math.min(blockElements, workspaceBytes / 16) / d), 1), this.#labels.length);
    const block = new Float32Array(most * d);
    const [indices, distances] = [new Int32Array(count * k), this.#values(count * k)];
    let [first, filled] = [0, 0];
    const search = async (): Promise<void> => {
      const gallery = block.subarray(0, filled * d);
      const op = {
        ...{ x, gallery, n: count, m: filled, d, k, labels, beyond, within, indices, distances },
        metric: this.#settings.distance,
        excludeSelf: false,
        filter: 'different' as const,
        galleryLabels: this.#labels.subarray(first, first + filled),
      };
      const start = this.#nearest;
      await settled(start && (() => start(op)), () => this.#backend.nearest(op), this.#settings.signal);
      found.add(first, indices, distances);
      first += filled;
      filled = 0;
      await onRows(first);
    };
    const perTurn = Math.max(Math.floor(sliceElements / d), 1);
    for await (const { piece } of this.#pieces()) {
      for (let row = 0; row < piece.shape[0]; ) {
        // Where the piece is the caller's memory, it may be gone since the last turn.
        checkMemory({}, { source: piece });
        const rows = Math.min(most - filled, piece.shape[0] - row, perTurn);
        const given = piece.data.subarray(row * d, (row + rows) * d);
        const out = block.subarray(filled * d, (filled + rows) * d);
        if (normalize) this.#backend.normalize({ x: given, n: rows, d, eps: shortest, out });
        else out.set(given);
        row += rows;
        filled += rows;
        if (filled === most) await search();
        else await this.#turn();
      }
    }
    if (filled > 0) await search();
  }

  /** One of what each pair has found, where it has found any. */
  choose(triplets: Int32Array, first: number, random: Random): void {
    const { count, found } = this.#pairs as Pairs;
    for (let i = 0; i < count; i++) triplets[3 * (first + i) + 2] = found.choose(i, random.integer);
    this.#pairs = undefined;
  }

  async #turn(): Promise<void> {
    await later();
    this.#settings.signal?.throwIfAborted();
  }

  /** Unit rows in place, through a slice beside: an op never writes where it reads. */
  async #toUnit(x: Float32Array, d: number): Promise<void> {
    const most = Math.max(Math.floor(sliceElements / d), 1) * d;
    const slice = new Float32Array(Math.min(most, x.length));
    for (let at = 0; at < x.length; at += most) {
      if (at > 0) await this.#turn();
      const rows = x.subarray(at, at + most);
      const out = slice.subarray(0, rows.length);
      this.#backend.normalize({ x: rows, n: rows.length / d, d, eps: shortest, out });
      rows.set(out);
    }
  }
}
