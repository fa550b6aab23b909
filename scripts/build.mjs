// node scripts/build.mjs [esm] [--if-possible]: the two tsc passes; `esm` runs only the first, `--if-possible` ends well
// where typescript is not installed (npm ci --omit=dev).
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const args = process.argv.slice(2);
let tsc;
try {
  tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
} catch (error) {
  if (args.includes('--if-possible')) process.exit(0);
  throw error;
}
const compile = (project) => {
  const { status } = spawnSync(process.execPath, [tsc, '-p', project], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
};
const esmOnly = args.includes('esm');
rmSync('dist/esm', { recursive: true, force: true });
compile('tsconfig.json');
if (existsSync('dist/esm/cli/bin.js')) chmodSync('dist/esm/cli/bin.js', 0o755);
if (!esmOnly) {
  rmSync('dist/cjs', { recursive: true, force: true });
  compile('tsconfig.cjs.json');
  mkdirSync('dist/cjs', { recursive: true });
  writeFileSync('dist/cjs/package.json', '{"type":"commonjs"}\n');
}
