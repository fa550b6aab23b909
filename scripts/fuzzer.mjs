// The core built by a clang that has libFuzzer, under AddressSanitizer and UndefinedBehaviorSanitizer, of which the kernels have a part
// (CMakeLists.txt). The C++ tests that draw calls take this build too (test-native.mjs).
import { spawnSync } from 'node:child_process';
import { buildTree } from './cmake.mjs';

const compiler = process.env.FUZZ_CXX ?? 'clang++-19';
export const fuzzerFolder = 'build-native/fuzz';

/** Why there is no libFuzzer here, if there is none. */
export function missingFuzzer() {
  if (process.platform !== 'linux') return 'it is set up for Linux alone';
  if (spawnSync('cmake', ['--version']).status !== 0) return 'it needs cmake';
  const program = 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }';
  const { status } = spawnSync(compiler, ['-fsanitize=fuzzer,address', '-x', 'c++', '-', '-o', '/dev/null'], { input: program });
  return status === 0 ? undefined : `it needs ${compiler} with its runtime libraries (FUZZ_CXX names another)`;
}

export function buildFuzzer(targets) {
  buildTree(fuzzerFolder, targets, { sanitizers: 'fuzzer-no-link,address,undefined', settings: [`-DCMAKE_CXX_COMPILER=${compiler}`] });
}
