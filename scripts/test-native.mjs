// The compute core without Node: its C++ tests under AddressSanitizer and UndefinedBehaviorSanitizer.
import { join } from 'node:path';
import { buildTree } from './cmake.mjs';
import { run } from './run.mjs';

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
buildTree('build-native/asan', tests, { sanitizers: 'address,undefined' });
const packedTexts = 'build-native/asan/packed_texts.bin';
run('texts packed', process.execPath, ['test/native/packed_texts.mjs', packedTexts]);
const files = { replay: ['test/fuzz/native/corpus'], packed_text_test: [packedTexts] };
for (const test of tests) run(`${test} under ASan and UBSan`, join('build-native/asan', test), files[test] ?? []);
run('drawn calls under ASan and UBSan', 'build-native/asan/replay', ['--seconds', '15', '--seed', '1']);
