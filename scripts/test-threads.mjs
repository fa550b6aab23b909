// What shares work among threads, without Node, under ThreadSanitizer.
import { join } from 'node:path';
import { buildTree } from './cmake.mjs';
import { run } from './run.mjs';

const folder = 'build-native/tsan';
const tests = ['pool_test', 'given_rows_test', 'margin_softmax_test', 'row_sweep_test', 'mining_test', 'simt_bugs_test'];
buildTree(folder, tests, { sanitizers: 'thread' });
for (const test of tests) run(`${test} under TSan`, join(folder, test));
