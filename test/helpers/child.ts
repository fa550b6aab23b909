// Programs in processes of their own, on the built package: what happens at load, at exit and in workers.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

export interface Ended {
  /** Exit code, or the name of the signal that ended the process. */
  readonly end: number | NodeJS.Signals | 'deadline' | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Folder of the package; default this one. */
  readonly folder?: string;
  /** After so many milliseconds the process is killed and `end` is 'deadline'. */
  readonly deadline?: number;
}

/** Runs an ES module given as text, in which 'hypersphere' is the built package. */
export async function runChild(code: string, { env = {}, folder = root, deadline = 25_000 }: ChildOptions = {}): Promise<Ended> {
  if (!existsSync(join(folder, 'dist/esm/index.js'))) throw new Error('these tests use the built package: npm run build:dist');
  const patience = Number(process.env['HYPERSPHERE_TEST_PATIENCE'] ?? 1);
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('HYPERSPHERE_') || name === 'HYPERSPHERE_NATIVE_PATH');
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    cwd: folder,
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr, late] = ['', '', false];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, deadline * patience);
  const end = await new Promise<Ended['end']>((resolve) => child.on('close', (status, signal) => resolve(signal ?? status)));
  clearTimeout(timer);
  return { end: late ? 'deadline' : end, stdout, stderr };
}
