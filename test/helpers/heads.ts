// A head's op on the reference in float64 and on the native backend in float32, and how far the two may lie apart: as far as the
// reference moves when its inputs do by what float32 sums over d terms lose. So a tolerance follows the condition of each
// output: the margin's slope, the scale, cancelling sums.
import { expect } from 'vitest';
import { backend } from '../../lib/backend.js';
import type { Margin } from '../../lib/index.js';
import { centersOf } from '../../lib/margins/columns.js';
import type { MarginSoftmaxOp, MarginSoftmaxResult } from '../../lib/ops/softmax.js';
import { marginSoftmax } from '../../lib/reference/margin-softmax.js';
import { normals } from './data.js';
import { bitsOf, expectWithin, roundoff } from './tolerance.js';

type Given = 'bias' | 'classWeights' | 'gradOutput';
type Options = Pick<MarginSoftmaxOp, 'reduction' | 'labelSmoothing'> & { readonly [Name in Given]: Float32Array };

export interface Head extends Partial<Options> {
  readonly n: number;
  readonly d: number;
  readonly classes: number;
  readonly margin: Margin;
  readonly x: Float32Array;
  readonly weights: Float32Array;
  readonly labels: Int32Array;
  /** Rows and elements differ in size, so each is judged by itself alone. */
  readonly uneven?: boolean;
}

export const ignoreIndex = -100;

/** Normal rows, every seventh label ignored. */
export function headOf(n: number, d: number, classes: number, margin: Margin, options: Partial<Head> = {}): Head {
  const labels = Int32Array.from({ length: n }, (_, i) => (i % 7 === 3 ? ignoreIndex : (i * 7919 + 1) % classes));
  const [x, weights] = [normals(n * d, 1), normals(classes * centersOf(margin) * d, 2)].map((values) => Float32Array.from(values));
  return { n, d, classes, margin, x: x as Float32Array, weights: weights as Float32Array, labels, ...options };
}

export const outputNames = ['scalars', 'perExample', 'logits', 'gradX', 'gradWeights', 'gradBias'] as const;
export type OutputName = (typeof outputNames)[number];
export type Outputs<Values> = Record<OutputName, Values>;

function outputsOf(head: Head): Record<Exclude<OutputName, 'scalars'>, number> {
  const { n, d, classes, weights, bias } = head;
  return { perExample: n, logits: n * classes, gradX: n * d, gradWeights: weights.length, gradBias: bias?.length ?? 0 };
}

function collected<Values>(op: MarginSoftmaxOp, { loss, regularizer, state }: MarginSoftmaxResult, scalars: (values: number[]) => Values) {
  const { perExample, logits, gradX, gradWeights, gradBias } = op;
  return { scalars: scalars([loss, regularizer, ...state]), perExample, logits, gradX, gradWeights, gradBias } as Outputs<Values>;
}

/** As float64, each value moved up or down by `size` of itself, plus `noise`. */
function jittered(values: Float32Array, size: number, seed: number, noise = 0): Float64Array {
  const moved = new Float64Array(values.length);
  let state = seed | 1;
  for (let i = 0; i < values.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    const sign = state < 0 ? -1 : 1;
    moved[i] = (values[i] as number) * (1 + sign * size) + sign * noise;
  }
  return moved;
}

/** `noise` moves the logits of each class. */
function onReference(head: Head, size = 0, seed = 0, noise = 0): Outputs<Float64Array> {
  const { x, weights, classes } = head;
  const bias = new Float32Array(classes);
  for (let c = 0; head.bias && c < classes; c++) bias[c] = head.bias[head.bias.length === 1 ? 0 : c] as number;
  const sizes = outputsOf(head);
  const fresh = Object.fromEntries(Object.entries(sizes).map(([name, length]) => [name, new Float64Array(length)]));
  const op = {
    reduction: 'mean',
    labelSmoothing: 0,
    ignoreIndex,
    workspaceBytes: 1,
    ...head,
    x: jittered(x, size, seed),
    weights: jittered(weights, size, seed + 1),
    bias: jittered(bias, size, seed + 2, noise),
    ...fresh,
  } as unknown as MarginSoftmaxOp;
  return collected(op, marginSoftmax(op), (values) => Float64Array.from(values));
}

/** What the native backend makes of it, in outputs full of NaN. */
export function onNative(head: Head, extra: Partial<MarginSoftmaxOp> = {}): Outputs<Float32Array> {
  const fresh = Object.fromEntries(
    Object.entries(outputsOf(head)).map(([name, length]) => [name, new Float32Array(length).fill(Number.NaN)]),
  );
  const none = head.bias ? {} : { gradBias: undefined };
  const base = { reduction: 'mean', labelSmoothing: 0, ignoreIndex, workspaceBytes: 96 * 2 ** 20 };
  const op = { ...base, ...head, ...fresh, ...none, ...extra } as unknown as MarginSoftmaxOp;
  const got = collected(op, backend().marginSoftmax(op), (values) => Float32Array.from(values));
  return { ...got, gradBias: got.gradBias ?? new Float32Array(0) };
}

/** Bits of all outputs after one another. */
export function headBits(outputs: Outputs<Float32Array | undefined>): Uint32Array {
  const all = outputNames.map((name) => bitsOf(outputs[name] ?? new Float32Array(0)));
  const bits = new Uint32Array(all.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of all) {
    bits.set(part, at);
    at += part.length;
  }
  return bits;
}

/** Exponentials below 2⁻¹⁰⁰ are an exact 0, times what a row of x or w may be. */
const flushed = 2 ** -90;

/** The head's outputs on the reference, and a check of others against them. */
export function expectedHead(head: Head): (got: Outputs<Float32Array>, what: string) => void {
  const { d, classes, uneven } = head;
  const expected = onReference(head);
  const size = 2 * (Math.sqrt(d) + 8) * roundoff;
  let largest = 1;
  for (const logit of expected.logits) if (Math.abs(logit) > largest && Math.abs(logit) < Infinity) largest = Math.abs(logit);
  // Moved rows leave a cosine near ±1 and what lies far below the maximum as they are; rounding does not.
  const noise = 0.5 * size * largest;
  const moved = [10, 20, 30, ...(uneven ? [40, 50, 60] : [])].map((seed) => onReference(head, size, seed, noise));
  const lengths: Record<OutputName, number> = {
    scalars: 1,
    perExample: Infinity,
    logits: classes,
    gradX: d,
    gradWeights: d,
    gradBias: Infinity,
  };
  const tolerances = Object.fromEntries(
    outputNames.map((name) => {
      const values = expected[name];
      const group = Math.max(1, Math.min(values.length, uneven && lengths[name] === Infinity ? 1 : lengths[name]));
      const limits = new Float64Array(Math.ceil(values.length / group));
      for (let i = 0; i < values.length; i++) {
        const [at, value] = [Math.floor(i / group), values[i] as number];
        let limit = 16 * roundoff * (Math.abs(value) < Infinity ? Math.abs(value) : 0);
        // Thrice: few draws may all be mild.
        for (const other of moved) limit = Math.max(limit, 3 * Math.abs((other[name][i] as number) - value) || 0);
        if (limit > (limits[at] as number)) limits[at] = limit;
      }
      return [name, (i: number) => (limits[Math.floor(i / group)] as number) + flushed];
    }),
  ) as Record<OutputName, (i: number) => number>;
  return (got, what) => {
    for (const name of outputNames) expectWithin(got[name], expected[name], tolerances[name], `${what}: ${name}`);
  };
}

/** Equality, told by the first difference: arrays of this size are no message. */
function expectEqualBits(got: Uint32Array, expected: Uint32Array, what: string): void {
  expect(got.length, what).toBe(expected.length);
  const at = got.findIndex((bits, i) => bits !== expected[i]);
  expect(at, `${what}: first difference`).toBe(-1);
}

/** The same op with more or less memory and without gradients: the same bits. */
export function expectOtherWays(head: Head, got: Outputs<Float32Array>, what: string): void {
  expectEqualBits(headBits(onNative(head, { workspaceBytes: 0 })), headBits(got), `${what}, no memory between the passes`);
  const without = onNative(head, { logits: undefined, gradX: undefined, gradWeights: undefined, gradBias: undefined });
  for (const name of ['scalars', 'perExample'] as const) {
    expectEqualBits(bitsOf(without[name]), bitsOf(got[name]), `${what}, ${name} without gradients`);
  }
}
