// The trees of CMake's builds: configured and built with nothing shown but errors.
import { run } from './run.mjs';

const quiet = { stdio: ['ignore', 'ignore', 'inherit'] };

/** Builds the targets in a tree of their own settings, such as `-DHYPERSPHERE_SANITIZE=thread`. */
export function buildTree(folder, targets, { sanitizers = '', settings = [] } = {}) {
  run(`configuring ${folder}`, 'cmake', ['-S', '.', '-B', folder, `-DHYPERSPHERE_SANITIZE=${sanitizers}`, ...settings], quiet);
  run(`building ${folder}`, 'cmake', ['--build', folder, '-j2', '--target', ...targets], quiet);
}
