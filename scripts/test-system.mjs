// npm run test:system: the tests that need a program of the system. Where one is missing its suite is named and counted as
// not run; under CI a missing program is a failure, since .ci/run installs them all, but for those that not every system has.
// Two suites run at a time, and each is shown whole when it ends: most are of one thread for long.
//   npm run test:system -- MPI PTX   only the suites that have one of these words in their names
import { spawn, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
// In the order they start, the longest first. Suites that build in one tree take turns; one that uses what another makes waits for it.
const release = 'build-native/release';
const suites = [
  { name: 'the native core in C++', needs: ['cmake', 'g++'], run: ['scripts/test-native.mjs'] },
  {
    name: 'arm64 under qemu',
    needs: ['cmake', 'make', 'python3', 'aarch64-linux-gnu-g++', 'qemu-aarch64-static'],
    tree: release,
    run: ['scripts/test-arm64.mjs'],
  },
  {
    name: 'prebuilt binaries',
    needs: ['make', 'python3', 'g++', 'readelf', 'strip'],
    after: 'arm64 under qemu',
    run: ['scripts/test-prebuilt.mjs'],
  },
  { name: 'the device on its stand-in', needs: ['cmake', 'g++'], tree: release, run: ['scripts/test-cuda.mjs', 'kernels'] },
  { name: 'the native core in threads', needs: ['cmake', 'g++'], run: ['scripts/test-threads.mjs'] },
  { name: "NVIDIA's compiler", needs: ['nvcc', 'ptxas', 'g++'], optional: true, run: ['scripts/check-nvcc.mjs'] },
  { name: 'the committed PTX', needs: ['clang++-19'], optional: true, run: ['scripts/build-ptx.mjs', '--check'] },
  { name: 'other platforms', needs: [process.env.ZIG ?? 'zig'], optional: true, run: ['scripts/check-platforms.mjs'] },
  { name: 'the kernel objects', needs: ['cmake', 'g++', 'nm', 'objdump'], tree: release, run: ['scripts/check-objects.mjs'] },
  { name: 'the report in a browser', needs: ['chromium'], run: [vitest, 'run', '--project', 'system', 'report'] },
  { name: 'MPI', needs: ['mpirun'], run: [vitest, 'run', '--project', 'system', 'mpi'] },
];

const present = (program) => spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0;
const seconds = () => Math.round(performance.now() / 1000);

/** Runs one suite to its end, then shows what it said. */
function outcomeOf({ name, run }) {
  const start = seconds();
  console.log(`== ${name} begins`);
  return new Promise((resolve) => {
    const said = [];
    const child = spawn(process.execPath, run, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => said.push(chunk));
    child.on('error', (error) => said.push(Buffer.from(`${error.message}\n`)));
    child.on('close', (code) => {
      console.log(`\n== ${name}\n${Buffer.concat(said)}== ${name} took ${seconds() - start} s`);
      resolve({ name, ok: code === 0 });
    });
  });
}

/** Keeps `most` suites running: each time the first that neither shares a tree with one of them nor waits for one that has not ended. */
async function runAll(all, most) {
  const [waiting, running, outcomes] = [[...all], new Map(), []];
  const pending = (name) => waiting.some((other) => other.name === name) || running.has(name);
  const free = ({ tree, after }) =>
    !pending(after) && (tree === undefined || [...running.values()].every((other) => other.suite.tree !== tree));
  while (waiting.length + running.size > 0) {
    const at = running.size < most ? waiting.findIndex(free) : -1;
    if (at >= 0) {
      const [suite] = waiting.splice(at, 1);
      running.set(suite.name, { suite, outcome: outcomeOf(suite) });
    } else {
      const outcome = await Promise.race([...running.values()].map((one) => one.outcome));
      running.delete(outcome.name);
      outcomes.push(outcome);
    }
  }
  return outcomes;
}

const words = process.argv.slice(2);
const chosen = suites.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)));
if (chosen.length === 0) throw new Error(`no suite is called ${words.join(' or ')}`);
const asked = chosen.map((suite) => ({ ...suite, missing: suite.needs.filter((program) => !present(program)) }));
const notRun = asked.filter(({ missing }) => missing.length > 0);
const ran = await runAll(
  asked.filter(({ missing }) => missing.length === 0),
  Math.min(2, availableParallelism()),
);
console.log();
for (const { name, missing } of notRun) console.log(`not run: ${name} needs ${missing.join(', ')}`);
for (const { name, ok } of ran) console.log(`${ok ? 'passed' : 'FAILED'}: ${name}`);
const passed = ran.filter(({ ok }) => ok).length;
console.log(`system suites: ${passed} passed, ${ran.length - passed} failed, ${notRun.length} not run`);
process.exitCode = ran.every(({ ok }) => ok) && notRun.every(({ optional }) => optional || !process.env.CI) ? 0 : 1;
