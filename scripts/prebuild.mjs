// npm run prebuild [-- --twice] [PLATFORM-ARCH …]: the addon as the package ships it, in prebuilds/PLATFORM-ARCH. Without names, all that
// this machine has compilers for; what it has none for is named. --twice builds each again elsewhere and compares the bytes.
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { faultsOf } from './check-prebuilt.mjs';
import { writeStubs } from './glibc/stubs.mjs';
import { output, run } from './run.mjs';

const args = process.argv.slice(2);
const twice = args.includes('--twice');
const asked = args.filter((arg) => !arg.startsWith('--'));
const musl = process.platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime;
const here = `${process.platform}-${process.arch}`;
// Debian's names; g++ alone where the target is this machine.
const triplets = { 'linux-x64': 'x86_64-linux-gnu-', 'linux-arm64': 'aarch64-linux-gnu-' };
const targets = process.platform === 'linux' && !musl ? [here, ...Object.keys(triplets).filter((target) => target !== here)] : [here];

const present = (program) => spawnSync(program.split(' ').at(-1), ['--version'], { stdio: 'ignore' }).status === 0;

function toolsFor(target) {
  if (process.platform !== 'linux') return {};
  const prefix = target === here ? '' : triplets[target];
  const own = target === here ? process.env : {};
  return { CC: own.CC ?? `${prefix}gcc`, CXX: own.CXX ?? `${prefix}g++`, AR: `${prefix}ar`, strip: `${prefix}strip` };
}

/** Where lib/native/loader.cts looks. */
function fileFor(target) {
  const libc = target.startsWith('linux') ? (musl ? '.musl' : '.glibc') : '';
  return join('prebuilds', target, `hypersphere${libc}.node`);
}

/** Builds in a copy of what the package ships, and returns the addon's path there. */
function build(target, folder) {
  const { strip, ...tools } = toolsFor(target);
  const arch = target.split('-')[1];
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const item of ['package.json', 'native']) cpSync(item, join(folder, item), { recursive: true });
  copyFileSync('native/addon.gyp', join(folder, 'binding.gyp'));
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'), 'junction');
  const flags = [];
  if (strip) flags.push('-static-libstdc++', '-static-libgcc', '-Wl,--gc-sections', '-Wl,--as-needed');
  if (strip && !musl) {
    const compiler = tools.CXX.split(' ').at(-1);
    writeStubs(join(folder, 'glibc'), { arch, compiler, ar: tools.AR });
    // node-gyp links in build/.
    flags.push('-L../glibc');
  }
  const gyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  // A cache would hand the second build the first one's objects.
  const env = { ...process.env, ...tools, LINK: tools.CXX, LDFLAGS: flags.join(' '), ...(twice && { CCACHE_DISABLE: '1' }) };
  if (!strip) for (const name of ['LINK', 'LDFLAGS']) delete env[name];
  run(`building ${target} in ${folder}`, process.execPath, [gyp, 'rebuild', '--jobs=max', `--arch=${arch}`, '--loglevel=error'], {
    cwd: folder,
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const addon = join(folder, 'build/Release/hypersphere.node');
  if (process.platform !== 'win32') output('stripping it', strip ?? 'strip', [strip ? '--strip-all' : '-x', addon]);
  // Stripping ends the signature without which macOS on arm64 loads nothing.
  if (process.platform === 'darwin') output('signing it', 'codesign', ['--force', '--sign', '-', addon]);
  return addon;
}

function prebuild(target) {
  const addon = build(target, join('build-prebuild', target));
  const faults = faultsOf(addon, { target, musl });
  if (twice && !readFileSync(addon).equals(readFileSync(build(target, join('build-prebuild', 'again', target))))) {
    faults.push('a second build in another folder has other bytes');
  }
  for (const fault of faults) console.error(`${target}: ${fault}`);
  if (faults.length > 0) process.exit(1);
  const file = fileFor(target);
  mkdirSync(dirname(file), { recursive: true });
  copyFileSync(addon, file);
  console.log(`${file}: ${(statSync(file).size / 1024).toFixed(0)} KiB${twice ? ', the same bytes twice' : ''}`);
}

for (const target of asked.filter((name) => !targets.includes(name))) {
  console.error(`${target} cannot be built on ${here}${musl ? ' with musl' : ''}`);
  process.exit(1);
}
for (const target of asked.length > 0 ? asked : targets) {
  const { CXX } = toolsFor(target);
  if (!CXX || present(CXX)) prebuild(target);
  else if (asked.length === 0 && target !== here) console.log(`not built: ${target} needs ${CXX}`);
  else {
    console.error(`${target} needs ${CXX}`);
    process.exit(1);
  }
}
