// npm run test:cuda -- races: every kernel on the stand-in under ThreadSanitizer, to which each CUDA thread is a thread of its own. Two sections at a
// time. Fails where there is a race, and where a kernel was never launched.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { run } from './run.mjs';
import { buildStandIn } from './stand-in.mjs';

// Those that take longest; any others follow.
const first = ['nearest', 'triplets', 'row-losses', 'small-heads', 'fast', 'kernels'];
// `small-heads` launches the same kernels in far less time.
const leftOut = 'heads';

/** Of cuda_tests, in the order in which they run. */
export function sectionsOf(program) {
  const all = execFileSync(program, ['sections'], { encoding: 'utf8' }).trim().split('\n');
  const unknown = [...first, leftOut].filter((name) => !all.includes(name));
  if (unknown.length > 0) throw new Error(`${program} has no section ${unknown.join(', ')}`);
  return [...first, ...all.filter((name) => !first.includes(name) && name !== leftOut)];
}

function kernelsOf(file) {
  return Array.from(readFileSync(file, 'utf8').matchAll(/^KERNEL\((\w+)\)$/gm), ([, name]) => name);
}

/** What a section says, and whether it ended well. */
function runSection(section, folder, env) {
  return new Promise((resolve) => {
    const tests = spawn(join(folder, 'cuda_tests'), [section], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [tests.stdout, tests.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text));
    tests.on('error', ({ message }) => resolve({ said: message, ok: false }));
    tests.on('close', (status, signal) =>
      resolve({ said: status === 0 ? said : `${said}ended with ${signal ?? status}\n`, ok: status === 0 }),
    );
  });
}

export async function findRaces() {
  // Clang's: a CUDA thread is a fiber to ThreadSanitizer, new in every block, and GCC 12 takes far longer to make one.
  const folder = 'build-native/races';
  const compiler = process.env.HYPERSPHERE_CLANG ?? 'clang++-19';
  const standIn = buildStandIn({ folder, sanitizers: 'thread', targets: ['cuda_tests', 'simt_bugs_test'], compiler });
  run('mistakes that the stand-in finds, under TSan', join(folder, 'simt_bugs_test'));

  const launches = join(folder, 'launches');
  rmSync(launches, { force: true });
  const env = { ...process.env, HYPERSPHERE_CUDA_DRIVER: standIn, TSAN_OPTIONS: 'halt_on_error=1', HYPERSPHERE_SIMT_LAUNCHES: launches };
  const left = sectionsOf(join(folder, 'cuda_tests'));
  let failed = 0;
  const worker = async () => {
    for (let section; (section = left.shift()) !== undefined; ) {
      const start = Date.now();
      const { said, ok } = await runSection(section, folder, env);
      if (!ok) failed++;
      console.log(`cuda_tests ${section} under TSan, ${((Date.now() - start) / 1000).toFixed(0)} s${ok ? '' : ': FAILED'}\n${said}`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker));

  const counts = new Map();
  // No section that ended as it should have writes no file.
  const lines = existsSync(launches) ? readFileSync(launches, 'utf8').trim().split('\n') : [];
  for (const line of lines) {
    const [name, ofSection, threads] = line.split(' ');
    const before = counts.get(name) ?? { launches: 0, threads: 0 };
    counts.set(name, { launches: before.launches + Number(ofSection), threads: before.threads + Number(threads) });
  }
  const names = ['native/cuda/kernels.def', 'native/cuda/fast_kernels.def'].flatMap(kernelsOf);
  const never = names.filter((name) => !(counts.get(name)?.launches > 0));
  if (never.length > 0) console.error(`never launched: ${never.join(', ')}`);
  const total = (what) => names.reduce((sum, name) => sum + (counts.get(name)?.[what] ?? 0), 0);
  console.log(`${names.length - never.length} of ${names.length} kernels, ${total('launches')} launches, ${total('threads')} threads`);
  console.log(failed === 0 ? 'no race' : `${failed} sections failed`);
  if (failed > 0 || never.length > 0) process.exit(1);
}
