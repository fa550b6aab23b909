// `hypersphere bench`: how many times faster this machine computes natively than in TypeScript and, where tfjs is installed, than there. Ratios
// of medians taken in turns, since a machine in use is slower now and faster then.
import { Bench } from 'tinybench';
import { type BackendName, info, setBackend } from '../index.js';
import { type OpInputs, opCases, opInputs } from './op-cases.js';
import { withProgress } from './progress.js';
import { type Peer, tfjsPeer } from './tfjs-peer.js';

export interface BenchFlags {
  readonly rows: number;
  readonly dim: number;
  readonly classes: number;
  /** Of one side of one row, in milliseconds. */
  readonly time: number;
  readonly only?: readonly string[];
  readonly json?: boolean;
}

export interface BenchRow {
  readonly op: string;
  /** Medians in milliseconds, by who computed. */
  readonly ms: Readonly<Record<string, number>>;
}

const turns = 3;

/** The median of several turns, each side's turn after the other's. */
async function medians(sides: readonly (readonly [name: string, run: () => void])[], time: number): Promise<Record<string, number>> {
  const found = new Map<string, number[]>(sides.map(([name]) => [name, []]));
  for (let turn = 0; turn < turns; turn++) {
    for (const [name, run] of sides) {
      const bench = new Bench({
        time: time / turns,
        iterations: 1,
        warmup: turn === 0,
        warmupTime: time / turns,
        warmupIterations: 1,
        throws: true,
      });
      bench.add(name, run);
      await bench.run();
      const { result } = bench.tasks[0] as { result?: { latency?: { p50: number } } };
      found.get(name)?.push(result?.latency?.p50 ?? Number.NaN);
    }
  }
  return Object.fromEntries(Array.from(found, ([name, values]) => [name, values.sort((a, b) => a - b)[Math.floor(turns / 2)] as number]));
}

const on =
  (backend: BackendName, run: () => unknown): (() => void) =>
  () => {
    setBackend(backend);
    run();
  };

/** Rows of all ops whose names begin with one of `only`. */
export async function bench(flags: BenchFlags, peer: Peer | undefined, advance: () => void): Promise<BenchRow[]> {
  const inputs: OpInputs = opInputs(flags.rows, flags.dim, flags.classes, 1);
  const fast = info().backend;
  const rows: BenchRow[] = [];
  try {
    for (const [op, run] of chosen(flags.only)) {
      const compute = (): unknown => run(inputs);
      const other = peer?.ops[op];
      const sides: [string, () => void][] = [
        ...(fast === 'ts' ? [] : [[fast, on(fast, compute)] as [string, () => void]]),
        ['ts', on('ts', compute)],
        ...(other && peer ? [[peer.name, () => other(inputs)] as [string, () => void]] : []),
      ];
      rows.push({ op, ms: await medians(sides, flags.time) });
      advance();
    }
  } finally {
    setBackend(fast);
  }
  return rows;
}

const chosen = (only: readonly string[] | undefined) =>
  Object.entries(opCases).filter(([op]) => only === undefined || only.some((name) => op.startsWith(name)));

const ratio = (ours: number | undefined, others: number | undefined): string =>
  ours === undefined || others === undefined ? '-' : `${(others / ours).toFixed(others / ours < 10 ? 1 : 0)}×`;

export async function benchCommand(flags: BenchFlags): Promise<void> {
  const { backend, isa, threads } = info();
  const peer = await tfjsPeer();
  const count = chosen(flags.only).length;
  const rows = await withProgress(count, 'ops', (advance) => bench(flags, peer, () => advance(1)));
  if (flags.json) {
    console.log(JSON.stringify({ backend, isa, threads, rows: flags.rows, dim: flags.dim, classes: flags.classes, results: rows }));
    return;
  }
  console.log(
    `${backend}${isa ? `, ${isa}, ${threads} threads` : ''}; ${flags.rows} rows of ${flags.dim}, ${flags.classes} classes; ratios of medians`,
  );
  if (backend === 'ts') console.log(`no native backend here: ${info().unavailable.native ?? 'the TypeScript backend was asked for'}`);
  const heads = ['op', `${backend} ms`, 'TypeScript', ...(peer ? [peer.name] : [])];
  const cells = rows.map(({ op, ms }) => [
    op,
    (ms[backend] ?? Number.NaN).toPrecision(3),
    ratio(ms[backend], ms['ts']),
    ...(peer ? [ratio(ms[backend], ms[peer.name])] : []),
  ]);
  for (const [op = '', ...rest] of [heads, ...cells]) console.log(`${op.padEnd(36)}${rest.map((cell) => cell.padStart(14)).join('')}`);
  if (!peer) console.log('@tensorflow/tfjs is not installed beside hypersphere: not compared');
}
