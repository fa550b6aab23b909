// `hypersphere check`: what this machine computes natively, at every instruction-set level that it has, against the TypeScript reference.
import { resetServed, servedBy } from '../backend.js';
import { createRandom, info, type Matrix, matrix, type Random, setBackend, setIsa } from '../index.js';
import { floatsOf, type OpInputs, opCases, opInputs } from './op-cases.js';
import { farthest, largest, unitOf } from './op-errors.js';
import { type Serving, servingHere } from './serving.js';

export interface CheckFlags {
  readonly seed: number;
  readonly json?: boolean;
}

export interface Checked {
  readonly op: string;
  /** Instruction set, or `cuda`. */
  readonly level: string;
  /** Largest error of an output, in units in the last place of that output's largest value. */
  readonly ulp: number;
  /** Largest error over its tolerance. */
  readonly ofTolerance: number;
  readonly passed: boolean;
  /** False where the reference served, which then was compared with itself. */
  readonly own: boolean;
}

const shapes: readonly (readonly [rows: number, dim: number, classes: number])[] = [
  [48, 64, 12],
  [37, 19, 9],
  [5, 130, 3],
];

// What the arithmetic may cost is measured, not guessed: the reference with inputs moved by a few units in the last place shows how much the op
// passes on of roundings, so an ill-conditioned output gets the room that it needs and no other one does.
// Roundings inside of an op are no such change where lengths of rows do not matter: a float32 distance of unit rows is a few units in the last place
// off, for all pairs of a row alike, and a loss of what a distance is beyond a margin takes that over.
const nudge = 2 ** -22;
/** Of an output's largest value: four to eight units in its last place. */
const least = 2 ** -21;
const nudges = 3;
const room = 4;

type Outputs = ReturnType<typeof floatsOf>;

function moved({ data, shape }: Matrix, random: Random): Matrix {
  return matrix(
    data.map((value) => value * (1 + (random.integer(2) ? -nudge : nudge))),
    shape[1],
  );
}

interface Expected {
  readonly inputs: OpInputs;
  readonly outputs: Outputs;
  readonly tolerances: ReadonlyMap<string, number>;
}

function expectedOf(run: (inputs: OpInputs) => Outputs, inputs: OpInputs, seed: number): Expected {
  const outputs = run(inputs);
  const tolerances = new Map(Array.from(outputs, ([name, values]) => [name, least * largest(values) + 2 ** -126]));
  const random = createRandom(seed);
  for (let i = 0; i < nudges; i++) {
    const { x, y, weights, labels } = inputs;
    const near = run({ x: moved(x, random), y: moved(y, random), weights: moved(weights, random), labels });
    for (const [name, values] of outputs) {
      const change = room * farthest(near.get(name) as Float32Array, values);
      tolerances.set(name, Math.max(tolerances.get(name) as number, change));
    }
  }
  return { inputs, outputs, tolerances };
}

function compare(op: string, level: string, cases: readonly Expected[], run: (inputs: OpInputs) => Outputs): Checked {
  let [ulp, ofTolerance] = [0, 0];
  resetServed();
  for (const { inputs, outputs, tolerances } of cases) {
    const got = run(inputs);
    for (const [name, values] of outputs) {
      const error = farthest(got.get(name) ?? [], values);
      ulp = Math.max(ulp, error / unitOf(largest(values)));
      ofTolerance = Math.max(ofTolerance, error / (tolerances.get(name) as number));
    }
  }
  return { op, level, ulp, ofTolerance, passed: ofTolerance <= 1, own: !servedBy().includes('ts') };
}

/** Every op at every level of this machine against the reference. */
export function check(seed: number): { readonly checked: Checked[]; readonly missing: Serving['missing'] } {
  const before = info();
  const { serving, missing } = servingHere();
  const checked: Checked[] = [];
  try {
    for (const [op, form] of Object.entries(opCases)) {
      const run = (inputs: OpInputs): Outputs => floatsOf(form(inputs));
      setBackend('ts');
      const cases = shapes.map(([rows, dim, classes], i) => expectedOf(run, opInputs(rows, dim, classes, seed + i), seed + i));
      for (const [level, choose] of serving) {
        choose();
        checked.push(compare(op, level, cases, run));
      }
    }
  } finally {
    setBackend(before.backend);
    if (before.isa) setIsa(before.isa);
  }
  return { checked, missing };
}

function cell({ ulp, ofTolerance, passed, own }: Checked): string {
  if (!own) return 'reference';
  return `${ulp.toFixed(1)} (${ofTolerance.toFixed(2)})${passed ? '' : ' FAILED'}`;
}

function textTable(checked: readonly Checked[]): string {
  const levelNames = [...new Set(checked.map(({ level }) => level))];
  const line = (op: string, cells: readonly string[]): string => `${op.padEnd(36)}${cells.map((text) => text.padStart(16)).join('')}`;
  const ops = [...new Set(checked.map(({ op }) => op))];
  return [
    line('op: ULP (error / tolerance)', levelNames),
    ...ops.map((op) => line(op, checked.filter((found) => found.op === op).map(cell))),
  ].join('\n');
}

/** Exit code 2 where an op leaves its tolerance, 1 where nothing could be compared. */
export function checkCommand({ seed, json }: CheckFlags): void {
  const { checked, missing } = check(seed);
  const compared = checked.filter(({ own }) => own);
  const failed = compared.filter(({ passed }) => !passed);
  if (json) console.log(JSON.stringify({ checked, missing: Object.fromEntries(missing) }));
  else {
    if (checked.length > 0) console.log(textTable(checked));
    for (const [name, reason] of missing) console.log(`not checked: ${name}, ${reason}`);
    console.log(`${compared.length - failed.length} passed, ${failed.length} failed`);
  }
  process.exitCode = failed.length > 0 ? 2 : compared.length === 0 ? 1 : 0;
}
