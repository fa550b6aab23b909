// The compute core without Node: its C++ tests under AddressSanitizer and UndefinedBehaviorSanitizer.
import { join } from 'node:path';
import { buildTree } from './cmake.mjs';
import { buildFuzzer, fuzzerFolder, missingFuzzer } from './fuzzer.mjs';
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
// By the fuzzer's compiler where there is one: its build is there already, and libFuzzer has drawn calls from it. Elsewhere they are drawn blindly.
const fuzzed = missingFuzzer() === undefined;
const sanitized = fuzzed ? fuzzerFolder : 'build-native/asan';
if (fuzzed) buildFuzzer(tests);
else buildTree(sanitized, tests, { sanitizers: 'address,undefined' });
const packedTexts = join(sanitized, 'packed_texts.bin');
run('texts packed', process.execPath, ['test/native/packed_texts.mjs', packedTexts]);
const files = { replay: ['test/fuzz/native/corpus'], packed_text_test: [packedTexts] };
for (const test of tests) run(`${test} under ASan and UBSan`, join(sanitized, test), files[test] ?? []);
if (!fuzzed) run('drawn calls under ASan and UBSan', join(sanitized, 'replay'), ['--seconds', '15', '--seed', '1']);
