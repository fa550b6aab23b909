// What computes here, and why nothing faster does. The first thing asked of a fresh installation, so it needs no package beside this one.
import { createRequire } from 'node:module';
import { info } from '../index.js';

export const { version } = createRequire(import.meta.url)('hypersphere/package.json') as { readonly version: string };

export function doctorCommand({ json }: { readonly json?: boolean }): void {
  if (json) {
    console.log(JSON.stringify({ version, ...info(), node: process.version, platform: process.platform, arch: process.arch }));
    return;
  }
  const { backend, isa, threads, reproducible, cuda, unavailable } = info();
  const level = isa ? `, ${isa} kernels, up to ${threads} threads` : '';
  console.log(
    `hypersphere ${version} runs on the ${backend} backend${level}; Node ${process.version}, ${process.platform}-${process.arch}.`,
  );
  console.log(
    `  results: ${reproducible ? 'the same bits on every machine of this backend' : 'within tolerance of other machines, not bit-equal'}`,
  );
  if (cuda.available) console.log(`  cuda: ${cuda.name}, for those who choose it`);
  for (const [name, reason] of Object.entries(unavailable)) console.log(`  ${name}: not available, ${reason}`);
}
