// npm run test:system: the tests that need a program of the system. Where one is missing its suite is named and counted as
// not run; under CI a missing program is a failure, since .ci/run installs them all, but for those that not every system has.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
const suites = [
  { name: 'the report in a browser', needs: ['chromium'], run: [vitest, 'run', '--project', 'system', 'report'] },
  { name: 'MPI', needs: ['mpirun'], run: [vitest, 'run', '--project', 'system', 'mpi'] },
  { name: 'the native core in C++', needs: ['cmake', 'g++', 'nm', 'objdump'], run: ['scripts/test-native.mjs'] },
  { name: 'the device on its stand-in', needs: ['cmake', 'g++'], run: ['scripts/test-cuda.mjs', 'kernels'] },
  { name: 'the committed PTX', needs: ['clang++-19'], optional: true, run: ['scripts/build-ptx.mjs', '--check'] },
  { name: "NVIDIA's compiler", needs: ['nvcc', 'ptxas', 'g++'], optional: true, run: ['scripts/check-nvcc.mjs'] },
  {
    name: 'arm64 under qemu',
    needs: ['cmake', 'make', 'python3', 'aarch64-linux-gnu-g++', 'qemu-aarch64-static'],
    run: ['scripts/test-arm64.mjs'],
  },
  { name: 'other platforms', needs: [process.env.ZIG ?? 'zig'], optional: true, run: ['scripts/check-platforms.mjs'] },
  { name: 'prebuilt binaries', needs: ['make', 'python3', 'g++', 'readelf', 'strip'], run: ['scripts/test-prebuilt.mjs'] },
];

const present = (program) => spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0;
const outcomes = suites.map(({ name, needs, optional = false, run }) => {
  const missing = needs.filter((program) => !present(program));
  if (missing.length > 0) return { name, missing, ok: optional || !process.env.CI };
  console.log(`\n== ${name}`);
  return { name, missing, ok: spawnSync(process.execPath, run, { stdio: 'inherit' }).status === 0 };
});
const notRun = outcomes.filter(({ missing }) => missing.length > 0);
const ran = outcomes.filter(({ missing }) => missing.length === 0);
console.log();
for (const { name, missing } of notRun) console.log(`not run: ${name} needs ${missing.join(', ')}`);
for (const { name, ok } of ran) console.log(`${ok ? 'passed' : 'FAILED'}: ${name}`);
const passed = ran.filter(({ ok }) => ok).length;
console.log(`system suites: ${passed} passed, ${ran.length - passed} failed, ${notRun.length} not run`);
process.exit(outcomes.every(({ ok }) => ok) ? 0 : 1);
