// One pass of a head over a batch: which classes take part, the backend's op, and, in shards, what goes between its two phases.
import { releaseHeld } from '../backend.js';
import { checkLabels, checkMatrix, type Labels } from '../checks.js';
import type { Collective } from '../collective.js';
import type { Margin } from '../margins/types.js';
import type { Matrix } from '../matrix.js';
import type { ResidentHeadOp } from '../ops/resident.js';
import type { Exchange, MarginSoftmaxResult } from '../ops/softmax.js';
import { ignored, localLabels, type Participants, participantsOf } from './head-labels.js';
import type { HeadPass } from './head-rows.js';
import type { HeadState } from './head-state.js';
import type { Optimizer } from './optimizers.js';
import { sampleClasses } from './sampled-classes.js';
import { foldStatistics, type GatheredBatch, gatherBatch, type LocalBatch, scatterGradient, together } from './sharding.js';

/** x [B, D] and its labels, checked. */
export function checkBatch(state: HeadState, x: Matrix, labels: Labels): LocalBatch & { readonly matrix: Matrix } {
  const matrix = checkMatrix('x', x, state.settings.dim);
  const n = matrix.shape[0];
  const checked = checkLabels('labels', labels, n, { classes: state.classes, ignoreIndex: ignored });
  return { matrix, x: matrix.data, labels: checked, n };
}

/** What the pass leaves behind besides the result. */
export interface Pass {
  readonly margin: Margin;
  readonly run: HeadPass;
  readonly sample: boolean;
  readonly gradWeights?: Float32Array;
  readonly gradBias?: Float32Array | undefined;
  readonly update?: NonNullable<ResidentHeadOp['update']>;
}

export interface Passed extends MarginSoftmaxResult {
  readonly perExample: Float32Array;
  /** Classes that took part, of all shards. */
  readonly classes: number;
}

/** Checks by `prepare`, which every rank survives or none, then the pass; the gradient of the own rows goes to `gradX`. */
export function runPass(state: HeadState, prepare: () => LocalBatch & { readonly gradX: Float32Array }, passOf: () => Pass): Passed {
  const collective = state.group;
  if (collective === undefined) {
    const batch = prepare();
    return runWhole(state, batch, batch.gradX, passOf());
  }
  let gradX: Float32Array | undefined;
  const batch = gatherBatch(collective, state.settings.dim, () => {
    const prepared = prepare();
    gradX = prepared.gradX;
    return prepared;
  });
  try {
    return runSharded(state, collective, batch, gradX as Float32Array, passOf);
  } catch (error) {
    releaseHeld();
    throw error;
  }
}

/** The classes of this step. */
function participants(state: HeadState, labels: Int32Array, sample: boolean): Participants {
  const { classes, shard, steps } = state;
  const { sampleRate, seed } = state.settings;
  const count = Math.max(1, Math.round(sampleRate * classes));
  const chosen = sample && count < classes ? sampleClasses(labels, classes, count, seed, steps) : undefined;
  // All of them in order are no sample.
  return participantsOf(chosen?.length === classes ? undefined : chosen, shard, classes);
}

function opOf(state: HeadState, batch: LocalBatch, who: Participants, pass: Pass, perExample: Float32Array): ResidentHeadOp {
  const { shard, bias, workspaceBytes, settings } = state;
  const { margin } = pass;
  const whole = who.rows === undefined && state.group === undefined;
  return {
    x: batch.x,
    rows: who.rows,
    bias,
    labels: whole ? batch.labels : localLabels(batch.labels, shard, who.rows),
    n: batch.n,
    classes: who.classes,
    d: settings.dim,
    margin,
    workspaceBytes,
    reduction: 'mean',
    labelSmoothing: 0,
    ignoreIndex: ignored,
    perExample,
  };
}

function runWhole(state: HeadState, batch: LocalBatch, gradX: Float32Array, pass: Pass): Passed {
  const who = participants(state, batch.labels, pass.sample);
  const perExample = new Float32Array(batch.n);
  const { gradWeights, gradBias, update } = pass;
  const result = pass.run({ ...opOf(state, batch, who, pass, perExample), gradX, gradWeights, gradBias, update });
  return { ...result, perExample, classes: who.allClasses };
}

function runSharded(state: HeadState, collective: Collective, batch: GatheredBatch, own: Float32Array, passOf: () => Pass): Passed {
  const { dim } = state.settings;
  // Whatever a rank cannot do shows before the first of them moves its weights.
  const [prepared] = together(collective, () => {
    const pass = passOf();
    const who = participants(state, batch.labels, pass.sample);
    const perExample = new Float32Array(batch.n);
    const op = opOf(state, batch, who, pass, perExample);
    const exchange: Exchange = { phase: 'forward', statistics: new Float64Array(4 * batch.n), allClasses: who.allClasses };
    const { gradWeights, update } = pass;
    // What the second phase writes is named in the first, whose device takes memory for both: it writes statistics alone.
    const wanted = { ...op, gradX: new Float32Array(batch.n * dim), gradWeights, update };
    pass.run({ ...wanted, exchange });
    return { pass, who, perExample, wanted, exchange };
  });
  const { pass, who, perExample, wanted, exchange } = prepared;
  foldStatistics(collective, exchange.statistics);
  const result = pass.run({ ...wanted, exchange: { ...exchange, phase: 'backward' } });
  own.set(scatterGradient(collective, wanted.gradX, batch.counts, dim));
  const end = batch.first + (batch.counts[collective.rank] as number);
  return { ...result, perExample: perExample.slice(batch.first, end), classes: who.allClasses };
}

/** The optimizer as the backend applies it. */
export function updateOf(state: HeadState, learningRate: number | undefined): NonNullable<ResidentHeadOp['update']> {
  const { optimizer } = state.settings;
  const rule = { ...optimizer, learningRate: learningRate ?? optimizer.learningRate };
  return { rule, seed: state.roundingSeed() };
}

/** The one bias moves here: the same rules on one number. */
export function updateBias(bias: Float32Array, moments: Float32Array | undefined, gradient: number, rule: Optimizer): void {
  const value = bias[0] as number;
  const g = gradient + rule.weightDecay * value;
  const before = moments?.[0] ?? 0;
  const moment = rule.kind === 'sgd' ? rule.momentum * before + g : before + g * g;
  const direction = rule.kind === 'sgd' ? moment : g / (Math.sqrt(moment) + rule.eps);
  bias[0] = value - rule.learningRate * direction;
  if (moments) moments[0] = moment;
}
