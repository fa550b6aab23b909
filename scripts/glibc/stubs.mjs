// Libraries to link against in place of this machine's glibc: its names, each in the newest version that an older glibc has too. A linker
// writes the versions it finds into the addon; with the machine's own libraries it would ask every user for this machine's glibc.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { output } from '../run.mjs';

/** The oldest glibc that a prebuilt binary serves: that of Node's own binaries. */
export const oldestGlibc = '2.28';
const loaders = { x64: 'ld-linux-x86-64.so.2', arm64: 'ld-linux-aarch64.so.1' };

/** `GLIBC_2.17` or `2.17` as a number to compare; NaN for what names no release. */
export function glibcVersion(text) {
  const [, major, minor] = /^(?:GLIBC_)?(\d+)\.(\d+)/.exec(text) ?? [];
  return Number(major) * 1000 + Number(minor);
}

/** What a library exports, by name: code or data of a size, and the releases it is there for. */
function exportsOf(library) {
  const symbols = new Map();
  for (const line of output('readelf', 'readelf', ['-W', '--dyn-syms', library]).split('\n')) {
    const [, , size, type, , , section, symbol = ''] = line.trim().split(/\s+/);
    const [name, version = ''] = symbol.split(/@+/);
    if (section === 'UND' || section === 'ABS' || type === 'TLS' || Number.isNaN(glibcVersion(version))) continue;
    const { versions } = symbols.get(name) ?? { versions: [] };
    symbols.set(name, { name, code: type !== 'OBJECT', size: Number(size), versions: [...versions, version] });
  }
  return [...symbols.values()];
}

/** An empty library of that soname which exports these symbols. */
function writeStub(compiler, folder, file, soname, symbols) {
  const nodes = new Map();
  for (const { name, version } of symbols) nodes.set(version, `${nodes.get(version) ?? ''} ${name};`);
  const definition = ({ name, code, size }) =>
    code
      ? `.text\n.type ${name}, %function\n${name}: .long 0`
      : `.data\n.type ${name}, %object\n.size ${name}, ${size}\n${name}: .zero ${size}`;
  writeFileSync(join(folder, `${soname}.s`), symbols.map((symbol) => `.globl ${symbol.name}\n${definition(symbol)}\n`).join(''));
  writeFileSync(join(folder, `${soname}.map`), [...nodes].map(([version, names]) => `${version} { global:${names} };\n`).join(''));
  const flags = ['-shared', '-nostdlib', `-Wl,-soname,${soname}`, `-Wl,--version-script=${soname}.map`];
  output(`${soname} as glibc ${oldestGlibc} had it`, compiler, [...flags, '-o', file, `${soname}.s`], { cwd: folder });
}

/** Fills `folder`: with it first among the linker's, what `compiler` links runs on glibc 2.28. */
export function writeStubs(folder, { arch, compiler, ar }) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const find = (file) => output(compiler, compiler, [`-print-file-name=${file}`]).trim();
  const symbols = exportsOf(find('libc.so.6')).flatMap(({ versions, ...symbol }) => {
    const old = versions.filter((version) => glibcVersion(version) <= glibcVersion(oldestGlibc));
    const [version] = old.sort((a, b) => glibcVersion(b) - glibcVersion(a));
    // glibc 2.34 took libpthread and others into libc; what is of that version and of an older one too came from there.
    return version ? [{ ...symbol, version, moved: versions.includes('GLIBC_2.34') }] : [];
  });
  const inLibc = symbols.filter(({ moved }) => !moved);
  const movedFrom = (names) => symbols.filter(({ name, moved }) => moved && names.test(name));
  const inThreads = movedFrom(/^_*(pthread|sem)_/);
  const inLoader = movedFrom(/^dl(open|sym|addr|close|error)$/);
  writeStub(compiler, folder, 'libc.so.6', 'libc.so.6', inLibc);
  // Where glibc is older, the machine's own serve. -pthread asks for the first by name; nothing asks for the second.
  if (inThreads.length > 0) writeStub(compiler, folder, 'libpthread.so', 'libpthread.so.0', inThreads);
  if (inLoader.length > 0) writeStub(compiler, folder, 'libdl.so.2', 'libdl.so.2', inLoader);
  const flags = ['-x', 'c', '-O2', '-fPIC', '-fvisibility=hidden', '-Wall', '-Wextra', '-Werror'];
  output('what that one lacks', compiler, [...flags, '-c', resolve('scripts/glibc/compat.c'), '-o', 'compat.o'], { cwd: folder });
  output('an archive of it', ar, ['rcD', 'libcompat.a', 'compat.o'], { cwd: folder });
  writeFileSync(
    join(folder, 'libc.so'),
    `GROUP ( libc.so.6 libc_nonshared.a libcompat.a AS_NEEDED ( libdl.so.2 ${find(loaders[arch])} ) )\n`,
  );
}
