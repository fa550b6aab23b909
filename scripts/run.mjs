// Running programs for the scripts: output shown, a failure ends the script with its name.
import { spawnSync } from 'node:child_process';

/** Runs a program with its output shown; exits with 1, naming it, where it fails. */
export function run(what, command, args = [], options = {}) {
  console.log(`${what} …`);
  const { status, signal, error } = spawnSync(command, args, { stdio: 'inherit', ...options });
  if (status === 0) return;
  console.error(`${what} failed (${error?.message ?? signal ?? status})`);
  process.exit(1);
}

/** The standard output of a program; exits with 1 where it fails. */
export function output(what, command, args = [], options = {}) {
  const { status, signal, error, stdout } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    stdio: ['ignore', 'pipe', 'inherit'],
    ...options,
  });
  if (status === 0) return stdout;
  console.error(`${what} failed (${error?.message ?? signal ?? status})`);
  process.exit(1);
}
