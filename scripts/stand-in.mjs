// The stand-in for a GPU's driver (native/cuda/simt), built with CMake. As a program it prints the library's path on its last line.
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildTree } from './cmake.mjs';

/** Builds the library, and other targets with it, and returns its path. */
export function buildStandIn({ folder = 'build-native/release', sanitizers = '', targets = [], compiler } = {}) {
  const settings = compiler === undefined ? [] : [`-DCMAKE_CXX_COMPILER=${compiler}`];
  buildTree(folder, ['simt', ...targets], { sanitizers, settings });
  return resolve(join(folder, process.platform === 'darwin' ? 'libsimt.dylib' : 'libsimt.so'));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.log(buildStandIn());
