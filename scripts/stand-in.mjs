// The stand-in for a GPU's driver (native/cuda/simt), built with CMake. As a program it prints the library's path on its last line.
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { run } from './run.mjs';

const quiet = { stdio: ['ignore', 'ignore', 'inherit'] };

/** Builds the library, and other targets with it, and returns its path. */
export function buildStandIn({ folder = 'build-native/release', sanitizers = '', targets = [], compiler } = {}) {
  const configure = ['-S', '.', '-B', folder, `-DHYPERSPHERE_SANITIZE=${sanitizers}`];
  if (compiler !== undefined) configure.push(`-DCMAKE_CXX_COMPILER=${compiler}`);
  run(`configuring ${folder}`, 'cmake', configure, quiet);
  run(`building ${folder}`, 'cmake', ['--build', folder, '-j2', '--target', 'simt', ...targets], quiet);
  return resolve(join(folder, process.platform === 'darwin' ? 'libsimt.dylib' : 'libsimt.so'));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.log(buildStandIn());
