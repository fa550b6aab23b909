// What the kernel objects of the release build may hold: CMake's archives, and the objects that node-gyp has built for the addon itself,
// where it has.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { buildTree } from './cmake.mjs';
import { run } from './run.mjs';

const folder = 'build-native/release';
// A program, for which all of them are built.
buildTree(folder, ['bits']);
const archives = readdirSync(folder).filter((file) => file.startsWith('libkernels_') && file.endsWith('.a'));
const shipped = readdirSync('native/isa').map((file) => {
  const level = file.replace('.cc', '');
  return join('build/Release/obj.target', `kernels_${level}`, 'native/isa', `${level}.o`);
});
const objects = [...archives.map((file) => join(folder, file)), ...shipped.filter(existsSync)];
console.log(`${archives.length} archives and ${objects.length - archives.length} objects of the addon`);
if (process.env.CI && objects.length === archives.length) throw new Error('the objects of the addon are not where node-gyp puts them');
run('symbols of the kernel objects', 'sh', ['scripts/check-symbols.sh', ...objects]);
