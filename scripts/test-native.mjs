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
  'mining_test',
  'packed_text_test',
  // The stand-in's own checks. What runs on it is sanitized in Node (scripts/sanitize.mjs), and in both orders of its threads in scripts/test-cuda.mjs.
  'simt_test',
  'simt_bugs_test',
];
const gcc = 'build-native/asan';
const sanitizers = 'address,undefined';
buildTree(gcc, tests, { sanitizers });
const packedTexts = join(gcc, 'packed_texts.bin');
run('texts packed', process.execPath, ['test/native/packed_texts.mjs', packedTexts]);
for (const test of tests) run(`${test} under ASan and UBSan`, join(gcc, test), test === 'packed_text_test' ? [packedTexts] : []);
// What draws calls takes the fuzzer's build where there is one: the core is there already, and libFuzzer has drawn calls from it. Elsewhere they are
// drawn blindly. The other tests compute for long, which is slower in that build.
const fuzzed = missingFuzzer() === undefined;
const [folder, drawn] = [fuzzed ? fuzzerFolder : gcc, ['allocation_test', 'replay']];
if (fuzzed) buildFuzzer(drawn);
else buildTree(folder, drawn, { sanitizers });
run('allocation_test under ASan and UBSan', join(folder, 'allocation_test'));
run('replay under ASan and UBSan', join(folder, 'replay'), ['test/fuzz/native/corpus']);
if (!fuzzed) run('drawn calls under ASan and UBSan', join(folder, 'replay'), ['--draws', '9000', '--seed', '1']);
