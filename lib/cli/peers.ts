// The command's libraries are optional peers of the package: what is missing is said before anything loads it.
import { createRequire } from 'node:module';

const { resolve } = createRequire(import.meta.url);

function isMissing(name: string): boolean {
  try {
    resolve(`${name}/package.json`);
    return false;
  } catch (error) {
    // A package that keeps its package.json to itself is there all the same.
    return (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
  }
}

/** Whether all of them are installed; if not, says how to install the others and makes the exit code 1. */
export function havePeers(names: readonly string[]): boolean {
  const missing = names.filter(isMissing);
  if (missing.length === 0) return true;
  console.error(`This command of hypersphere needs these packages beside it:\n  npm install ${missing.join(' ')}`);
  process.exitCode = 1;
  return false;
}
