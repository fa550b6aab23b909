// Runtimes and package managers from npm, each in a folder of its own under build-programs/: pinned, fetched once, scripts off.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { root, run } from '../package/packing.js';

export interface Program {
  readonly name: string;
  /** Of npm, with its version. */
  readonly package: string;
  /** In that package's folder. */
  readonly file: string;
}

/** The program's path, or in `missing` why it cannot be had. */
export type Fetched = { readonly path: string } | { readonly missing: string };

export function fetchProgram({ package: spec, file }: Program): Fetched {
  const folder = join(root, 'build-programs', spec.replace(/[/@]/g, '_'));
  const path = join(folder, 'node_modules', spec.slice(0, spec.lastIndexOf('@')), file);
  if (existsSync(path)) return { path };
  mkdirSync(folder, { recursive: true });
  // By force: some are for another machine than this.
  const flags = ['--prefix', folder, '--ignore-scripts', '--force', '--no-save', '--no-audit', '--no-fund', '--fetch-retries=1'];
  const { status, stderr } = run('npm', ['install', ...flags, spec], folder);
  if (status === 0 && existsSync(path)) return { path };
  const reason = stderr.split('\n').find((line) => /^npm error (?!code)/.test(line)) ?? stderr.trim().split('\n').at(-1);
  return { missing: `${spec} cannot be had from the registry (${reason || 'it does not hold the program'})` };
}
