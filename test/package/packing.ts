// Packs the working tree as npm would publish it, installs the tarball and runs programs beside it: a user's view.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export const root = join(import.meta.dirname, '../..');

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Record<string, unknown>;
  readonly bin: Record<string, string>;
  readonly scripts: Record<string, string>;
  readonly peerDependencies: Record<string, string>;
  readonly dependencies?: Record<string, string>;
  readonly gypfile?: boolean;
}
export const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;

/** Every public specifier, `hypersphere/package.json` aside, with its target in the exports map. */
export const specifiers: readonly (readonly [specifier: string, target: unknown])[] = Object.entries(manifest.exports)
  .filter(([subpath]) => !subpath.endsWith('.json'))
  .map(([subpath, target]) => [`${manifest.name}${subpath.slice(1)}`, target]);

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Packed {
  readonly tarball: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly size: number }[];
}

// What npm and the caller set for their own run (a dry run, ignored scripts, a forced backend) must not reach the consumer.
const cleanEnv = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|HYPERSPHERE_|INIT_CWD$|VITEST|FORCE_COLOR$)/.test(name)));

export function run(command: string, args: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}): Outcome {
  const shell = process.platform === 'win32' && command !== process.execPath;
  const options = { cwd, env: { ...cleanEnv(), ...env }, encoding: 'utf8', timeout: 150_000, shell } as const;
  const { status, stdout, stderr, error } = spawnSync(command, args, options);
  if (error) throw error;
  return { status, stdout, stderr };
}

export function mustRun(command: string, args: readonly string[], cwd: string, env: Readonly<Record<string, string>> = {}): string {
  const { status, stdout, stderr } = run(command, args, cwd, env);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: exit ${status}\n${stdout}\n${stderr}`);
  return stdout;
}

/** Writes `source` into a folder of its own beside the installed package and runs it; its stdout. */
export function runBeside(consumer: string, file: string, source: string): string {
  const path = join(consumer, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, source);
  return mustRun(process.execPath, [path], dirname(path));
}

// Prebuilt binaries too: whether somebody has built some must not decide which backend a test meets.
const notStaged = new Set(['node_modules', 'dist', 'coverage', 'report', 'prebuilds']);
// Another command may be writing them.
const generatedDocs = join(root, 'docs/api');

/**
 * A built copy of the working tree in `folder`. A copy, because dist/ may be stale, and other tests use it while this one builds.
 */
export function stage(folder: string): void {
  cpSync(root, folder, {
    recursive: true,
    filter: (source) => {
      const [top = ''] = source.slice(root.length + 1).split(/[\\/]/);
      return !notStaged.has(top) && source !== generatedDocs && !top.startsWith('.') && !top.startsWith('build');
    },
  });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction');
  mustRun(process.execPath, ['scripts/build.mjs'], folder);
}

/**
 * Packs the tree staged in `temp` once more with further files, path and content: what a compiler or a release adds to it.
 * `install` takes the result as it takes the plain tarball.
 */
export function packWith(temp: string, name: string, files: Readonly<Record<string, string | Uint8Array>>): Packed {
  const folder = join(temp, name);
  cpSync(join(temp, 'stage'), folder, { recursive: true, verbatimSymlinks: true });
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
  return pack(folder, join(temp, `${name}-packed`));
}

/** One of the repository's own packages beside those installed in `folder`: a peer that a user would have. */
export function link(folder: string, peer: string): void {
  const path = join(folder, 'node_modules', peer);
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(join(root, 'node_modules', peer), path, 'junction');
}

/** `npm pack` of `folder` as it is. */
export function pack(folder: string, destination: string): Packed {
  mkdirSync(destination, { recursive: true });
  const output = mustRun('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', destination], folder);
  const [packed] = JSON.parse(output) as [Omit<Packed, 'tarball'> & { readonly filename: string }];
  return { ...packed, tarball: join(destination, packed.filename) };
}

/** Installs the tarballs in the empty `folder` without a registry; npm's stdout, where the scripts it runs announce themselves. */
export function install(tarballs: readonly string[], folder: string, scripts: 'with scripts' | 'without scripts'): string {
  mkdirSync(folder, { recursive: true });
  const flags = ['--offline', '--no-audit', '--no-fund', '--foreground-scripts', `--ignore-scripts=${scripts === 'without scripts'}`];
  return mustRun('npm', ['install', '--prefix', folder, ...flags, ...tarballs], folder);
}
