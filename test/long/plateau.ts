// Whether a process stops growing: samples of its memory over the calls, a line through them by least squares, and how far the end lies above
// the start. Three memories are looked at: the heap after a collection, what is accounted beside it (arrays, packed galleries), which is exact from the
// first calls on, and what is resident, which alone shows what native code forgets to free.
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { externalMemory } from '../../lib/backend.js';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** Collects, and lets finalizers run that wait for a turn of the loop. */
export async function collect(): Promise<void> {
  for (let i = 0; i < 2; i++) {
    gc();
    await turn();
  }
}

export const memories = ['heap', 'external', 'rss'] as const;

/** Bytes of each memory. */
export type Bytes = Readonly<Record<(typeof memories)[number], number>>;

export interface Sample extends Bytes {
  readonly calls: number;
}

export async function sample(calls: number): Promise<Sample> {
  await collect();
  const { heapUsed, rss } = process.memoryUsage();
  return { calls, heap: heapUsed, external: externalMemory(), rss };
}

export interface Verdict {
  readonly growth: Readonly<Record<(typeof memories)[number], number>>;
  /** What grew beyond what is allowed; empty for a plateau. */
  readonly leaks: readonly string[];
}

/**
 * From the first sample to the last: by the slope of the line, or, where that is less, by the least of the last third over the least of the first. An
 * allocator's steps bend the line, a late peak moves the ends; a leak does both.
 */
function grownBy(calls: readonly number[], bytes: readonly number[]): number {
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const [centerX, centerY] = [mean(calls), mean(bytes)];
  const across = calls.reduce((sum, x, i) => sum + (x - centerX) * ((bytes[i] as number) - centerY), 0);
  const spread = calls.reduce((sum, x) => sum + (x - centerX) ** 2, 0);
  const third = Math.ceil(bytes.length / 3);
  const byLine = (across / spread) * ((calls.at(-1) as number) - (calls[0] as number));
  const byEnds = Math.min(...bytes.slice(-third)) - Math.min(...bytes.slice(0, third));
  return Math.max(Math.min(byLine, byEnds), 0);
}

/** `allowed` in bytes from the first sample to the last. */
export function judge(samples: readonly Sample[], allowed: Bytes): Verdict {
  if (samples.length < 6) throw new Error(`${samples.length} samples say nothing: six at least`);
  const calls = samples.map((each) => each.calls);
  const of = (name: (typeof memories)[number]): number =>
    grownBy(
      calls,
      samples.map((each) => each[name]),
    );
  const growth = { heap: of('heap'), external: of('external'), rss: of('rss') };
  const leaking = memories.filter((name) => growth[name] > allowed[name]);
  return { growth, leaks: leaking.map((name) => `${name} grew by ${Math.round(growth[name])} bytes where ${allowed[name]} are allowed`) };
}
