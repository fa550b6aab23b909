// npm run test:cuda: the CUDA kernels without Node, against the CPU's bits. On the stand-in, or on the driver that HYPERSPHERE_CUDA_DRIVER
// names (libcuda.so.1 for a real one). scripts/test-native.mjs runs the same under sanitizers.
import { join } from 'node:path';
import { run } from './run.mjs';

const tests = ['simt_test', 'cuda_kernels_test', 'cuda_centers_test', 'cuda_softmax_test', 'cuda_heads_test'];
const folder = 'build-native/release';
const quiet = { stdio: ['ignore', 'ignore', 'inherit'] };
run(`configuring ${folder}`, 'cmake', ['-S', '.', '-B', folder, '-DHYPERSPHERE_SANITIZE='], quiet);
run(`building ${folder}`, 'cmake', ['--build', folder, '-j2', '--target', ...tests], quiet);
for (const order of ['forward', 'reverse']) {
  const env = { ...process.env, HYPERSPHERE_SIMT_ORDER: order };
  for (const test of tests) run(`${test}, threads ${order}`, join(folder, test), [], { env });
}
