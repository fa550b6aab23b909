// What a head is made of, as data: the settings it keeps, and what a step moves.
import { crc32 } from 'node:zlib';
import { checkDevice, type Device } from '../backend.js';
import { checkChoice, checkInteger, checkNumber, checkOptions, checkSeed, checkWorkspace } from '../checks.js';
import type { Collective } from '../collective.js';
import { describe, failure } from '../errors.js';
import { centersOf, columnMargin, movedOn } from '../margins/columns.js';
import { remake } from '../margins/index.js';
import { annealedLambda, type LambdaScheduleOptions } from '../margins/schedule.js';
import type { Margin } from '../margins/types.js';
import { Sfc32 } from '../random.js';
import { initialBias, initialise, newRows, type Precision, precisions, type Rows } from './class-weights.js';
import { type HeadRows, headRows } from './head-rows.js';
import { type Optimizer, remakeOptimizer, sgd } from './optimizers.js';
import { together } from './sharding.js';

export const roundings = ['stochastic', 'nearest'] as const;
/** How an updated bfloat16 weight is rounded. */
export type Rounding = (typeof roundings)[number];

/** The classes [from, to). */
export interface Shard {
  readonly from: number;
  readonly to: number;
}

export interface ClassifierHeadOptions {
  /** C, at least 1: of all shards together. */
  readonly classes: number;
  /** D, at least 1. */
  readonly dim: number;
  /** `arcFace()` or any other; what it carries from batch to batch (AdaFace, CurricularFace) moves on with the steps. */
  readonly margin: Margin;
  /** `sgd()` (default) or `adaGrad()`. */
  readonly optimizer?: Optimizer;
  /** Share of the classes that take part in a step, in (0, 1], default 1: Partial FC (An et al., CVPR 2022). */
  readonly sampleRate?: number;
  /** Of the weights and the optimizer's state, default `float32`; `bfloat16` halves both. */
  readonly precision?: Precision;
  /** With bfloat16: `stochastic` (default, from the seed) keeps in the mean what single updates are too small to show, `nearest` loses it. */
  readonly rounding?: Rounding;
  /** Of the initial weights, the sampled classes and the rounding. Default 0. */
  readonly seed?: number;
  /** With `lSoftmax` and `aSoftmax`: λ of step t = 1, 2, … is `annealedLambda(t, lambdaSchedule)`, as in the authors' Caffe layers. */
  readonly lambdaSchedule?: LambdaScheduleOptions;
  /** Scratch memory of a step, in bytes, default 96 MiB. */
  readonly workspaceBytes?: number;
  /** Classes [from, to) that this head owns; the others are those of the other ranks of `collective`. Default: an even split in rank order. */
  readonly shard?: Shard;
  /** Through which the shards of one head talk. */
  readonly collective?: Collective;
  /**
   * `cuda`: weights and optimizer state stay in the GPU's memory, whichever backend serves. `cpu`: the CPU computes, whichever serves. Default: they are
   * in the head's own memory and the backend of each call computes; on `cuda` they then cross at every call, which also takes heads that the GPU
   * has no room for.
   */
  readonly device?: Device;
}

const optionNames = [
  'classes',
  'dim',
  'margin',
  'optimizer',
  'sampleRate',
  'precision',
  'rounding',
  'seed',
  'lambdaSchedule',
  'workspaceBytes',
  'shard',
  'collective',
  'device',
] as const;

/** What does not change. */
export interface Settings {
  readonly dim: number;
  readonly optimizer: Optimizer;
  readonly sampleRate: number;
  readonly precision: Precision;
  readonly rounding: Rounding;
  readonly seed: number;
  readonly lambdaSchedule: LambdaScheduleOptions | undefined;
}

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

export const mostClasses = 2 ** 31 - 1;

export function checkSettings(options: ClassifierHeadOptions): Settings & { readonly classes: number; readonly margin: Margin } {
  const classes = checkInteger('options.classes', options.classes, 1, mostClasses);
  const dim = checkInteger('options.dim', options.dim, 1);
  const margin = remake(options.margin);
  if (classes * centersOf(margin) > mostClasses)
    throw failure('ERR_OPTION_RANGE', 'options.classes', `at most ${mostClasses} rows of weights`, `${classes} × ${centersOf(margin)}`);
  const optimizer = remakeOptimizer(options.optimizer ?? sgd());
  const sampleRate = checkNumber('options.sampleRate', options.sampleRate ?? 1, { min: 0, max: 1 });
  if (sampleRate === 0) throw failure('ERR_OPTION_RANGE', 'options.sampleRate', 'a number in (0, 1]', '0');
  const precision = checkChoice('options.precision', options.precision ?? 'float32', precisions);
  if (options.rounding !== undefined && precision === 'float32')
    throw failure('ERR_OPTION_RANGE', 'options.rounding', "precision 'bfloat16' beside it", `'${precision}'`);
  const rounding = checkChoice('options.rounding', options.rounding ?? 'stochastic', roundings);
  const seed = checkSeed('options.seed', options.seed ?? 0);
  const lambdaSchedule = options.lambdaSchedule === undefined ? undefined : checkSchedule(options.lambdaSchedule, margin);
  return { classes, dim, margin, optimizer, sampleRate, precision, rounding, seed, lambdaSchedule };
}

function checkSchedule(schedule: LambdaScheduleOptions, margin: Margin): LambdaScheduleOptions {
  const copy = checkOptions(schedule, ['base', 'gamma', 'power', 'lambdaMin'], 'options.lambdaSchedule');
  for (const [name, value] of Object.entries(copy)) checkNumber(`options.lambdaSchedule.${name}`, value, { min: 0 });
  if (margin.kind !== 'lSoftmax' && margin.kind !== 'aSoftmax')
    throw failure('ERR_OPTION_RANGE', 'options.lambdaSchedule', 'a margin with a λ beside it', `'${margin.kind}'`);
  return Object.freeze(copy);
}

/** Those whose other columns, or whose loss, need more of the target than shards exchange. */
const wholeOnly: readonly Margin['kind'][] = ['curricularFace', 'sphereFace2', 'p2sGrad'];

/** Which classes this head owns. Says nothing to the other ranks yet. */
export function checkShard(
  shard: unknown,
  collective: unknown,
  classes: number,
  margin: Margin,
): { readonly shard: Shard; readonly collective: Collective | undefined } {
  const group = collective === undefined ? undefined : checkCollective(collective);
  const rank = group?.rank ?? 0;
  const size = group?.size ?? 1;
  const { kind } = columnMargin(margin);
  if (size > 1 && wholeOnly.includes(kind))
    throw failure('ERR_OPTION_RANGE', 'options.collective', `no shards with the margin '${kind}'`, `${size} of them`);
  if (size > classes) throw failure('ERR_OPTION_RANGE', 'options.classes', `a class for each of ${size} shards`, `${classes}`);
  if (shard === undefined) {
    // The first classes mod size ranks get one more, as in insightface.
    const start = (r: number): number => r * Math.floor(classes / size) + Math.min(r, classes % size);
    return { shard: { from: start(rank), to: start(rank + 1) }, collective: group };
  }
  const given = checkOptions(shard as Shard, ['from', 'to'], 'options.shard');
  const from = checkInteger('options.shard.from', given.from, 0, classes - 1);
  const to = checkInteger('options.shard.to', given.to, from + 1, classes);
  if (group === undefined && (from !== 0 || to !== classes))
    throw failure('ERR_OPTION_RANGE', 'options.shard', 'all classes, or a collective beside it', `[${from}, ${to}) of ${classes}`);
  return { shard: { from, to }, collective: group };
}

function checkCollective(value: unknown): Collective {
  const given = value as Collective | null;
  const methods = ['allReduce', 'allGather', 'reduceScatter'] as const;
  if (typeof given !== 'object' || given === null || !methods.every((name) => typeof given[name] === 'function'))
    throw failure('ERR_TYPE', 'options.collective', 'a Collective, such as attachCollective(…)', describe(value));
  const size = checkInteger('options.collective.size', given.size, 1);
  checkInteger('options.collective.rank', given.rank, 0, size - 1);
  return given;
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
  options = checkOptions(options, optionNames);
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

/** Whether the optimizer keeps a number for every weight. */
export function hasMoments(optimizer: Optimizer): boolean {
  return optimizer.kind === 'adaGrad' || optimizer.momentum > 0;
}
