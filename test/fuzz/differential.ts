// One case of the differential fuzzer: an operation on data made from a seed, at every level of this machine. On plain data the results must be
// the reference's within what their condition allows; on any data the levels with FMA and every number of threads must agree to the bit, and
// nothing but a typed error may be thrown.

import { floatsOf, type OpInputs, opCases } from '../../lib/cli/op-cases.js';
import { farthest, largest } from '../../lib/cli/op-errors.js';
import { servingHere } from '../../lib/cli/serving.js';
import { createRandom, HypersphereError, type Matrix, matrix, type Random, setBackend, setThreads } from '../../lib/index.js';

export const kinds = ['plain', 'duplicates', 'wild'] as const;

export interface FuzzCase {
  readonly op: string;
  readonly rows: number;
  readonly dim: number;
  readonly classes: number;
  readonly kind: (typeof kinds)[number];
  readonly seed: number;
}

const wildValues = [0, -0, 1e-45, 1e-38, -1e-20, 1e19, -1e38, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1, -1];

function filled(count: number, dim: number, kind: FuzzCase['kind'], random: Random): Matrix {
  const data = Float32Array.from({ length: count * dim }, () => random.normal());
  if (kind === 'duplicates') {
    // Some rows are others, and some of those are moved by a last place.
    for (let row = 1; row < count; row++) {
      if (random.integer(2) === 0) continue;
      data.copyWithin(row * dim, 0, dim);
      if (random.integer(2) === 0) data[row * dim] = Math.fround((data[row * dim] as number) * (1 + 2 ** -23));
    }
  }
  if (kind === 'wild')
    for (let i = 0; i < data.length; i++) if (random.integer(8) === 0) data[i] = wildValues[random.integer(wildValues.length)] as number;
  return matrix(data, dim);
}

export function inputsOf({ rows, dim, classes, kind, seed }: FuzzCase): OpInputs {
  const random = createRandom(seed);
  return {
    x: filled(rows, dim, kind, random),
    y: filled(rows, dim, kind, random),
    weights: filled(classes, dim, kind, random),
    labels: Int32Array.from({ length: rows }, () => random.integer(classes)),
  };
}

type Outputs = ReturnType<typeof floatsOf> | string;

/** Results, or the code of a typed error; anything else that is thrown is a finding. */
function outcome(op: string, inputs: OpInputs): Outputs {
  try {
    return floatsOf((opCases[op] as (typeof opCases)[string])(inputs));
  } catch (error) {
    if (error instanceof HypersphereError) return error.code;
    throw error;
  }
}

const nudge = 2 ** -21;
/** What is left where terms of plain data, of size 1, cancel. */
const least = 2 ** -40;

function moved({ data, shape }: Matrix, random: Random): Matrix {
  return matrix(
    data.map((value) => value * (1 + (random.integer(2) ? -nudge : nudge))),
    shape[1],
  );
}

/** What is wrong with `got`, if anything. */
function beyond(got: Outputs, expected: Outputs, near: readonly Outputs[]): string | undefined {
  if (typeof got === 'string' || typeof expected === 'string')
    return got === expected ? undefined : `${describe(got)} instead of ${describe(expected)}`;
  // A triplet at the edge of a rule is in or out by a rounding.
  const [triplets, others] = [got, expected].map((outputs) => outputs.get('numTriplets')?.[0] ?? 0) as [number, number];
  if (triplets !== others && Math.abs(triplets - others) <= 2) return undefined;
  for (const [name, values] of expected) {
    const changes = near.map((other) => (typeof other === 'string' ? 0 : farthest(other.get(name) ?? [], values)));
    // Inside of a loss float32 also loses what a difference of like numbers costs, which moved inputs do not show.
    const allowed = 8 * Math.max(...changes) + 2 ** -16 * largest(values) + least;
    const error = farthest(got.get(name) ?? [], values);
    if (!(error <= allowed)) return `${name} is ${error} off, ${allowed} allowed`;
  }
  return undefined;
}

const describe = (outputs: Outputs): string => (typeof outputs === 'string' ? outputs : 'a result');

function bits(outputs: Outputs): string {
  if (typeof outputs === 'string') return outputs;
  return [...outputs]
    .map(([name, values]) => {
      const copy = values.slice();
      // Every NaN is one value.
      for (let i = 0; i < copy.length; i++) if (Number.isNaN(copy[i])) copy[i] = Number.NaN;
      return `${name}:${Buffer.from(copy.buffer).toString('base64')}`;
    })
    .join(' ');
}

const { serving } = servingHere();
setBackend('ts');
/** Levels that promise the same bits. */
const equal = serving.filter(([name]) => name !== 'baseline');

/** What is wrong, or undefined; the calls made are added up in `count`. */
export function judge(test: FuzzCase, count: { calls: number }): string | undefined {
  const inputs = inputsOf(test);
  const given = bits(floatsOf({ ...inputs }));
  const results = new Map<string, Outputs>();
  for (const [name, choose] of serving) {
    choose();
    for (const threads of [1, 2]) {
      setThreads(threads);
      results.set(`${name} on ${threads} threads`, outcome(test.op, inputs));
      count.calls++;
    }
  }
  if (bits(floatsOf({ ...inputs })) !== given) return 'an input has changed';
  const same = [...results].filter(([name]) => equal.some(([level]) => name.startsWith(`${level} `)));
  const [first] = same;
  for (const [name, result] of same) if (first && bits(result) !== bits(first[1])) return `${name} has other bits than ${first[0]}`;
  // Rows of one number have no direction to turn: their gradients are differences of equal numbers.
  if (test.kind !== 'plain' || test.dim === 1) return undefined;
  setBackend('ts');
  const expected = outcome(test.op, inputs);
  const random = createRandom(test.seed);
  const near = Array.from({ length: 4 }, () => {
    const { x, y, weights, labels } = inputs;
    return outcome(test.op, { x: moved(x, random), y: moved(y, random), weights: moved(weights, random), labels });
  });
  for (const [name, result] of results) {
    const fault = beyond(result, expected, near);
    if (fault !== undefined) return `${name}: ${fault}`;
  }
  return undefined;
}
