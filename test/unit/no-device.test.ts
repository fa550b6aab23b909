// Machines without a GPU: why there is none, found out by who asks and nobody else, and nothing else the worse for it.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root, runChild } from '../helpers/child.js';
import { describeNative } from '../helpers/native.js';

const driver = '/nonexistent/libcuda.so.1';
const env = { HYPERSPHERE_CUDA_DRIVER: driver };

const asked = async (code: string, variables: Record<string, string> = env) => {
  const { end, stdout, stderr } = await runChild(`import * as hs from 'hypersphere';\n${code}`, { env: variables });
  expect(end, stderr).toBe(0);
  return JSON.parse(stdout);
};
const attempt =
  'const attempt = (run) => { try { return run(); } catch ({ code, argument, received }) { return { code, argument, received }; } };';

describeNative('without a driver', () => {
  it('info says why, the choice is an error that says it too, and the rest works', async () => {
    const told = await asked(`${attempt}
      const x = hs.matrix(Float32Array.of(3, 4, 0, 2), 2);
      const refused = attempt(() => hs.setBackend('cuda'));
      const gallery = attempt(() => new hs.Gallery(x, { device: 'cuda' }));
      const size = new hs.Gallery(x, { device: 'cpu' }).size;
      console.log(JSON.stringify({ info: hs.info(), refused, gallery, size, distances: [...hs.distances(x).data] }));
    `);
    const { cuda, unavailable, backend } = told.info;
    expect(backend).toBe('native');
    expect(cuda).toEqual({ available: false, reason: expect.stringContaining(driver) });
    expect(cuda.reason).toMatch(/^no NVIDIA driver: /);
    expect(unavailable).toEqual({ cuda: cuda.reason });
    expect(told.refused).toEqual({ code: 'ERR_NO_DEVICE', argument: 'name', received: `'cuda': ${cuda.reason}` });
    expect(told.gallery).toEqual({ ...told.refused, argument: 'options.device' });
    expect(told.size).toBe(2);
    expect(told.distances).toEqual([0, 13, 13, 0]);
  });

  it('HYPERSPHERE_BACKEND=cuda is an error with the reason', async () => {
    const told = await asked(`${attempt} console.log(JSON.stringify(attempt(() => hs.info())));`, { ...env, HYPERSPHERE_BACKEND: 'cuda' });
    expect(told).toMatchObject({ code: 'ERR_NO_DEVICE', argument: 'HYPERSPHERE_BACKEND', received: expect.stringContaining(driver) });
  });

  it('neither importing, computing nor info() opens the driver; reading info().cuda does, once', async () => {
    const told = await asked(
      `const facts = hs.info();
      hs.distances(hs.matrix(Float32Array.of(3, 4), 2));
      process.env.HYPERSPHERE_CUDA_DRIVER = '/second/libcuda.so.1';
      const first = facts.cuda.reason;
      process.env.HYPERSPHERE_CUDA_DRIVER = '/third/libcuda.so.1';
      console.log(JSON.stringify([first, facts.cuda.reason, hs.info().unavailable.cuda]));`,
    );
    expect(told[0]).toContain('/second/libcuda.so.1');
    expect(new Set(told).size).toBe(1);
  });

  it('a library that is no driver is named as one that lacks its functions', async () => {
    const other = process.env['HYPERSPHERE_NATIVE_PATH'] || join(root, 'build/Release/hypersphere.node');
    expect(existsSync(other)).toBe(true);
    const told = await asked('console.log(JSON.stringify(hs.info().cuda));', { HYPERSPHERE_CUDA_DRIVER: other });
    expect(told).toEqual({ available: false, reason: 'the NVIDIA driver is too old: it has no cuInit' });
  });

  it('workers that ask at once are told the same', async () => {
    const told = await asked(
      `import { once } from 'node:events';
      import { Worker } from 'node:worker_threads';
      const text = "require('worker_threads').parentPort.postMessage(require('hypersphere').info().cuda)";
      const workers = Array.from({ length: 4 }, () => new Worker(text, { eval: true, execArgv: [] }));
      const answers = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0]));
      console.log(JSON.stringify([...answers, hs.info().cuda]));`,
    );
    expect(told).toHaveLength(5);
    for (const each of told) expect(each).toEqual({ available: false, reason: expect.stringContaining(driver) });
  });
});

describe('without the addon', () => {
  const absent = { HYPERSPHERE_NATIVE_PATH: '/nonexistent/hypersphere.node', HYPERSPHERE_BACKEND: 'ts' };
  it('there is no device either, and nobody looks before it is asked about', async () => {
    const told = await asked(
      `const { unavailable } = hs.info();
      console.log(JSON.stringify([unavailable, hs.info().cuda, hs.info().unavailable]));`,
      absent,
    );
    const missing = `${absent.HYPERSPHERE_NATIVE_PATH}: not there`;
    const reason = `the addon does not load: ${missing}`;
    expect(told).toEqual([{}, { available: false, reason }, { native: missing, cuda: reason }]);
  });
});
