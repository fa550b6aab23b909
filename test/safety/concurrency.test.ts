// The short forms of `npm run verify:long -- in-flight` and `-- terminations`, and what of an object reaches another thread.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { search } from '../../lib/promises.js';
import { runChild } from '../helpers/child.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';
import { describeNative, onBothBackends } from '../helpers/native.js';
import { inFlight } from '../long/in-flight.js';
import { terminations } from '../long/terminations.js';

const folder = mkdtempSync(join(tmpdir(), 'hypersphere-threads-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const x = normalMatrix(12, 8, 1);
const labels = cyclicLabels(12, 5);

onBothBackends('calls in flight', (backend) => {
  beforeAll(() => hs.setBackend(backend));

  it('settle once each, with their bits or the reason of their abort', async () => {
    const { fulfilled, aborted, most } = await inFlight(800, 1);
    expect(fulfilled + aborted).toBe(800);
    expect(Math.min(fulfilled, aborted)).toBeGreaterThan(80);
    expect(most).toBeGreaterThan(400);
  });
});

describeNative('workers', () => {
  it('terminated at random moments leave no thread and no memory behind', async () => {
    const { ready, early } = await terminations(16, 1, 60_000);
    expect(ready + early).toBe(16);
  }, 600_000);
});

describe('an object belongs to its thread', () => {
  // What postMessage does to it.
  it('a copy of it has no methods, and is refused where one is taken', async () => {
    const head = new hs.ClassifierHead({ classes: 5, dim: 8, margin: hs.cosFace() });
    expect((structuredClone(head) as Partial<hs.ClassifierHead>).step).toBeUndefined();
    const gallery = structuredClone(new hs.Gallery(x));
    await expect(search(gallery, x)).rejects.toMatchObject({ code: 'ERR_TYPE', argument: 'gallery' });
    const memory = structuredClone(new hs.CrossBatchMemory({ capacity: 4, dim: 8 }));
    expect(() => hs.supConLoss(x, labels, { memory })).toThrow(expect.objectContaining({ code: 'ERR_TYPE', argument: 'options.memory' }));
  });

  it('a head whose weights were transferred to another thread says so, call by call', () => {
    const head = new hs.ClassifierHead({ classes: 5, dim: 8, margin: hs.cosFace() });
    const { weights } = head;
    structuredClone(weights.data.buffer, { transfer: [weights.data.buffer as ArrayBuffer] });
    const detached = expect.objectContaining({ code: 'ERR_DETACHED' });
    expect(() => head.step(x, labels)).toThrow(detached);
    expect(() => head.forwardBackward(x, labels)).toThrow(detached);
    expect(() => head.logits(x)).toThrow(detached);
    expect(() => head.predict(x)).toThrow(detached);
    expect(() => head.grow(6)).toThrow(detached);
    const centers = new hs.Centers({ classes: 5, dim: 8 });
    structuredClone(centers.matrix.data.buffer, { transfer: [centers.matrix.data.buffer as ArrayBuffer] });
    expect(() => centers.loss(x, labels)).toThrow(detached);
    expect(() => centers.update(x, labels)).toThrow(detached);
  });

  it('two workers load one file and train apart: the same steps, the same bits', async () => {
    const path = JSON.stringify(join(folder, 'head.safetensors'));
    const worker = JSON.stringify(`
      const { parentPort } = require('node:worker_threads');
      const hs = require('hypersphere');
      hs.ClassifierHead.load(${path}).then((head) => {
        for (let i = 0; i < 40; i++) head.step(hs.matrix(Float32Array.from({ length: 512 }, (_, j) => Math.sin(i + j)), 8), Int32Array.from({ length: 64 }, (_, j) => j % 50));
        parentPort.postMessage(Buffer.from(head.weights.data.buffer).toString('latin1'));
      });
    `);
    const { end, stdout, stderr } = await runChild(`
      import { once } from 'node:events';
      import { Worker } from 'node:worker_threads';
      import { arcFace, ClassifierHead } from 'hypersphere';
      const head = new ClassifierHead({ classes: 50, dim: 8, margin: arcFace(), sampleRate: 0.5 });
      await head.save(${path});
      const start = () => new Worker(${worker}, { eval: true, execArgv: [] });
      const found = await Promise.all([start(), start(), start()].map(async (worker) => (await once(worker, 'message'))[0]));
      console.log(new Set(found).size, found[0] !== Buffer.from(head.weights.data.buffer).toString('latin1'));
    `);
    expect({ end, stdout }, stderr).toEqual({ end: 0, stdout: '1 true\n' });
  });
});
