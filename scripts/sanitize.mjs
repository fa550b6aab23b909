// npm run test:sanitize: builds the addon with AddressSanitizer and UndefinedBehaviorSanitizer in a folder of its own, and runs the
// safety and parity tests, those of the device on a stand-in built the same way, and the vectors at every level on it, inside Node. A
// finding ends the process it is found in, so a test or a vectors run fails, and this exits non-zero. `-- --all` takes every parity
// suite, which is too long for every change. In this build each allocation and each call of Node-API can be made to fail, and does once.
import { copyFileSync, cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { output, run } from './run.mjs';
import { buildStandIn } from './stand-in.mjs';

const folder = resolve('build-sanitize');
const { resolve: find } = createRequire(import.meta.url);
// Without a cache before it.
const compiler = (process.env.CXX ?? 'g++').split(' ').at(-1);
const library = (name) => output(`finding ${name}`, compiler, [`-print-file-name=${name}`]).trim();

const node = (what, args, options) => run(`sanitize: ${what}`, process.execPath, args, options);

// node-gyp always builds into ./build, so the sources go where that disturbs nothing.
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder);
for (const item of ['package.json', 'native', 'test/native']) cpSync(item, join(folder, item), { recursive: true });
copyFileSync('native/addon.gyp', join(folder, 'binding.gyp'));
symlinkSync(resolve('node_modules'), join(folder, 'node_modules'), 'dir');
const settings = ['-Dsanitize=address,undefined', '-Dfailing_allocations=1'];
node('building', [find('node-gyp/bin/node-gyp.js'), 'rebuild', '--jobs=max', '--', ...settings], { cwd: folder });
// Not the tree of scripts/test-native.mjs, which may be building beside this.
const standIn = buildStandIn({ folder: 'build-native/asan-simt', sanitizers: 'address,undefined' });
node('compiling the tests', [find('typescript/bin/tsc'), '-p', 'tsconfig.test.json']);

const env = {
  ...process.env,
  HYPERSPHERE_NATIVE_PATH: join(folder, 'build/Release/hypersphere.node'),
  HYPERSPHERE_REQUIRE_NATIVE: '1',
  HYPERSPHERE_TEST_PATIENCE: '10',
  // Node itself is not built with the sanitizers, so their runtime must be there first. It leaks at exit by design, and the tests
  // ask for sizes beyond reason, whose answer is null as without the sanitizer.
  LD_PRELOAD: library('libasan.so'),
  ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1:allocator_may_return_null=1',
  UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
};
// Triplets have the C++ tests and the vectors; of the safety tests soak and damaged files are JavaScript's.
const few = [
  ...['arguments', 'classifier-head', 'concurrency', 'labels', 'memory', 'options', 'out-of-memory', 'save', 'workers'].map(
    (name) => `safety/${name}`,
  ),
  ...['matmul', 'distances', 'batch-losses', 'mining', 'mined-rules'].map((name) => `parity/${name}`),
];
const suites = process.argv.includes('--all') ? ['test/safety', 'test/parity'] : few.map((name) => `test/${name}.test.ts`);
const tests = [...suites, 'test/unit/promises.test.ts'];
node('allocations and calls that fail', ['.build/test/sanitized/failures.js'], { env });
node('tests', ['node_modules/vitest/vitest.mjs', 'run', '--project', 'default', ...tests], { env });
const device = { ...env, HYPERSPHERE_CUDA_DRIVER: standIn, HYPERSPHERE_STAND_IN: standIn };
node('tests on the device', ['node_modules/vitest/vitest.mjs', 'run', '--project', 'cuda'], { env: device });
node('vectors on the device', ['.build/test/vectors/run.js', 'test/vectors/data', '--backend', 'cuda'], { env: device });
const levels = output('finding the levels', process.execPath, ['scripts/levels.mjs'], { env }).trim().split('\n');
for (const isa of levels)
  node(`vectors, ${isa}`, ['.build/test/vectors/run.js', 'test/vectors/data', '--backend', 'native', '--isa', isa], { env });
console.log(`sanitize: nothing found (${levels.join(', ')})`);
