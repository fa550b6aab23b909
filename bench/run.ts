// npm run bench [-- --only dot,euclidean] [--json FILE]: times every op on what runs here, beside what a user would pick instead. Rows
// of one table come from one run, so their ratios hold on a noisy machine; lone times do not.
import { writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { Bench } from 'tinybench';
import { type Isa, info, setBackend, setIsa, setThreads } from '../lib/index.js';
import { limits, type PeerTimes, peerTimes, type Times } from './peers/index.js';
import { euclideanLoop } from './peers/loop.js';
import { extraMiB } from './peers/memory.js';
import type { Bar, Row } from './row.js';
import { rows } from './rows.js';

interface Setting {
  /** One of ours, or the name of a peer. */
  readonly backend: string;
  readonly isa: Isa | null;
  readonly threads: number;
}

interface Timing extends Setting, PeerTimes {
  readonly op: string;
  readonly shape: readonly number[];
  readonly gflops: number;
  readonly peakGflops: number | null;
}

async function time(name: string, call: () => unknown): Promise<Times> {
  const bench = new Bench({ time: 800, iterations: 3, warmupTime: 100, warmupIterations: 1 });
  bench.add(name, call);
  const [task] = await bench.run();
  const result = task?.result;
  if (!result || !('latency' in result)) throw new Error(`${name} could not be timed: ${JSON.stringify(result)}`);
  const { p50, min, max } = result.latency;
  return { ms: p50, lo: min, hi: max };
}

/** How many times ours the other call takes: the median of rounds of one call each, so that what slows the machine for a while slows both. */
async function ratioBeside(call: () => unknown, other: () => unknown): Promise<number> {
  const once = async (run: () => unknown): Promise<number> => {
    const start = performance.now();
    await run();
    return performance.now() - start;
  };
  const ratios: number[] = [];
  await once(call);
  await once(other);
  for (const start = performance.now(); ratios.length < 5 || performance.now() - start < 1600; ) {
    const ours = await once(call);
    ratios.push((await once(other)) / ours);
  }
  return ratios.sort((a, b) => a - b)[ratios.length >> 1] as number;
}

function settingsHere(): Setting[] {
  const ts: Setting = { backend: 'ts', isa: null, threads: 1 };
  const { isa, threads, backend } = info();
  if (backend !== 'native' || !isa) return [ts];
  const best: Setting = { backend: 'native', isa, threads };
  const single = { ...best, threads: 1 };
  const avx2: Setting[] = isa === 'avx512' ? [{ ...single, isa: 'avx2' }] : [];
  return [best, single, ...avx2, ts];
}

function apply({ backend, isa, threads }: Setting): void {
  setBackend(backend as 'ts' | 'native');
  if (isa) setIsa(isa);
  if (backend === 'native') setThreads(threads);
}

const label = ({ backend, isa, threads }: Setting): string => (isa ? `${backend} ${isa} ×${threads}` : backend);

const memory = (extra: number | null): string => (extra === null ? '' : `  ${extra.toFixed(1)} MiB extra`);

function printBar(bar: Bar, value: number | undefined): void {
  const verdict = value === undefined ? 'not measured here' : value >= bar.atLeast ? 'reached' : 'MISSED';
  console.log(`    against ${bar.peer}: ${value?.toFixed(2) ?? '-'}, asked for ${bar.atLeast}: ${verdict}`);
}

interface Machine {
  readonly peak: (setting: Setting) => number | null;
  /** GB/s of reading. */
  readonly read: (threads: number) => number | undefined;
}

async function runRow(row: Row, settings: readonly Setting[], machine: Machine) {
  const key = `${row.op}:${row.shape.join(',')}`;
  const call = row.prepare();
  const timings: Timing[] = [];
  for (const setting of settings) {
    if (setting.backend === 'ts' && row.tooSlowOnTs) continue;
    if (setting !== settings[0] && row.bestOnly) continue;
    apply(setting);
    const extra = await extraMiB(call);
    const times = await time(key, call);
    const timing = {
      op: row.op,
      shape: row.shape,
      ...setting,
      ...times,
      gflops: row.flops / times.ms / 1e6,
      peakGflops: machine.peak(setting),
      extraMiB: extra,
    };
    timings.push(timing);
    const rate = `${timing.ms.toFixed(3).padStart(10)} ms ${timing.gflops.toFixed(1).padStart(8)} GFLOP/s`;
    const share = timing.peakGflops ? `  ${((100 * timing.gflops) / timing.peakGflops).toFixed(0)} % of peak` : '';
    console.log(`${row.op.padEnd(22)} ${`[${row.shape}]`.padEnd(18)} ${label(setting).padEnd(18)}${rate}${share}${memory(extra)}`);
  }
  const [best] = timings;
  if (!best) return timings;
  if (row.mostExtraMiB !== undefined && best.extraMiB !== null) {
    const verdict = best.extraMiB <= row.mostExtraMiB ? 'kept' : 'MISSED';
    console.log(`    memory: ${best.extraMiB.toFixed(1)} MiB, allowed ${row.mostExtraMiB}: ${verdict}`);
  }
  if (row.bars.length === 0) return timings;
  const others = peerTimes(key, best.isa === 'avx512');
  const ownRow = (op: string): Row | undefined => rows.find((r) => r.op === op && r.shape.join() === row.shape.join());
  const ratioTo: Record<string, () => Promise<number | undefined>> = {
    peak: async () => best.peakGflops && best.gflops / best.peakGflops,
    memory: async () => {
      const read = machine.read(best.threads);
      return read && row.bytes && row.bytes / best.ms / 1e6 / read;
    },
    loop: async () => (await time('loop', euclideanLoop(...(row.shape as [number, number, number])))).ms / best.ms,
    ts: async () => {
      const [ts, avx2] = [
        timings.find((t) => t.backend === 'ts'),
        timings.find((t) => t.isa === 'avx2') ?? timings.find((t) => t.threads === 1),
      ];
      return ts && avx2 && ts !== avx2 ? ts.ms / avx2.ms : undefined;
    },
  } as never;
  for (const bar of row.bars) {
    const [other, own] = [others.get(bar.peer)?.ms, ownRow(bar.peer)];
    apply(best);
    printBar(bar, other ? other / best.ms : own ? await ratioBeside(call, own.prepare()) : await ratioTo[bar.peer]?.());
  }
  for (const [peer, times] of others) {
    const { op, shape } = row;
    console.log(`    ${peer}: ${times.ms.toFixed(3)} ms${memory(times.extraMiB)}`);
    timings.push({ op, shape, backend: peer, isa: null, threads: 2, ...times, gflops: row.flops / times.ms / 1e6, peakGflops: null });
  }
  return timings;
}

async function main({ only, json }: { only?: string; json?: string }): Promise<void> {
  const names = only?.split(',');
  // A run of some rows does not replace the table of all.
  const file = json ?? (names ? undefined : 'bench/results.json');
  const settings = settingsHere();
  const measured = limits(settings);
  const machine: Machine = {
    peak: ({ isa, threads }) => measured.find((l) => l.isa === isa && l.threads === threads)?.peakGflops ?? null,
    read: (threads) => measured.find((l) => l.readGBs && l.threads === threads)?.readGBs,
  };
  for (const { isa, threads, peakGflops, readGBs } of measured) {
    console.log(peakGflops ? `peak ${isa} ×${threads}: ${peakGflops} GFLOP/s` : `reading memory ×${threads}: ${readGBs} GB/s`);
  }
  const timings: Timing[] = [];
  for (const row of rows.filter(({ op }) => !names || names.includes(op))) {
    timings.push(...(await runRow(row, settings, machine)));
    // After every row: a run that is cut keeps what it has.
    if (file) writeFileSync(file, `[\n${timings.map((timing) => JSON.stringify(timing)).join(',\n')}\n]\n`);
  }
}

new Command('bench')
  .description('Times the ops of the library, beside what a user would pick instead where that is installed (bench/peers/index.ts).')
  .option('--only <ops>', 'these ops, separated by commas')
  .option('--json <file>', 'where the rows go; bench/results.json if nothing is said and all are run')
  .action(main)
  .parse();
