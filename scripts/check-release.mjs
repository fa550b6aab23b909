// node scripts/check-release.mjs [TAG]: every binary of a release is in prebuilds/ and may ship, and the tag names the manifest's version.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { faultsOf } from './check-prebuilt.mjs';

/** What lib/native/loader.cts may ask for, and the README promises. */
const binaries = [
  'linux-x64/hypersphere.glibc.node',
  'linux-arm64/hypersphere.glibc.node',
  'linux-x64/hypersphere.musl.node',
  'linux-arm64/hypersphere.musl.node',
  'darwin-x64/hypersphere.node',
  'darwin-arm64/hypersphere.node',
  'win32-x64/hypersphere.node',
];

const faults = [];
const [tag] = process.argv.slice(2);
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
if (tag && tag !== `v${version}`) faults.push(`the tag is ${tag}, the manifest's version ${version}`);
for (const binary of binaries) {
  const file = join('prebuilds', binary);
  if (!existsSync(file)) {
    faults.push(`${file} is missing`);
    continue;
  }
  console.log(`${file}: ${(statSync(file).size / 1024).toFixed(0)} KiB`);
  faults.push(...faultsOf(file, { target: binary.split('/')[0], musl: binary.includes('.musl.') }).map((fault) => `${file}: ${fault}`));
}
for (const fault of faults) console.error(fault);
console.log(`${binaries.length} binaries, ${faults.length} faults`);
process.exit(faults.length === 0 ? 0 : 1);
