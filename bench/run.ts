// npm run bench [-- --only dot,euclidean] [--json FILE]: times every op on what runs here. Rows of one table come from one run, so
// their ratios hold on a noisy machine; lone times do not.
import { writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { Bench } from 'tinybench';
import { info } from '../lib/index.js';
import { type Row, rows } from './rows.js';

interface Timing {
  readonly op: string;
  readonly shape: readonly number[];
  readonly backend: string;
  readonly ms: number;
  readonly lo: number;
  readonly hi: number;
  readonly gflops: number;
}

async function time(row: Row, backend: string): Promise<Timing> {
  const bench = new Bench({ time: 1500, iterations: 3, warmupTime: 200, warmupIterations: 1 });
  bench.add(row.op, row.prepare());
  const [task] = await bench.run();
  const result = task?.result;
  if (!result || !('latency' in result)) throw new Error(`${row.op} [${row.shape}] could not be timed: ${JSON.stringify(result)}`);
  const { p50, min, max } = result.latency;
  return { op: row.op, shape: row.shape, backend, ms: p50, lo: min, hi: max, gflops: row.flops / p50 / 1e6 };
}

async function main({ only, json }: { only?: string; json: string }): Promise<void> {
  const names = only?.split(',');
  const timings: Timing[] = [];
  for (const row of rows.filter(({ op }) => !names || names.includes(op))) {
    const { backend } = info();
    if (row.tooSlowOn?.includes(backend)) continue;
    const timing = await time(row, backend);
    timings.push(timing);
    console.log(
      `${row.op.padEnd(18)} ${`[${row.shape}]`.padEnd(18)} ${backend.padEnd(7)} ${timing.ms.toFixed(2).padStart(9)} ms  ${timing.gflops.toFixed(2).padStart(7)} GFLOP/s`,
    );
  }
  writeFileSync(json, `${JSON.stringify(timings, undefined, 1)}\n`);
}

new Command('bench')
  .description('Times the ops of the library.')
  .option('--only <ops>', 'these ops, separated by commas')
  .option('--json <file>', 'where the rows go', 'bench/results.json')
  .action(main)
  .parse();
