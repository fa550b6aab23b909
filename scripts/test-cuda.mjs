// npm run test:cuda: the CUDA kernels without Node and then in the addon, against the CPU's bits. On the stand-in, or on the driver that
// HYPERSPHERE_CUDA_DRIVER names (libcuda.so.1 for a real one). scripts/sanitize.mjs runs what is in Node under sanitizers.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { run } from './run.mjs';
import { buildStandIn } from './stand-in.mjs';

const tests = [
  'simt_test',
  'cuda_kernels_test',
  'cuda_nearest_test',
  'cuda_centers_test',
  'cuda_softmax_test',
  'cuda_heads_test',
  'cuda_triplets_test',
];
const folder = 'build-native/release';
const standIn = buildStandIn({ folder, targets: [...tests, 'cuda_failure_test'] });
const named = { ...process.env, HYPERSPHERE_CUDA_DRIVER: process.env.HYPERSPHERE_CUDA_DRIVER || standIn, HYPERSPHERE_STAND_IN: standIn };
for (const order of ['forward', 'reverse']) {
  const env = { ...named, HYPERSPHERE_SIMT_ORDER: order };
  for (const test of tests) run(`${test}, threads ${order}`, join(folder, test), [], { env });
}
run('a device that fails', join(folder, 'cuda_failure_test'));
// CI runs the rest in a sanitized build: scripts/sanitize.mjs.
if (process.argv.includes('kernels')) process.exit(0);
const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
run('the addon in Node', process.execPath, [vitest, 'run', '--project', 'cuda'], { env: named });
const vectors = ['scripts/run-ts.mjs', 'test/vectors/run.js', 'test/vectors/data', '--backend', 'cuda'];
run('the vectors', process.execPath, vectors, { env: named });
