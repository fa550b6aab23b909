// npm run test:cuda: the CUDA kernels without Node, against the CPU's bits. On the stand-in, or on the driver that HYPERSPHERE_CUDA_DRIVER
// names (libcuda.so.1 for a real one). scripts/test-native.mjs runs the same under sanitizers.
import { join } from 'node:path';
import { run } from './run.mjs';

const folder = 'build-native/release';
const quiet = { stdio: ['ignore', 'ignore', 'inherit'] };
run(`configuring ${folder}`, 'cmake', ['-S', '.', '-B', folder, '-DHYPERSPHERE_SANITIZE='], quiet);
run(`building ${folder}`, 'cmake', ['--build', folder, '-j2', '--target', 'simt_test', 'cuda_test'], quiet);
for (const order of ['forward', 'reverse']) {
  const env = { ...process.env, HYPERSPHERE_SIMT_ORDER: order };
  for (const test of ['simt_test', 'cuda_test']) run(`${test}, threads ${order}`, join(folder, test), [], { env });
}
