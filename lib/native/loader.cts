// Finds and loads the addon; never throws. CommonJS, so that both builds of the package have `require` and `__dirname` here.
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

export interface Loaded {
  /** What the addon exports, or undefined when none loads. */
  readonly addon: unknown;
  /** What was tried before, and why each did not serve: `path: reason`. */
  readonly misses: readonly string[];
}

/** What lib/native/binding.ts and native/napi/addon.cc agree on; it changes with the arguments that cross. */
const abi = 7;

/** Folder of the package, from dist/esm/native, dist/cjs/native or lib/native. */
function packageRoot(): string {
  for (let folder = __dirname; dirname(folder) !== folder; folder = dirname(folder)) {
    // dist/cjs has a package.json too, but only the package has this beside it.
    if (existsSync(join(folder, 'native', 'addon.gyp'))) return folder;
  }
  return join(__dirname, '../../..');
}

/** glibc and musl need their own binaries; other systems have one libc. */
function libcSuffix(): string {
  if (process.platform !== 'linux') return '';
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork: boolean };
  // Otherwise the report looks up the names of all open connections.
  const network = report.excludeNetwork;
  report.excludeNetwork = true;
  const { header } = report.getReport() as { header: { glibcVersionRuntime?: string } };
  report.excludeNetwork = network;
  return header.glibcVersionRuntime ? '.glibc' : '.musl';
}

function* candidates(override: string | undefined): Generator<string> {
  // Who names a file wants that one: another found in its place would hide the mistake.
  if (override) return yield resolve(override);
  const root = packageRoot();
  yield join(root, 'build', 'Release', 'hypersphere.node');
  yield join(root, 'prebuilds', `${process.platform}-${process.arch}`, `hypersphere${libcSuffix()}.node`);
}

/** Tries HYPERSPHERE_NATIVE_PATH alone if set, else build/Release and then prebuilds/PLATFORM-ARCH. */
export function loadAddon(override: string | undefined): Loaded {
  const misses: string[] = [];
  for (const path of candidates(override)) {
    if (!existsSync(path)) {
      misses.push(`${path}: not there`);
      continue;
    }
    try {
      const addon = require(path) as { abi?: unknown } | undefined;
      if (addon?.abi === abi) return { addon, misses };
      misses.push(`${path}: not this version's addon`);
    } catch (error) {
      // dlopen's own message names the symbol, the libc or the architecture that does not fit.
      misses.push(`${path}: ${error instanceof Error ? error.message.split('\n')[0] : error}`);
    }
  }
  return { addon: undefined, misses };
}
