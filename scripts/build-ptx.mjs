// Compiles native/cuda to PTX and writes native/cuda/ptx.cc and fast_ptx.cc, which are committed: the addon needs neither NVIDIA's toolkit nor
// clang to build. Likewise a device's ceilings, for test/cuda/times.cc. The files have the text packed.
//   npm run build:ptx                  writes them
//   npm run build:ptx -- --check       fails where a committed file is another
//   npm run build:ptx -- --print FILE  the text of one, without compiling; by default of native/cuda/ptx.cc
// Refuses instructions that would not have the CPU's bits, save for the fast module's own; where ptxas is at hand it also refuses kernels that
// spill registers.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checksum, pack, unpack } from './packed-text.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const compiler = process.env['HYPERSPHERE_CLANG'] ?? 'clang++-19';
const inexact = [
  [/\.ftz/, 'flushes denormal numbers'],
  [/\.approx/, 'is approximate'],
  [/\b(add|sub|mul)\.f(32|64)\b/, 'has no .rn, so that the driver may fuse it'],
];
const tensor = /\bmma\.sync\.|\bcvt\.rn\.bf16x2\.f32\b/;
/** Each with what its lines must not have, and what every kernel must. */
const modules = [
  {
    source: 'module.cu',
    sources: 'kernels/*.cu',
    target: 'native/cuda/ptx.cc',
    name: 'kPtx',
    least: 'sm_75',
    architectures: ['sm_75', 'sm_80', 'sm_90', 'sm_100', 'sm_120'],
    forbidden: [...inexact, [tensor, 'sums in an order of its own']],
  },
  {
    source: 'fast_module.cu',
    sources: 'kernels/fast_product.cu',
    target: 'native/cuda/fast_ptx.cc',
    name: 'kFastPtx',
    least: 'sm_80',
    architectures: ['sm_80', 'sm_90', 'sm_100', 'sm_120'],
    // What comes before and after the product is as exact as in the other module.
    forbidden: inexact,
    needed: /\bmma\.sync\.aligned\.m16n8k16\.row\.col\.f32\.bf16\.bf16\.f32\b/,
  },
  {
    source: 'ceilings/ceilings.cu',
    sources: 'ceilings.cu',
    target: 'native/cuda/ceilings/ptx.cc',
    name: 'kCeilingsPtx',
    least: 'sm_75',
    architectures: ['sm_75', 'sm_80', 'sm_90', 'sm_100', 'sm_120'],
    forbidden: inexact,
  },
];

/** What a missing program is called here; anything else is an error of its own. */
function runs(program) {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function compile(folder, { source: file, name, least }) {
  const out = join(folder, `${name}.ptx`);
  const flags = [
    // An empty folder: clang would else find a toolkit and take its version of PTX.
    ...['-x', 'cuda', '-nocudainc', '-nocudalib', `--cuda-path=${folder}`, `--cuda-gpu-arch=${least}`],
    // PTX 7.0, which every driver from CUDA 11 on reads.
    ...['-Xclang', '-target-feature', '-Xclang', '+ptx70'],
    ...['-std=c++17', '-O3', '-ffp-contract=off', '-fno-exceptions'],
    ...['-Wall', '-Wextra', '-Wno-unused-function', '-Wno-unneeded-internal-declaration', '--cuda-device-only', '-S'],
  ];
  execFileSync(compiler, [...flags, '-o', out, `native/cuda/${file}`], { cwd: root, stdio: 'inherit' });
  return out;
}

/** Lines that a kernel of the module must not have, and kernels that lack what all of them must have. */
function lint(ptx, { forbidden, needed }) {
  const found = ptx
    .split('\n')
    .flatMap((line, i) => forbidden.filter(([form]) => form.test(line)).map(([, why]) => `${i + 1}: ${line.trim()} ${why}`));
  const kernels = ptx.split('.visible .entry ').slice(1);
  if (kernels.length === 0) found.push('no kernels');
  return [
    ...found,
    ...kernels.filter((text) => needed && !needed.test(text)).map((text) => `${text.slice(0, text.indexOf('('))} lacks ${needed}`),
  ];
}

/** Spills of every kernel and function, by ptxas for each architecture. Its report goes to standard error. */
function spills(path, { architectures }) {
  return architectures.flatMap((arch) => {
    const { status, stderr } = spawnSync('ptxas', [`-arch=${arch}`, '-v', path, '-o', '/dev/null'], { encoding: 'utf8' });
    const report = stderr.split('\n');
    if (status !== 0 || !report.some((line) => /bytes spill/.test(line))) fail(`ptxas does not report for ${arch}:`, report);
    // A line that names a kernel or function comes before its figures.
    return report.flatMap((line, at) => (/[1-9]\d* bytes spill/.test(line) ? [`${arch}: ${report[at - 1].trim()} ${line.trim()}`] : []));
  });
}

/** Without what only a reader wants. */
function shortened(written) {
  return written.replace(/[ \t]*\/\/.*$/gm, '').replace(/^\s+/gm, '');
}

/** As C++. */
function source(ptx, { sources, target, name }) {
  const text = Buffer.from(ptx);
  const packed = pack(text);
  const words = new BigUint64Array(Math.ceil(packed.length / 8));
  packed.forEach((byte, at) => (words[at >> 3] |= BigInt(byte) << BigInt((at & 7) * 8)));
  const numbers = Array.from(words, (word) => `0x${word.toString(16)}`);
  const lines = Array.from({ length: Math.ceil(numbers.length / 7) }, (_, k) => `    ${numbers.slice(k * 7, k * 7 + 7).join(', ')},`);
  return [
    `// Generated by scripts/build-ptx.mjs from ${sources}; do not edit. To read it: npm run build:ptx -- --print ${target}`,
    '#include "ptx.h"',
    '',
    'namespace hypersphere {',
    'namespace cuda {',
    'namespace {',
    '',
    'constexpr uint64_t kWords[] = {',
    ...lines,
    '};',
    '',
    '}  // namespace',
    '',
    `const PackedText ${name} = {kWords, ${packed.length}, ${text.length}, ${checksum(text)}u};`,
    '',
    '}  // namespace cuda',
    '}  // namespace hypersphere',
    '',
  ].join('\n');
}

/** What a file of source() says. */
function textOf(file) {
  const content = readFileSync(file, 'utf8');
  const [, bytes, size] = /\{kWords, (\d+), (\d+), \d+u\}/.exec(content) ?? fail(`${file} has no packed text`, []);
  const words = BigUint64Array.from(content.match(/0x[0-9a-f]+/g), BigInt);
  const packed = Uint8Array.from({ length: Number(bytes) }, (_, at) => Number((words[at >> 3] >> BigInt((at & 7) * 8)) & 255n));
  return Buffer.from(unpack(packed, Number(size))).toString();
}

/** The first line that two texts do not share. */
function difference(committed, made) {
  const [before, after] = [committed.split('\n'), made.split('\n')];
  const at = after.findIndex((line, k) => line !== before[k]);
  return at < 0 ? [] : [`line ${at + 1} is committed as ${before[at]}`, `and made as ${after[at]}`];
}

/** Thrown, so that what was made is cleared away. */
class Fault extends Error {}

function fail(title, lines) {
  throw new Fault(`${title}\n${lines.slice(0, 20).join('\n')}`);
}

/** Compiles one module, checks it, and writes its file or compares it. */
function build(folder, module) {
  const path = compile(folder, module);
  const ptx = readFileSync(path, 'utf8');
  const found = lint(ptx, module);
  if (found.length > 0) fail(`the PTX of ${module.source} has what it must not have:`, found);
  if (runs('ptxas')) {
    const spilled = spills(path, module);
    if (spilled.length > 0) fail('kernels spill registers:', spilled);
    console.log(`ptxas assembles ${module.source} for ${module.architectures.join(', ')}, nothing spilled`);
  } else {
    console.log('not run: ptxas is not installed, so registers were not looked at');
  }
  const text = shortened(ptx);
  const target = join(root, module.target);
  const made = source(text, module);
  if (!process.argv.includes('--check')) {
    writeFileSync(target, made);
    console.log(`${module.target}: ${text.length} characters of PTX written in ${made.length}`);
  } else if (!existsSync(target) || readFileSync(target, 'utf8') !== made) {
    const lines = existsSync(target) ? difference(textOf(target), text) : [];
    fail(`${module.target} is not what its sources make: run npm run build:ptx`, lines);
  } else {
    console.log(`${module.target} is up to date`);
  }
}

/** Builds or compares every module. */
function buildAll() {
  if (!runs(compiler)) fail(`${compiler} is not installed: the PTX can be neither built nor checked`, []);
  const folder = mkdtempSync(join(tmpdir(), 'hypersphere-ptx-'));
  try {
    for (const module of modules) build(folder, module);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const print = process.argv.indexOf('--print');
try {
  if (print < 0) buildAll();
  else process.stdout.write(textOf(process.argv[print + 1] ?? join(root, modules[0].target)));
} catch (error) {
  console.error(error instanceof Fault ? error.message : error);
  process.exitCode = 1;
}
