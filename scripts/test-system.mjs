// npm run test:system: the tests that need a program of the system. Where one is missing its tests are named and counted as
// not run; under CI a missing program is a failure, since .ci/run installs them all.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const suites = [{ file: 'test/system/report.test.ts', needs: 'chromium' }];

const present = (program) => spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0;
const missing = suites.filter(({ needs }) => !present(needs));
const ready = suites.filter((suite) => !missing.includes(suite));
const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
let status = 0;
if (ready.length > 0) {
  const args = [vitest, 'run', '--project', 'system', ...ready.map(({ file }) => file)];
  status = spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;
}
for (const { file, needs } of missing) console.log(`not run: ${file} needs ${needs}`);
if (missing.length > 0) console.log(`${missing.length} of ${suites.length} system suites not run`);
process.exit(status || (process.env.CI && missing.length > 0 ? 1 : 0));
