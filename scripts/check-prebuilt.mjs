// What is wrong with a prebuilt binary: it needs something that a user may not have, exports more than Node asks for, or tells where it was made.
import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { glibcVersion, oldestGlibc } from './glibc/stubs.mjs';
import { output } from './run.mjs';

const machines = { x64: 'Advanced Micro Devices X86-64', arm64: 'AArch64' };
const entryPoints = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];
const libraries =
  /^(libc\.so\.6|libm\.so\.6|libpthread\.so\.0|libdl\.so\.2|ld-linux-x86-64\.so\.2|ld-linux-aarch64\.so\.1|libc\.musl-\w+\.so\.1)$/;
const mostBytes = 2.25 * 2 ** 20;

function elfFaults(file, target, musl) {
  const readelf = (...flags) => output('readelf', 'readelf', ['-W', ...flags, file]).split('\n');
  const faults = [];
  const machine = machines[target.split('-')[1]];
  if (!readelf('-h').some((line) => line.includes(machine))) faults.push(`not for ${machine}`);
  const needed = readelf('-d').flatMap((line) => /\(NEEDED\).*\[(.*)\]/.exec(line)?.[1] ?? []);
  for (const library of needed.filter((name) => !libraries.test(name))) faults.push(`needs ${library}`);
  if (readelf('-d').some((line) => /\((RPATH|RUNPATH)\)/.test(line))) faults.push('has a search path');

  const symbols = readelf('--dyn-syms').flatMap((line) => {
    const [number, , , , binding, , section, symbol = ''] = line.trim().split(/\s+/);
    const [name, version] = symbol.split(/@+/);
    return /^\d+:$/.test(number) && name && binding !== 'LOCAL' ? [{ binding, undefined: section === 'UND', name, version }] : [];
  });
  const exported = symbols.filter((symbol) => !symbol.undefined).map(({ name }) => name);
  if (String(exported.sort()) !== String(entryPoints)) faults.push(`exports ${exported.join(', ')}`);
  for (const { name, version, binding } of symbols.filter((symbol) => symbol.undefined)) {
    if (/^(napi|node_api)_/.test(name)) continue;
    if (version && !(glibcVersion(version) <= glibcVersion(oldestGlibc))) faults.push(`needs ${name} of ${version}, beyond ${oldestGlibc}`);
    // What nobody has when it loads: musl's names bear no version, glibc's all do; weak ones may be absent.
    if (!version && !musl && binding !== 'WEAK') faults.push(`needs ${name}, which glibc ${oldestGlibc} lacks`);
  }
  return faults;
}

/** One sentence for each fault; none for a binary that may ship. */
export function faultsOf(file, { target, musl = false }) {
  const faults = target.startsWith('linux') ? elfFaults(file, target, musl) : [];
  const { size } = statSync(file);
  if (size > mostBytes) faults.push(`${size} bytes, more than ${mostBytes}`);
  const bytes = readFileSync(file);
  for (const path of [process.cwd(), homedir()]) {
    if (path.length > 2 && bytes.includes(path)) faults.push(`names ${path}`);
  }
  return faults;
}
