// The rows of weights that take part in an op, and the optimiser's step on them in place.
import type { MarginSoftmaxOp } from '../ops/softmax.js';
import type { Values } from '../ops/types.js';
import { roundedOne, widenedOne } from './bfloat16.js';

type Stored = Values | Uint16Array;

function readAt(values: Stored, at: number): number {
  return values instanceof Uint16Array ? widenedOne(values[at] as number) : (values[at] as number);
}

function writeAt(values: Stored, at: number, value: number, noise: number | undefined): void {
  values[at] = values instanceof Uint16Array ? roundedOne(value, noise) : value;
}

/** Where row r of this op, of `classes`·`k`, lies among the rows of `weights`. */
function rowIn(rows: Int32Array | undefined, k: number, r: number): number {
  return rows ? (rows[Math.floor(r / k)] as number) * k + (r % k) : r;
}

/** The rows that take part, [classes·k, d], widened where they are bfloat16; the weights themselves where that is all of them. */
export function takenRows({ weights, rows, classes, d }: MarginSoftmaxOp, k: number): Values {
  if (!rows && !(weights instanceof Uint16Array)) return weights;
  const taken = new Float64Array(classes * k * d);
  for (let r = 0; r < classes * k; r++) {
    const from = rowIn(rows, k, r) * d;
    for (let j = 0; j < d; j++) taken[r * d + j] = readAt(weights, from + j);
  }
  return taken;
}

/**
 * A 32-bit integer that looks random, the same for the same seed and index. Only the low 32 bits of either count.
 * Rounding takes its low half for weights and its high half for the optimiser's state.
 */
export function roundingNoise(seed: number, index: number): number {
  return mixed((mixed(seed) + index) | 0) >>> 0;
}

// The finaliser of MurmurHash3: every bit of the input changes every bit of the output with probability near ½.
function mixed(h: number): number {
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Moves the rows that take part by their gradient, [classes·k, d]; all others and their state stay as they are. */
export function updateRows({ weights, rows, classes, d, update }: MarginSoftmaxOp, k: number, gradient: Float64Array): void {
  if (!update) return;
  const { rule, state, seed } = update;
  for (let r = 0; r < classes * k; r++) {
    const to = rowIn(rows, k, r) * d;
    for (let j = 0; j < d; j++) {
      const at = to + j;
      const w = readAt(weights, at);
      const g = (gradient[r * d + j] as number) + rule.weightDecay * w;
      const before = state ? readAt(state, at) : 0;
      const after = rule.kind === 'sgd' ? rule.momentum * before + g : before + g * g;
      const step = rule.kind === 'sgd' ? after : g / (Math.sqrt(after) + rule.eps);
      const noise = seed === undefined ? undefined : roundingNoise(seed, at);
      writeAt(weights, at, w - rule.learningRate * step, noise === undefined ? undefined : noise & 0xffff);
      if (state) writeAt(state, at, after, noise === undefined ? undefined : noise >>> 16);
    }
  }
}
