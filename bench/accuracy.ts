// npm run accuracy: how far every operation is from the float64 reference, at every level of this machine, on four kinds of data, beside the same
// formulas in plain float32 loops. Writes docs/accuracy.md.
import { writeFileSync } from 'node:fs';
import { resetServed, servedBy } from '../lib/backend.js';
import { floatsOf, type OpInputs, opCases, opInputs } from '../lib/cli/op-cases.js';
import { farthest, largest, unitOf } from '../lib/cli/op-errors.js';
import { servingHere } from '../lib/cli/serving.js';
import { createRandom, info, type Matrix, matrix, setBackend, setIsa } from '../lib/index.js';
import { plain } from './plain.js';

const [rows, dim, classes] = [64, 128, 16];

const scaled = ({ data, shape }: Matrix, factor: number): Matrix =>
  matrix(
    data.map((value) => value * factor),
    shape[1],
  );

/** Every row a class weight and 10⁻⁴ of noise: its partner and the rows of its class are near duplicates. */
function nearDuplicates({ weights, labels }: OpInputs): OpInputs {
  const random = createRandom(9);
  const near = (): Matrix =>
    matrix(
      Float32Array.from({ length: rows * dim }, (_, at) => {
        const value = weights.data[(labels[Math.floor(at / dim)] as number) * dim + (at % dim)] as number;
        return value + 1e-4 * random.normal();
      }),
      dim,
    );
  return { x: near(), y: near(), weights, labels };
}

function scaledInputs({ x, y, weights, labels }: OpInputs, factor: number): OpInputs {
  return { x: scaled(x, factor), y: scaled(y, factor), weights: scaled(weights, factor), labels };
}

const random = opInputs(rows, dim, classes, 1);
const kinds: readonly (readonly [title: string, what: string, inputs: OpInputs])[] = [
  ['Random', 'Standard normal rows.', random],
  ['Large norms', 'The same times 1000.', scaledInputs(random, 1000)],
  ['Tiny norms', 'The same times 0.001.', scaledInputs(random, 1e-3)],
  ['Near duplicates', 'Every row lies within 10⁻⁴ of the weight of its class.', nearDuplicates(random)],
];

/** Largest error over all outputs, in units in the last place of the output's largest value, and relative to that value. */
interface Deviation {
  readonly ulp: number;
  readonly relative: number;
}
type Outputs = ReturnType<typeof floatsOf>;

function deviation(got: Outputs, expected: Outputs): Deviation {
  let [ulp, relative] = [0, 0];
  for (const [name, values] of expected) {
    const other = got.get(name);
    if (!other) continue;
    const [error, most] = [farthest(other, values), largest(values)];
    ulp = Math.max(ulp, error / unitOf(most));
    if (error > 0) relative = Math.max(relative, error / most);
  }
  return { ulp, relative };
}

const cell = ({ ulp, relative }: Deviation): string => {
  if (!Number.isFinite(ulp)) return 'not finite';
  return ulp === 0 ? '0' : `${ulp < 1000 ? ulp.toFixed(1) : ulp.toExponential(0)} (${relative.toExponential(0)})`;
};

function tableOf(inputs: OpInputs, levels: ReturnType<typeof servingHere>['serving']): string[] {
  const lines = [
    `| operation | ${levels.map(([name]) => name).join(' | ')} | one output | plain loops |`,
    `|---|${'---|'.repeat(levels.length + 2)}`,
  ];
  for (const [op, run] of Object.entries(opCases)) {
    setBackend('ts');
    const expected = floatsOf(run(inputs));
    const loops = plain[op];
    const only = (found: Outputs): Outputs => new Map([...found].filter(([name]) => name === loops?.[0]));
    let ours = '-';
    const native = levels.map(([, choose]) => {
      choose();
      resetServed();
      const found = floatsOf(run(inputs));
      if (servedBy().includes('ts')) return 'the reference';
      // The first level is this machine's own.
      if (loops && ours === '-') ours = cell(deviation(only(found), expected));
      return cell(deviation(found, expected));
    });
    const theirs = loops ? cell(deviation(floatsOf({ [loops[0]]: loops[1](inputs) }), expected)) : '-';
    lines.push(`| \`${op}\` | ${native.join(' | ')} | ${ours} | ${theirs} |`);
  }
  return lines;
}

const before = info();
const { serving, missing } = servingHere();
const text = [
  '# Accuracy',
  '',
  'Written by `npm run accuracy`. Errors against the TypeScript reference, which accumulates in float64: the largest over all outputs of an operation (loss, losses of rows,',
  "every gradient), in units in the last place of that output's largest value and, in brackets, relative to it. The last two columns are of one output alone (the loss, or",
  'what the operation is named for): natively, and in plain float32 loops as the formula is usually written down.',
  '',
  'A cosine of float32 is right to about ε = 2⁻²⁴ (6e-8). What divides it by a temperature T, or multiplies it by a scale 1/T, has exponents right to ε/T: where rows are alike, so that their',
  'differences are small beside that, losses are off by up to some ε/T and gradients by that share of their size, at T = 10⁻³ by 6e-5. No order of the sums helps; the TypeScript backend has float64.',
  '',
  `${rows} rows of ${dim} numbers, ${classes} classes. ${serving.map(([name]) => name).join(', ')}${missing.length > 0 ? `; not here: ${missing.map(([name]) => name).join(', ')}` : ''}.`,
  ...kinds.flatMap(([title, what, inputs]) => ['', `## ${title}`, '', what, '', ...tableOf(inputs, serving)]),
  '',
];
setBackend(before.backend);
if (before.isa) setIsa(before.isa);
writeFileSync('docs/accuracy.md', text.join('\n'));
console.log(`docs/accuracy.md: ${Object.keys(opCases).length} operations, ${kinds.length} kinds of data, ${serving.length} levels`);
