// What a head is made of, as data: the settings it keeps, and what a step moves.
import { crc32 } from 'node:zlib';
import { checkDevice } from '../backend.js';
import { checkOptions, checkWorkspace } from '../checks.js';
import type { Collective } from '../collective.js';
import { failure } from '../errors.js';
import { centersOf, movedOn } from '../margins/columns.js';
import { annealedLambda } from '../margins/schedule.js';
import type { Margin } from '../margins/types.js';
import { Sfc32 } from '../random.js';
import { initialBias, initialise, newRows, type Rows } from './class-weights.js';
import {
  type ClassifierHeadOptions,
  checkCollective,
  checkSettings,
  checkShard,
  headOptions,
  type Settings,
  type Shard,
} from './head-options.js';
import { type HeadRows, headRows } from './head-rows.js';
import { hasMoments } from './optimizers.js';
import { together } from './sharding.js';

/** What steps and growth change. The rows are [(to − from)·centers, D], the optimizer's beside them. */
export class HeadState {
  constructor(
    readonly settings: Settings,
    readonly workspaceBytes: number,
    readonly collective: Collective | undefined,
    public classes: number,
    public shard: Shard,
    public margin: Margin,
    public steps: number,
    public rows: HeadRows,
    /** SphereFace2's, and its optimizer state. */
    readonly bias: Float32Array | undefined,
    readonly biasMoments: Float32Array | undefined,
  ) {}

  get centers(): number {
    return centersOf(this.margin);
  }

  /** The ranks between which a pass is divided: one that has all classes makes it whole, as a head without a collective does. */
  get group(): Collective | undefined {
    return this.collective?.size === 1 ? undefined : this.collective;
  }

  /** What callers can reach, and so could have transferred. */
  get memory(): { readonly 'head.weights': Rows | undefined; readonly 'head.bias': Float32Array | undefined } {
    return { 'head.weights': this.rows.lent, 'head.bias': this.bias };
  }

  /** The margin of the next step. */
  nextMargin(): Margin {
    const { lambdaSchedule } = this.settings;
    if (lambdaSchedule === undefined) return this.margin;
    return Object.freeze({ ...this.margin, lambda: annealedLambda(this.steps + 1, lambdaSchedule) } as Margin);
  }

  /** What the next step rounds with: other numbers for every step and every shard. */
  roundingSeed(): number | undefined {
    const { precision, rounding, seed } = this.settings;
    if (precision === 'float32' || rounding === 'nearest') return undefined;
    return new Sfc32(seed, this.steps >>> 0, Math.floor(this.steps / 2 ** 32), this.shard.from + 1).bits();
  }

  /** After a step, with what the margin carries to the next batch. */
  advance(carried: readonly [number, number]): void {
    this.steps++;
    this.margin = movedOn(this.margin, carried) ?? this.margin;
  }

  /** Allocates for `classes` in all, of which the shard at the end gets the new ones; what it returns puts them in place and cannot fail. */
  grown(classes: number): () => void {
    const { from, to } = this.shard;
    const last = to === this.classes;
    let { rows, shard } = this;
    if (last && classes > to) {
      const { dim, precision, seed } = this.settings;
      const enlarged = (old: Rows): Rows => {
        const more = newRows(precision, (classes - from) * this.centers, dim);
        more.set(old);
        return more;
      };
      const old = rows.current();
      const [moments, weights] = [old.moments && enlarged(old.moments), enlarged(old.weights)];
      initialise(weights.subarray(old.weights.length), dim, this.centers, to, this.margin, seed);
      rows = rows.replaced({ weights, moments });
      shard = { from, to: classes };
    }
    return () => {
      if (rows !== this.rows) this.rows.dispose();
      Object.assign(this, { rows, shard, classes });
    };
  }
}

/** All ranks compare what they are: the shards tile the classes, and what must be equal is. Every rank throws, or none. */
export function checkGroup(state: HeadState): void {
  const { collective, classes, shard, settings } = state;
  if (collective === undefined) return;
  const rest = crc32(JSON.stringify([state.margin, settings]));
  const common = [classes, settings.dim, settings.seed, settings.sampleRate, state.steps, rest];
  const mine = Float64Array.of(...common, shard.from, shard.to);
  const all = collective.allGather(mine);
  let end = 0;
  for (let rank = 0; rank < collective.size; rank++) {
    const theirs = all.subarray(rank * mine.length, (rank + 1) * mine.length);
    const [from, to] = theirs.subarray(common.length) as unknown as [number, number];
    if (common.some((value, i) => value !== theirs[i]))
      throw failure(
        'ERR_OPTION_RANGE',
        'options.collective',
        'classes, margin, step and every setting equal on all ranks',
        `rank ${rank} apart`,
      );
    if (from !== end) throw failure('ERR_OPTION_RANGE', 'options.shard', `rank ${rank} to start at ${end}`, `${from}`);
    end = to;
  }
  if (end !== classes) throw failure('ERR_OPTION_RANGE', 'options.shard', `the last rank to end at ${classes}`, `${end}`);
}

/** A head that has not learnt anything yet. */
export function createState(options: ClassifierHeadOptions): HeadState {
  // Read before all else: from here on no rank may fail alone.
  const given: unknown = (options as ClassifierHeadOptions | null | undefined)?.collective;
  if (given === undefined) return freshState(options, undefined);
  const collective = checkCollective(given);
  const [state] = together(collective, () => freshState(options, collective));
  checkGroup(state);
  return state;
}

function freshState(options: ClassifierHeadOptions, group: Collective | undefined): HeadState {
  options = checkOptions(options, headOptions);
  const { classes, margin, ...settings } = checkSettings(options);
  const workspaceBytes = checkWorkspace(options.workspaceBytes);
  const { shard, collective } = checkShard(options.shard, group, classes, margin);
  const { dim, optimizer, precision, seed } = settings;
  const rows = (shard.to - shard.from) * centersOf(margin);
  const weights = newRows(precision, rows, dim);
  initialise(weights, dim, centersOf(margin), shard.from, margin, seed);
  const moments = hasMoments(optimizer) ? newRows(precision, rows, dim) : undefined;
  const bias = margin.kind === 'sphereFace2' ? Float32Array.of(initialBias(margin, classes)) : undefined;
  const biasMoments = bias && hasMoments(optimizer) ? new Float32Array(1) : undefined;
  const placed = headRows(checkDevice(options.device), { weights, moments }, dim);
  return new HeadState(settings, workspaceBytes, collective, classes, shard, margin, 0, placed, bias, biasMoments);
}
