// Ten thousand asynchronous calls at once with aborts at random moments: every promise settles once and rightly, what was not aborted has the bits
// of the synchronous call, and nothing is written to an `out` once its promise has settled.
import { setImmediate as turn } from 'node:timers/promises';
import * as hs from '../../lib/index.js';
import * as off from '../../lib/promises.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';
import { numbersOf } from '../helpers/entries.js';

interface Op {
  /** Into `out` where the op can, which is [20, 30]. */
  start(signal: AbortSignal, out: hs.Matrix): Promise<unknown>;
  readonly expected: string;
  readonly writes: boolean;
}

const x = normalMatrix(20, 16, 1);
const y = normalMatrix(30, 16, 2);
const gradOutput = normalMatrix(20, 30, 3);
const labels = cyclicLabels(20, 30);
const gallery = new hs.Gallery(y);
const margin = hs.arcFace();

/** Every number to the bit, as text: -0 and 0 differ. */
const bitsOf = (result: unknown): string => Buffer.from(new Float64Array(numbersOf(result)).buffer).toString('latin1');

function opsOf(): Op[] {
  const reading = (expected: unknown, start: Op['start']): Op => ({ start, expected: bitsOf(expected), writes: false });
  const writing = (expected: unknown, start: Op['start']): Op => ({ ...reading(expected, start), writes: true });
  return [
    writing(hs.matmul(x, y, { transposeB: true }), (signal, out) => off.matmul(x, y, { transposeB: true, signal, out })),
    writing(hs.distances(x, y), (signal, out) => off.distances(x, y, { signal, out })),
    reading(hs.distancesGradient(x, y, gradOutput), (signal) => off.distancesGradient(x, y, gradOutput, { signal })),
    reading(hs.normalize(x), (signal) => off.normalize(x, { signal })),
    reading(hs.normalizeGradient(x, x), (signal) => off.normalizeGradient(x, x, { signal })),
    reading(hs.nearest(x, y, { k: 3 }), (signal) => off.nearest(x, y, { k: 3, signal })),
    reading(gallery.search(x, { k: 3 }), (signal) => off.search(gallery, x, { k: 3, signal })),
    reading(hs.centerLoss(x, labels, y), (signal) => off.centerLoss(x, labels, y, { signal })),
    reading(hs.softmaxCrossEntropy(gradOutput, labels), (signal) => off.softmaxCrossEntropy(gradOutput, labels, { signal })),
    reading(hs.linearCrossEntropy(x, y, labels), (signal) => off.linearCrossEntropy(x, y, labels, { signal })),
    reading(hs.marginSoftmax(x, y, labels, { margin }), (signal) => off.marginSoftmax(x, y, labels, { margin, signal })),
  ];
}

export interface InFlight {
  readonly fulfilled: number;
  readonly aborted: number;
  /** The most that were under way at once. */
  readonly most: number;
}

/** A number no op gives. */
const mark = 7e30;

/** Throws where a promise does not do what its documentation says. */
export async function inFlight(calls: number, seed: number): Promise<InFlight> {
  const random = hs.createRandom(seed);
  const ops = opsOf();
  const counts = { fulfilled: 0, aborted: 0, most: 0 };
  const settled = new Uint8Array(calls);
  const outs: hs.Matrix[] = [];
  let under = 0;

  const begin = (index: number): Promise<void> => {
    const op = ops[random.integer(ops.length)] as Op;
    const [controller, reason] = [new AbortController(), new Error(`number ${index}`)];
    const { signal } = controller;
    const ordinary = { data: new Float32Array(600), shape: [20, 30] as const };
    const out = random.next() < 0.5 ? ordinary : hs.alloc(20, 30);
    const before = random.next() < 0.05;
    if (before) controller.abort(reason);
    under++;
    counts.most = Math.max(counts.most, under);
    const promise = op.start(signal, out);
    const abort = (): void => controller.abort(reason);
    const when = random.next();
    if (when < 0.1) abort();
    else if (when < 0.25) setImmediate(abort);
    else if (when < 0.4) setTimeout(abort, random.next() * 200);
    const settle = (): void => {
      under--;
      settled[index] = (settled[index] as number) + 1;
    };
    return promise.then(
      (result) => {
        settle();
        if (before || bitsOf(result) !== op.expected)
          throw new Error(`call ${index}: ${before ? 'not aborted' : 'other bits than the synchronous call'}`);
        counts.fulfilled++;
        if (signal.aborted) throw new Error(`call ${index}: fulfilled after its abort`);
      },
      (error: unknown) => {
        settle();
        if (error !== reason || !signal.aborted) throw error;
        counts.aborted++;
        // What is there now has to stay: nothing touches it any more.
        out.data.fill(mark);
        if (op.writes) outs.push(out);
      },
    );
  };

  const all: Promise<void>[] = [];
  for (let index = 0; index < calls; index++) all.push(begin(index));
  await Promise.all(all);
  for (let i = 0; i < 10; i++) await turn();
  if (!settled.every((times) => times === 1)) throw new Error('a promise settled more than once, or never');
  if (!outs.every(({ data }) => data.every((value) => value === Math.fround(mark))))
    throw new Error('an op wrote into an out after its promise had settled');
  // Nobody is left behind in a signal or in a queue.
  const last = await off.matmul(x, y, { transposeB: true });
  if (bitsOf(last) !== ops[0]?.expected) throw new Error('a call after all others has other bits');
  return counts;
}
