// The binary of this machine as the package ships it, then its tarball under other package managers and runtimes. A binary for arm64 takes
// part where scripts/test-arm64.mjs has built it.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { run } from './run.mjs';

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
run('the prebuilt binary', process.execPath, ['scripts/prebuild.mjs', `${process.platform}-${process.arch}`]);
run('the tarball with it', process.execPath, [vitest, 'run', '--project', 'system', 'prebuilt']);
