// How late the event loop is while an op of half a second runs off it. A time, so it is measured here and asserted in no test.
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { alloc, cosFace, Gallery, info, type Matrix } from '../../lib/index.js';
import { marginSoftmax, matmul, search } from '../../lib/promises.js';

const [wanted, bound, rounds, mostRows] = [500, 10, 7, 32_768];

function filled(rows: number, cols: number): Matrix {
  const x = alloc(rows, cols);
  for (let i = 0; i < x.data.length; i++) x.data[i] = Math.sin(i);
  return x;
}

interface Sized {
  readonly name: string;
  /** Takes time in proportion to `rows`. Its inputs are shared memory, which is not copied at the call. */
  run(rows: number): Promise<unknown>;
}

function opsOf(): Sized[] {
  const [x, gallery, weights] = [filled(mostRows, 512), new Gallery(filled(20_000, 256), { metric: 'dot' }), filled(4000, 512)];
  const queries = filled(mostRows, 256);
  const labels = Int32Array.from({ length: x.shape[0] }, (_, i) => i % 4000);
  const first = ({ data, shape: [, d] }: Matrix, rows: number): Matrix => ({ data: data.subarray(0, rows * d), shape: [rows, d] });
  const [products, gradients, ofWeights] = [alloc(mostRows, 4000), alloc(mostRows, 512), alloc(4000, 512)];
  const indices = { data: new Int32Array(new SharedArrayBuffer(4 * mostRows)), shape: [mostRows, 1] as const };
  return [
    { name: 'matmul', run: (rows) => matmul(first(x, rows), weights, { transposeB: true, out: first(products, rows) }) },
    {
      name: 'marginSoftmax',
      run: (rows) =>
        marginSoftmax(first(x, rows), weights, labels.subarray(0, rows), {
          margin: cosFace(),
          out: { gradEmbeddings: first(gradients, rows), gradWeights: ofWeights },
        }),
    },
    {
      name: 'search',
      run: (rows) =>
        search(gallery, first(queries, rows), { out: { indices: { data: indices.data.subarray(0, rows), shape: [rows, 1] } } }),
    },
  ];
}

/** Milliseconds that the thread of this loop has computed, on Linux: on a busy machine the delay alone blames the loop for its neighbours. */
function computed(): number {
  if (process.platform !== 'linux') return 0;
  return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
}

/** The longest delay in milliseconds while `wait` runs. */
async function latest(wait: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await wait();
  delay.disable();
  return delay.max / 1e6;
}

/**
 * Throws where the loop's own thread usually computes as long as the bound, or where even the calmest round has such a delay. On a machine so busy that a loop with nothing
 * to do is as late the delay says nothing, and is said not to be judged.
 */
export async function loopDelay(print: (line: string) => void): Promise<void> {
  const faults: string[] = [];
  print(`${info().threads} threads`);
  for (const { name, run } of opsOf()) {
    let rows = 256;
    for (let i = 0; i < 5; i++) {
      const begun = performance.now();
      await run(rows);
      rows = Math.min(mostRows, Math.max(rows, Math.round((rows * wanted) / (performance.now() - begun))));
    }
    const [longest, idle, took, own]: [number[], number[], number[], number[]] = [[], [], [], []];
    for (let round = 0; round < rounds; round++) {
      const begun = performance.now();
      longest.push(await latest(() => run(rows)));
      const ms = performance.now() - begun;
      took.push(ms);
      idle.push(await latest(() => sleep(ms)));
      // Without the monitor, which wakes the loop every millisecond.
      const before = computed();
      await run(rows);
      own.push(computed() - before);
    }
    const range = (values: readonly number[]): string => `${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)} ms`;
    const busy = Math.max(...idle) >= bound;
    print(
      `${name} of ${rows} rows, ${range(took)}: the loop at most ${range(longest)} late in each of ${rounds} rounds` +
        ` (with nothing to do ${range(idle)}${busy ? ', so not judged' : ''}); its own work ${range(own)}`,
    );
    // Of its own work the median: in one round or another the collector runs.
    const usual = [...own].sort((a, b) => a - b)[Math.floor(rounds / 2)] as number;
    if (usual >= bound || (!busy && Math.min(...longest) >= bound)) faults.push(name);
  }
  if (faults.length > 0) throw new Error(`the loop is late by ${bound} ms or more: ${faults.join(', ')}`);
}
