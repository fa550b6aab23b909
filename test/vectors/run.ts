// npm run vectors -- DIR: any folder of cases in the vectors' format against the public functions.
import { Command, Option } from 'commander';
import { resetServed, servedBy } from '../../lib/backend.js';
import { type BackendName, HypersphereError, type Isa, info, setBackend, setIsa, setThreads } from '../../lib/index.js';
import { compare, readCases, type VectorCase } from './case.js';
import { nameStandIn } from './device.js';
import { ops } from './ops.js';

interface Tally {
  passed: number;
  failed: number;
  unsupported: number;
  worst: number;
}

interface Flags {
  backend: BackendName;
  isa?: Isa;
  threads?: number;
  strict?: boolean;
}

/** Runs the cases, prints the table and returns the exit code. */
export function runVectors(cases: readonly VectorCase[], flags: Flags, print: (line: string) => void): number {
  const tallies = new Map<string, Tally>();
  const faults: string[] = [];
  const onDevice = { wholly: 0, partly: 0, not: 0 };
  for (const test of cases) {
    let tally = tallies.get(test.op);
    if (!tally) tallies.set(test.op, (tally = { passed: 0, failed: 0, unsupported: 0, worst: 0 }));
    const run = ops[test.op];
    if (!run) {
      tally.unsupported++;
      continue;
    }
    const found = judge(test, run, flags);
    onDevice[!found.served.includes('cuda') ? 'not' : found.served.length === 1 ? 'wholly' : 'partly']++;
    tally.worst = Math.max(tally.worst, found.worst);
    tally[found.faults.length === 0 ? 'passed' : 'failed']++;
    if (found.faults.length > 0) faults.push(`${test.id}: ${found.faults.slice(0, 3).join('; ')}`);
  }
  print(`${'op'.padEnd(30)} passed failed unsupported  worst error / tolerance`);
  const total: Tally = { passed: 0, failed: 0, unsupported: 0, worst: 0 };
  for (const [op, t] of tallies) {
    print(
      `${op.padEnd(30)} ${String(t.passed).padStart(6)} ${String(t.failed).padStart(6)} ${String(t.unsupported).padStart(11)}  ${t.passed + t.failed ? t.worst.toFixed(3) : '-'}`,
    );
    total.passed += t.passed;
    total.failed += t.failed;
    total.unsupported += t.unsupported;
  }
  for (const fault of faults) print(`FAILED ${fault}`);
  print(`${total.passed} passed, ${total.failed} failed, ${total.unsupported} unsupported on ${flags.backend}`);
  if (flags.backend === 'cuda') {
    const { wholly, partly, not } = onDevice;
    print(`${wholly} cases on the device (${info().cuda.name}) alone, ${partly} with ops of the CPU, ${not} on the CPU alone`);
  }
  if (total.passed + total.failed === 0) print('no case ran');
  const bad = total.failed > 0 || total.passed === 0 || (flags.strict === true && total.unsupported > 0);
  return bad ? 1 : 0;
}

// Ops that are plain TypeScript on every backend, so that no backend serves them.
const backendless = new Set(['margin_lambda_schedule', 'roc', 'verification_kfold', 'clustering_scores']);

function judge(test: VectorCase, run: NonNullable<(typeof ops)[string]>, { backend, strict }: Flags) {
  resetServed();
  try {
    const found = compare(test, run(test));
    // Every op that the case called counts, and no call at all is no proof.
    const served = servedBy();
    const by = served.join(' and ') || 'none';
    const wrong = strict && !backendless.has(test.op) && by !== backend;
    return { ...found, served, ...(wrong && { faults: [...found.faults, `served by ${by}, not by ${backend} alone`] }) };
  } catch (error) {
    return { worst: 0, faults: [`threw ${error}`], served: servedBy() };
  }
}

function main(directory: string, flags: Flags): number {
  if (flags.backend === 'cuda' && !nameStandIn()) {
    console.error('there is no GPU here, and the stand-in for one was not built');
    return 1;
  }
  try {
    setBackend(flags.backend);
    if (flags.backend === 'ts' && (flags.isa !== undefined || flags.threads !== undefined)) {
      console.error("--isa and --threads belong to the native backend and 'cuda'; 'ts' has neither");
      return 1;
    }
    if (flags.isa !== undefined) setIsa(flags.isa);
    if (flags.threads !== undefined) setThreads(flags.threads);
  } catch (error) {
    if (!(error instanceof HypersphereError)) throw error;
    console.error(error.message);
    return 1;
  }
  return runVectors(readCases(directory), flags, console.log);
}

if (process.argv[1]?.endsWith('run.js')) {
  new Command('vectors')
    .description('Runs a folder of reference vectors (its index.json lists them) and prints passed, failed and unsupported per op.')
    .argument('<directory>', 'folder of cases')
    .addOption(new Option('--backend <name>', 'who computes').choices(['ts', 'native', 'cuda']).default('ts'))
    .option('--isa <level>', 'native and cuda: force an ISA level of the CPU')
    .option('--threads <n>', 'native and cuda: number of threads', Number)
    .option('--strict', 'an unsupported op fails, and so does a case served by another backend')
    .action((directory: string, flags: Flags) => {
      process.exitCode = main(directory, flags);
    })
    .parse();
}
