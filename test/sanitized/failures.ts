// Every allocation that the addon makes in a call fails once: the glue's own, those of the core beneath it, on the loop's thread, libuv's and the
// pool's. Then every call of Node-API. For a build of the addon with -Dfailing_allocations=1 (scripts/sanitize.mjs). The call answers as ever, or
// with an error, ERR_OUT_OF_MEMORY for memory, and nothing written; the next one answers as ever.
import { createRequire } from 'node:module';
import { opCases, opInputs } from '../../lib/cli/op-cases.js';
import * as hs from '../../lib/index.js';
import * as off from '../../lib/promises.js';
import { numbersOf } from '../helpers/entries.js';
import { soakCases } from '../long/soak-cases.js';

interface Failing {
  /** The `which`th allocation from now on fails, counted from 1. */
  failAllocation(which: number): void;
  /** Whether it has; none fails from here on. */
  allocationFailed(): boolean;
  /** The same of calls of Node-API. */
  failNodeApi(which: number): void;
  nodeApiFailed(): boolean;
}

interface Kind {
  readonly name: string;
  fail(which: number): void;
  failed(): boolean;
  expects(error: unknown): boolean;
}

interface Case {
  readonly run: () => unknown;
  /** What it may write to, in the state before the call. */
  readonly outs?: readonly Float32Array[];
  /** It changes something of its own, so that no two of its results are equal. */
  readonly moves?: true;
}

const addon = createRequire(import.meta.url)(process.env.HYPERSPHERE_NATIVE_PATH as string) as Failing;
const kinds: readonly Kind[] = [
  {
    name: 'allocation',
    fail: addon.failAllocation,
    failed: addon.allocationFailed,
    expects: (error) => error instanceof hs.HypersphereError && error.code === 'ERR_OUT_OF_MEMORY',
  },
  { name: 'call of Node-API', fail: addon.failNodeApi, failed: addon.nodeApiFailed, expects: (error) => error instanceof Error },
];
/** More are a call without end. */
const most = 2000;
const mark = 7e30;

const bitsOf = (result: unknown): string => Buffer.from(new Float64Array(numbersOf(result)).buffer).toString('latin1');

/** Results into arrays that are there before: at the call, and from a promise, which writes to memory of its own or to the shared one. */
function written(inputs: ReturnType<typeof opInputs>): Record<string, Case> {
  const { x, y, weights, labels } = inputs;
  const [n, d] = x.shape;
  const classes = weights.shape[0];
  const gallery = new hs.Gallery(weights);
  const cases: Record<string, Case> = {};
  for (const [kind, make] of [
    ['', (rows: number, cols: number) => hs.matrix(new Float32Array(rows * cols), cols)],
    [', shared', hs.alloc],
  ] as const) {
    const add = (name: string, outs: readonly hs.Matrix[], run: () => unknown): void => {
      cases[`${name}, out${kind}`] = { run, outs: outs.map(({ data }) => data) };
    };
    const [table, rows, ofWeights, near] = [make(n, classes), make(n, d), make(classes, d), make(n, 2)];
    const gradients = { gradEmbeddings: rows, gradWeights: ofWeights };
    add('matmul', [table], () => hs.matmul(x, weights, { transposeB: true, out: table }));
    add('distances', [table], () => hs.distances(x, weights, { out: table }));
    add('normalize', [rows], () => hs.normalize(x, { out: rows }));
    add('search', [near], () => gallery.search(x, { k: 2, out: { distances: near } }));
    add('marginSoftmax', [rows, ofWeights], () => hs.marginSoftmax(x, weights, labels, { margin: hs.arcFace(), out: gradients }));
    // Several calls of the addon: none after the first that writes may fail.
    const views = { gradX: rows, gradY: make(n, d) };
    add('infoNceLoss', [views.gradX, views.gradY], () => hs.infoNceLoss(x, y, { out: views }));
    add('vicRegLoss', [views.gradX, views.gradY], () => hs.vicRegLoss(x, y, { out: views }));
    add('a promise of matmul', [table], () => off.matmul(x, weights, { transposeB: true, out: table }));
    add('a promise of distances', [table], () => off.distances(x, weights, { out: table }));
    add('a promise of normalize', [rows], () => off.normalize(x, { out: rows }));
    add('a promise of search', [near], () => off.search(gallery, x, { k: 2, out: { distances: near } }));
    add('a promise of marginSoftmax', [rows, ofWeights], () =>
      off.marginSoftmax(x, weights, labels, { margin: hs.arcFace(), out: gradients }),
    );
  }
  return cases;
}

function promises({ x, y, weights, labels }: ReturnType<typeof opInputs>): Record<string, Case> {
  const runs: Record<string, () => unknown> = {
    distancesGradient: () => off.distancesGradient(x, weights, hs.matmul(x, weights, { transposeB: true })),
    normalizeGradient: () => off.normalizeGradient(x, y),
    nearest: () => off.nearest(x, weights, { k: 3 }),
    centerLoss: () => off.centerLoss(x, labels, weights, { gradCenters: true }),
    softmaxCrossEntropy: () => off.softmaxCrossEntropy(x, labels),
    linearCrossEntropy: () => off.linearCrossEntropy(x, weights, labels),
  };
  return Object.fromEntries(Object.entries(runs).map(([name, run]) => [`a promise of ${name}`, { run }]));
}

/** Throws at the first fault; returns how many have failed. */
async function failEach(kind: Kind, name: string, { run, outs = [], moves }: Case, given: () => string): Promise<number> {
  const before = given();
  for (const out of outs) out.fill(mark);
  const expected = bitsOf(await run());
  for (let which = 1; which <= most; which++) {
    for (const out of outs) out.fill(mark);
    kind.fail(which);
    let result: unknown, error: unknown;
    try {
      result = await run();
    } catch (reason) {
      error = reason;
    }
    const failed = kind.failed();
    const where = `${name}, ${kind.name} ${which}`;
    if (error !== undefined) {
      if (!failed || !kind.expects(error)) throw new Error(`${where}: not the error for it`, { cause: error });
      if (outs.some((out) => out.some((value) => value !== Math.fround(mark))))
        throw new Error(`${where}: it failed, and wrote to its out`);
    } else if (!moves && bitsOf(result) !== expected) {
      throw new Error(`${where}: another result`);
    }
    if (given() !== before) throw new Error(`${where}: an input was written to`);
    const again = bitsOf(await run());
    if (!moves && again !== expected) throw new Error(`${where}: another result of the next call`);
    if (!failed) return which - 1;
  }
  throw new Error(`${name}: more than ${most}`);
}

const inputs = opInputs(24, 16, 6, 1);
const given = (): string => Object.values(inputs).map(bitsOf).join('');
const all: Record<string, Case> = {
  // Their results differ from call to call, or are not numbers.
  ...Object.fromEntries(Object.entries(soakCases).map(([name, run]) => [name, { run, moves: true }])),
  ...Object.fromEntries(Object.entries(opCases).map(([name, run]) => [name, { run: () => run(inputs) }])),
  ...written(inputs),
  ...promises(inputs),
};
hs.setBackend('native');
hs.setThreads(2);
let [passed, faults] = [0, 0];
for (const kind of kinds) {
  let failures = 0;
  for (const [name, test] of Object.entries(all)) {
    try {
      failures += await failEach(kind, name, test, given);
      passed++;
    } catch (error) {
      faults++;
      console.error(error);
    }
  }
  if (failures < Object.keys(all).length) throw new Error(`only ${failures} failed: the build is not the one for this`);
  console.log(`${failures} failures of each ${kind.name} in ${Object.keys(all).length} calls, which went on`);
}
console.log(`${passed} passed, ${faults} failed, 0 skipped`);
process.exitCode = faults === 0 ? 0 : 1;
