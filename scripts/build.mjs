// node scripts/build.mjs [esm] [--if-possible]: the two tsc passes; `esm` runs only the first. `--if-possible` (npm's
// prepare) also builds the addon, and ends well where typescript or a compiler is absent (npm ci --omit=dev, no g++).
import { spawnSync } from 'node:child_process';
import { accessSync, chmodSync, constants, copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';

const args = process.argv.slice(2);
const ifPossible = args.includes('--if-possible');
const resolve = createRequire(import.meta.url).resolve;

function compile(tsc, project) {
  const { status } = spawnSync(process.execPath, [tsc, '-p', project], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

function buildTypeScript() {
  let tsc;
  try {
    tsc = resolve('typescript/bin/tsc');
  } catch (error) {
    if (ifPossible) return console.log('hypersphere: dist not built: typescript is not installed');
    throw error;
  }
  rmSync('dist/esm', { recursive: true, force: true });
  compile(tsc, 'tsconfig.json');
  if (existsSync('dist/esm/cli/bin.js')) chmodSync('dist/esm/cli/bin.js', 0o755);
  if (args.includes('esm')) return;
  rmSync('dist/cjs', { recursive: true, force: true });
  compile(tsc, 'tsconfig.cjs.json');
  mkdirSync('dist/cjs', { recursive: true });
  writeFileSync('dist/cjs/package.json', '{"type":"commonjs"}\n');
}

function onPath(names) {
  const found = (file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  };
  const folders = (process.env.PATH ?? '').split(delimiter);
  const suffixes = process.platform === 'win32' ? ['', '.exe', '.bat', '.cmd'] : [''];
  return names.some((name) => folders.some((folder) => suffixes.some((suffix) => found(join(folder, name + suffix)))));
}

/** Why the addon cannot be built here, or nothing when it was. */
function buildAddon() {
  const tools = { make: ['make', 'gmake'], 'C++ compiler': ['g++', 'c++', 'clang++'], python3: ['python3', 'python'] };
  // On Windows node-gyp finds Visual Studio by itself and needs neither make nor a compiler on PATH.
  const needed = process.platform === 'win32' ? [] : Object.entries(tools);
  const missing = needed.filter(([, names]) => !onPath(names)).map(([what]) => what);
  if (missing.length > 0) return `no ${missing.join(', no ')} on PATH`;
  let gyp;
  try {
    gyp = resolve('node-gyp/bin/node-gyp.js');
  } catch {
    return 'node-gyp is not installed';
  }
  copyFileSync('native/addon.gyp', 'binding.gyp');
  const { status, stdout, stderr } = spawnSync(process.execPath, [gyp, 'rebuild', '--jobs=max'], { encoding: 'utf8' });
  rmSync('binding.gyp', { force: true });
  if (status === 0) return;
  const output = `${stdout}${stderr}`.trim().split('\n');
  return output.find((line) => /\berror:|gyp ERR!/.test(line)) ?? output.at(-1);
}

buildTypeScript();
if (ifPossible) {
  const reason = buildAddon();
  if (reason !== undefined) console.log(`hypersphere: addon not built, the TypeScript backend serves: ${reason}`);
}
