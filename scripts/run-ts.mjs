// node scripts/run-ts.mjs FILE args…: compiles library and tests to .build/ and runs .build/FILE with the arguments.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const run = (args) => spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;
const [file, ...rest] = process.argv.slice(2);
process.exit(run([tsc, '-p', 'tsconfig.test.json']) || run([`.build/${file}`, ...rest]));
