// The compute core without Node: its C++ tests under AddressSanitizer and UndefinedBehaviorSanitizer, what shares work among
// threads under ThreadSanitizer, and what the kernel objects of the release build may hold.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './run.mjs';

function build(folder, sanitizers, targets) {
  const configure = ['-S', '.', '-B', folder, `-DHYPERSPHERE_SANITIZE=${sanitizers}`];
  run(`configuring ${folder}`, 'cmake', configure, { stdio: ['ignore', 'ignore', 'inherit'] });
  run(`building ${folder}`, 'cmake', ['--build', folder, '-j2', '--target', ...targets], { stdio: ['ignore', 'ignore', 'inherit'] });
}

const tests = [
  'cpu_test',
  'matmul_test',
  'distances_test',
  'distances_gradient_test',
  'coarse_test',
  'nearest_test',
  'pool_test',
  'centers_test',
  'given_rows_test',
  'math_test',
  'margin_softmax_test',
  'row_sweep_test',
  'allocation_test',
  'mining_test',
  'replay',
  'packed_text_test',
  // The stand-in's own checks. What runs on it is sanitized in Node (scripts/sanitize.mjs), and in both orders of its threads in scripts/test-cuda.mjs.
  'simt_test',
  'simt_bugs_test',
];
build('build-native/asan', 'address,undefined', tests);
const packedTexts = 'build-native/asan/packed_texts.bin';
run('texts packed', process.execPath, ['test/native/packed_texts.mjs', packedTexts]);
const files = { replay: ['test/fuzz/native/corpus'], packed_text_test: [packedTexts] };
for (const test of tests) run(`${test} under ASan and UBSan`, join('build-native/asan', test), files[test] ?? []);
run('drawn calls under ASan and UBSan', 'build-native/asan/replay', ['--seconds', '15', '--seed', '1']);
const threaded = ['pool_test', 'given_rows_test', 'margin_softmax_test', 'row_sweep_test', 'mining_test', 'simt_bugs_test'];
build('build-native/tsan', 'thread', threaded);
for (const test of threaded) run(`${test} under TSan`, join('build-native/tsan', test));
build('build-native/release', '', ['core']);
// CMake's archives, and the objects that node-gyp has built for the addon itself, where it has.
const archives = readdirSync('build-native/release').filter((file) => file.startsWith('libkernels_') && file.endsWith('.a'));
const shipped = readdirSync('native/isa').map((file) => {
  const level = file.replace('.cc', '');
  return join('build/Release/obj.target', `kernels_${level}`, 'native/isa', `${level}.o`);
});
const objects = [...archives.map((file) => join('build-native/release', file)), ...shipped.filter(existsSync)];
run('symbols of the kernel objects', 'sh', ['scripts/check-symbols.sh', ...objects]);
