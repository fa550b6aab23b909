import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backend, resetServed, servedBy } from '../../lib/backend.js';
import { distances, info, setBackend, setIsa, setThreads, supConLoss } from '../../lib/index.js';
import { isas } from '../../lib/native/binding.js';
import { root, runChild } from '../helpers/child.js';
import { normalMatrix } from '../helpers/data.js';
import { describeNative, levels, onBothBackends } from '../helpers/native.js';

// What a machine with a GPU says would depend on the machine.
process.env['HYPERSPHERE_CUDA_DRIVER'] = '/nonexistent/libcuda.so.1';

const x = normalMatrix(3, 2, 1);
const absent = { HYPERSPHERE_NATIVE_PATH: '/nonexistent/hypersphere.node' };
const useAndTell = `
  import { distances, info } from 'hypersphere';
  const x = { data: Float32Array.of(1, 2, 3, 4), shape: [2, 2] };
  distances(x); distances(x);
  console.log(JSON.stringify(info()));
`;

onBothBackends('the choice', () => {
  it('refuses what is not there', () => {
    const { backend: before } = info();
    expect(() => setBackend('cuda')).toThrow(expect.objectContaining({ code: 'ERR_NO_DEVICE', argument: 'name' }));
    expect(() => setBackend('gpu' as never)).toThrow(expect.objectContaining({ code: 'ERR_OPTION_RANGE' }));
    expect(info().backend).toBe(before);
    expect(info().unavailable.cuda).toBeTruthy();
  });
  it('is printed with its reasons', () => {
    expect(inspect(info())).toContain(String(info().cuda.reason).slice(0, 20));
    expect(inspect(info())).not.toContain('Getter');
  });
  it('is told by info, and every op notes who served it', () => {
    const { backend: name } = info();
    resetServed();
    distances(x);
    expect(servedBy()).toEqual([name]);
    supConLoss(x, [0, 0, 1], { temperature: 1e-35 });
    // A form that the addon does not have is the reference's, and says so.
    expect(servedBy().sort()).toEqual(name === 'native' ? ['native', 'ts'] : ['ts']);
  });
});

it('serves float64 by the reference alone: the face never passes any', () => {
  setBackend('ts');
  const out = new Float64Array(9);
  backend().distances({ x: Float64Array.from(x.data), y: Float64Array.from(x.data), n: 3, m: 3, d: 2, metric: 'dot', out });
  expect(out[0]).toBeGreaterThan(0);
});

onBothBackends('large fresh results', () => {
  it('hold what an out would hold', () => {
    const rows = normalMatrix(1100, 2, 3);
    const out = { data: new Float32Array(1100 * 1100), shape: [1100, 1100] as const };
    expect(Buffer.from(distances(rows).data.buffer).equals(Buffer.from(distances(rows, { out }).data.buffer))).toBe(true);
  });
});

describeNative('level and threads', () => {
  beforeAll(() => setBackend('native'));
  afterAll(() => setIsa(levels.at(-1) as never));
  it('setIsa takes the levels of this CPU and no others', () => {
    for (const isa of levels) {
      setIsa(isa);
      expect(info()).toMatchObject({ isa, reproducible: isa !== 'baseline' });
    }
    for (const isa of isas.filter((name) => !levels.includes(name))) {
      expect(() => setIsa(isa)).toThrow(expect.objectContaining({ code: 'ERR_NO_DEVICE', argument: 'isa' }));
    }
    expect(() => setIsa('sse9' as never)).toThrow(expect.objectContaining({ code: 'ERR_OPTION_RANGE', argument: 'isa' }));
    expect(info().isa).toBe(levels.at(-1));
  });
  it('setThreads takes 1 to 256', () => {
    for (const threads of [1, 3, 256]) {
      setThreads(threads);
      expect(info().threads).toBe(threads);
    }
    for (const threads of [0, -1, 1.5, 257, Number.NaN]) {
      expect(() => setThreads(threads)).toThrow(expect.objectContaining({ code: 'ERR_OPTION_RANGE', argument: 'threads' }));
    }
    expect(() => setThreads('2' as never)).toThrow(expect.objectContaining({ code: 'ERR_TYPE' }));
    setThreads(2);
  });
  it('the environment sets both', async () => {
    const env = { HYPERSPHERE_ISA: 'baseline', HYPERSPHERE_THREADS: '3' };
    expect(JSON.parse((await runChild(useAndTell, { env })).stdout)).toMatchObject({ isa: 'baseline', threads: 3, reproducible: false });
    for (const wrong of [{ HYPERSPHERE_ISA: 'sse9' }, { HYPERSPHERE_THREADS: 'many' }, { HYPERSPHERE_THREADS: '0' }]) {
      const { end, stderr } = await runChild(useAndTell, { env: wrong });
      expect(end).toBe(1);
      expect(stderr).toContain(Object.keys(wrong)[0]);
    }
  });
  it('both copies of the package and the workers agree', async () => {
    const { stdout, stderr } = await runChild(`
      import { createRequire } from 'node:module';
      import { Worker } from 'node:worker_threads';
      import * as esm from 'hypersphere';
      const cjs = createRequire(process.cwd() + '/x.js')('hypersphere');
      cjs.setBackend('ts');
      const first = esm.info().backend;
      esm.setBackend('native');
      cjs.setThreads(5);
      esm.setIsa('baseline');
      const worker = new Worker("require('worker_threads').parentPort.postMessage(require('hypersphere').info())", { eval: true, execArgv: [] });
      worker.once('message', (theirs) => console.log(JSON.stringify([first, cjs.info(), theirs])));
    `);
    const facts = { backend: 'native', isa: 'baseline', threads: 5 };
    expect(JSON.parse(stdout || stderr)).toMatchObject(['ts', facts, facts]);
  });
});

describe('without the addon', () => {
  it('the TypeScript backend serves, after one warning that says why', async () => {
    const { end, stdout, stderr } = await runChild(useAndTell, { env: absent });
    expect(end).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      backend: 'ts',
      threads: 1,
      unavailable: { native: `${absent.HYPERSPHERE_NATIVE_PATH}: not there` },
    });
    expect(stderr.match(/HYPERSPHERE_NO_NATIVE/g)).toHaveLength(1);
    for (const word of ['/nonexistent/hypersphere.node: not there', 'HYPERSPHERE_BACKEND=ts', 'npm run build:native'])
      expect(stderr).toContain(word);
  });
  it("takes nothing for the addon that is not this version's", async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hypersphere-'));
    const path = join(folder, 'other.json');
    writeFileSync(path, '{}');
    const { stdout, stderr } = await runChild(useAndTell, { env: { HYPERSPHERE_NATIVE_PATH: path } });
    rmSync(folder, { recursive: true });
    expect(JSON.parse(stdout)).toMatchObject({ backend: 'ts', unavailable: { native: `${path}: not this version's addon` } });
    expect(stderr).toContain('HYPERSPHERE_NO_NATIVE');
  });
  it('HYPERSPHERE_BACKEND=ts says nothing', async () => {
    const { end, stdout, stderr } = await runChild(useAndTell, { env: { ...absent, HYPERSPHERE_BACKEND: 'ts' } });
    expect([end, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject({ backend: 'ts' });
  });
  it('HYPERSPHERE_BACKEND=native, setBackend, setIsa and setThreads are errors', async () => {
    const { end, stderr } = await runChild(useAndTell, { env: { ...absent, HYPERSPHERE_BACKEND: 'native' } });
    expect(end).toBe(1);
    expect(stderr).toContain('ERR_NO_DEVICE');
    const calls = "[() => hs.setBackend('native'), () => hs.setIsa('avx2'), () => hs.setThreads(2)]";
    const tell = `import * as hs from 'hypersphere';
      for (const call of ${calls}) try { call(); } catch (error) { console.log(error.code); }`;
    expect((await runChild(tell, { env: absent })).stdout).toBe('ERR_NO_DEVICE\n'.repeat(3));
  });
  it('workers do not repeat the warning of the thread that started them', async () => {
    const { stderr, stdout } = await runChild(
      `import { Worker } from 'node:worker_threads';
      import { info } from 'hypersphere';
      info();
      for (let i = 0; i < 2; i++) new Worker("console.log(require('hypersphere').info().backend)", { eval: true, execArgv: [] });`,
      { env: absent },
    );
    expect(stdout).toBe('ts\nts\n');
    expect(stderr.match(/HYPERSPHERE_NO_NATIVE/g)).toHaveLength(1);
  });
});

describe('the search', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hypersphere-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const libc =
    process.platform === 'linux' ? ((process.report.getReport() as never)['header']['glibcVersionRuntime'] ? '.glibc' : '.musl') : '';
  const prebuild = join(folder, 'prebuilds', `${process.platform}-${process.arch}`, `hypersphere${libc}.node`);
  const build = join(folder, 'build/Release/hypersphere.node');
  const found = async () => {
    const env = { HYPERSPHERE_NATIVE_PATH: '' };
    const { stdout, stderr } = await runChild(useAndTell, { folder, env });
    return { ...JSON.parse(stdout), stderr } as { backend: string; stderr: string; unavailable: { native?: string } };
  };
  beforeAll(() => {
    for (const item of ['dist', 'package.json', 'native/addon.gyp']) cpSync(join(root, item), join(folder, item), { recursive: true });
    for (const file of [build, prebuild]) mkdirSync(join(file, '..'), { recursive: true });
  });
  it('tries build/Release, then prebuilds, and keeps the reason of each miss', async () => {
    const nothing = await found();
    expect(nothing.unavailable.native).toBe(`${build}: not there; ${prebuild}: not there`);
    writeFileSync(build, 'not a library');
    const broken = await found();
    expect(broken).toMatchObject({ backend: 'ts' });
    // The reason is dlopen's own.
    expect(broken.stderr).toMatch(/hypersphere\.node: .*(invalid ELF header|file too short|not a mach-o|not a valid)/i);
  });
  it.runIf(process.platform === 'linux')('names the binary of musl where Node has no glibc', async () => {
    const told = await runChild(`process.report.getReport = () => ({ header: {} });${useAndTell}`, {
      folder,
      env: { HYPERSPHERE_NATIVE_PATH: '' },
    });
    expect(JSON.parse(told.stdout).unavailable.native).toContain(`prebuilds/linux-${process.arch}/hypersphere.musl.node: not there`);
    expect(told.stderr).toContain('hypersphere.musl.node: not there');
  });
  describeNative('with an addon', () => {
    it('takes the prebuilt one where the build does not load', async () => {
      writeFileSync(build, 'not a library');
      copyFileSync(process.env['HYPERSPHERE_NATIVE_PATH'] || join(root, 'build/Release/hypersphere.node'), prebuild);
      expect(await found()).toMatchObject({ backend: 'native', stderr: '' });
    });
  });
});
