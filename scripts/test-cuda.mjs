// npm run test:cuda: the CUDA kernels without Node and then in the addon, against the CPU's bits. On the stand-in, or on the driver that
// HYPERSPHERE_CUDA_DRIVER names (libcuda.so.1 for a real one). scripts/sanitize.mjs runs what is in Node under sanitizers.
//   npm run test:cuda -- kernels   without Node
//   npm run test:cuda -- races     without Node, on the stand-in, under ThreadSanitizer, every kernel (cuda-races.mjs)
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { findRaces } from './cuda-races.mjs';
import { run } from './run.mjs';
import { buildStandIn } from './stand-in.mjs';

if (process.argv.includes('races')) {
  await findRaces();
  process.exit(0);
}

const tests = ['simt_test', 'cuda_tests'];
const folder = 'build-native/release';
// Its linker has to send allocations elsewhere.
const hostMemory = process.platform === 'linux' ? ['cuda_host_memory_test'] : [];
const standIn = buildStandIn({ folder, targets: [...tests, 'simt_bugs_test', 'simt_late_test', 'cuda_failure_test', ...hostMemory] });
const named = { ...process.env, HYPERSPHERE_CUDA_DRIVER: process.env.HYPERSPHERE_CUDA_DRIVER || standIn, HYPERSPHERE_STAND_IN: standIn };
// CI runs the kernels forward in a sanitized build, with the rest: scripts/sanitize.mjs.
const inCi = process.argv.includes('kernels');
for (const order of inCi ? ['reverse'] : ['forward', 'reverse']) {
  for (const test of tests) run(`${test}, threads ${order}`, join(folder, test), [], { env: { ...named, HYPERSPHERE_SIMT_ORDER: order } });
}
// Fragments keep the warps in step where threads take turns, which hides that a barrier between warps is missing.
run('fast products, warp by warp', join(folder, 'cuda_tests'), ['fast'], { env: { ...named, HYPERSPHERE_SIMT_ORDER: 'warps' } });
run('mistakes that the stand-in finds', join(folder, 'simt_bugs_test'));
run('streams that are late', join(folder, 'simt_late_test'));
run('a device that fails', join(folder, 'cuda_failure_test'));
for (const test of hostMemory) run('a host without memory', join(folder, test));
if (inCi) process.exit(0);
const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
run('the addon in Node', process.execPath, [vitest, 'run', '--project', 'cuda'], { env: named });
const vectors = ['scripts/run-ts.mjs', 'test/vectors/run.js', 'test/vectors/data', '--backend', 'cuda'];
run('the vectors', process.execPath, vectors, { env: named });
