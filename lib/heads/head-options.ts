// What a head may be asked for: its options, what each may be beside the others, and the settings that follow from them.
import type { Device } from '../backend.js';
import { checkChoice, checkInteger, checkNumber, checkOptions, checkSeed } from '../checks.js';
import type { Collective } from '../collective.js';
import { describe, failure } from '../errors.js';
import { centersOf, columnMargin } from '../margins/columns.js';
import { remake } from '../margins/index.js';
import type { LambdaScheduleOptions } from '../margins/schedule.js';
import type { Margin } from '../margins/types.js';
import { type Precision, precisions } from './class-weights.js';
import { type Optimizer, remakeOptimizer, sgd } from './optimizers.js';

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

export const headOptions = [
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

export function checkCollective(value: unknown): Collective {
  const given = value as Collective | null;
  const methods = ['allReduce', 'allGather', 'reduceScatter'] as const;
  if (typeof given !== 'object' || given === null || !methods.every((name) => typeof given[name] === 'function'))
    throw failure('ERR_TYPE', 'options.collective', 'a Collective, such as attachCollective(…)', describe(value));
  const size = checkInteger('options.collective.size', given.size, 1);
  checkInteger('options.collective.rank', given.rank, 0, size - 1);
  return given;
}
