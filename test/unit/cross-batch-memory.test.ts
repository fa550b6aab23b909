import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';

const folder = mkdtempSync(join(tmpdir(), 'hypersphere-memory-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'memory.safetensors');

const numbered = (from: number, n: number): hs.Matrix =>
  hs.matrix(
    Float32Array.from({ length: 2 * n }, (_, k) => 2 * from + k),
    2,
  );
const labelled = (from: number, n: number): number[] => Array.from({ length: n }, (_, i) => from + i);
const expectRows = (memory: hs.CrossBatchMemory, from: number, n: number): void => {
  expect(memory.contents()).toEqual({ embeddings: numbered(from, n), labels: Int32Array.from(labelled(from, n)) });
  expect(memory.size).toBe(n);
};

it('keeps the newest rows, oldest first', () => {
  const memory = new hs.CrossBatchMemory({ capacity: 5, dim: 2 });
  expectRows(memory, 0, 0);
  memory.enqueue(numbered(0, 3), labelled(0, 3));
  expectRows(memory, 0, 3);
  memory.enqueue(numbered(3, 3), labelled(3, 3));
  expectRows(memory, 1, 5);
  memory.enqueue(numbered(6, 9), labelled(6, 9));
  expectRows(memory, 10, 5);
  memory.clear();
  expectRows(memory, 0, 0);
});

it('refuses bad input and stays as it was', () => {
  const memory = new hs.CrossBatchMemory({ capacity: 5, dim: 2 });
  memory.enqueue(numbered(0, 3), labelled(0, 3));
  expect(() => memory.enqueue(normalMatrix(2, 3, 1), [0, 1])).toThrow(/^x: .*2 columns/);
  expect(() => memory.enqueue(numbered(0, 2), [0])).toThrow(/^labels: /);
  expect(() => memory.enqueue(numbered(0, 2), [0, 0.5])).toThrow(/^labels\[1\]: /);
  expectRows(memory, 0, 3);
  expect(() => new hs.CrossBatchMemory({ capacity: 0, dim: 2 })).toThrow(/^options.capacity: /);
});

const beta = Float32Array.of(1.1);
type Options = { memory?: hs.CrossBatchMemory };
const losses: Record<string, (x: hs.Matrix, y: hs.Labels, o: Options) => { loss: number; gradEmbeddings?: hs.Matrix }> = {
  supCon: hs.supConLoss,
  circle: hs.circleLoss,
  fastAp: hs.fastApLoss,
  margin: (x, y, o) => hs.marginLoss(x, y, beta, o),
  contrastive: hs.batchContrastiveLoss,
  triplet: hs.batchTripletLoss,
};

it.each(Object.entries(losses))('%s sees the memory, and checks it', (_name, run) => {
  const [x, y] = [normalMatrix(6, 4, 1), cyclicLabels(6, 3)];
  const memory = new hs.CrossBatchMemory({ capacity: 8, dim: 4 });
  expect(run(x, y, { memory })).toEqual(run(x, y, {}));
  memory.enqueue(normalMatrix(8, 4, 2), cyclicLabels(8, 3));
  expect(run(x, y, { memory }).loss).not.toBe(run(x, y, {}).loss);
  expect(() => run(x, y, { memory: {} as hs.CrossBatchMemory })).toThrow(/^options.memory: expected a CrossBatchMemory/);
  expect(() => run(x, y, { memory: new hs.CrossBatchMemory({ capacity: 1, dim: 3 }) })).toThrow(/^options.memory: .*dimension 4/);
});

it('has the terms of the anchors in the loss over both batches', () => {
  const [x, y] = [normalMatrix(6, 4, 1), cyclicLabels(6, 3)];
  const [old, names] = [normalMatrix(8, 4, 2), cyclicLabels(8, 3)];
  const memory = new hs.CrossBatchMemory({ capacity: 8, dim: 4 });
  memory.enqueue(old, names);
  const both = hs.matrix(Float32Array.of(...x.data, ...old.data), 4);
  type RowLoss = (x: hs.Matrix, y: hs.Labels, o?: Options) => { perExample: Float32Array };
  const rowLosses: RowLoss[] = [hs.circleLoss, hs.fastApLoss, hs.supConLoss];
  for (const run of rowLosses) expect(run(x, y, { memory }).perExample).toEqual(run(both, [...y, ...names]).perExample.slice(0, 6));
});

it('comes back from a file', async () => {
  const memory = new hs.CrossBatchMemory({ capacity: 5, dim: 2 });
  for (const from of [0, 3]) {
    await memory.save(path);
    const loaded = await hs.CrossBatchMemory.load(path);
    expect([loaded.contents(), loaded.capacity]).toEqual([memory.contents(), 5]);
    memory.enqueue(numbered(from, 4), labelled(from, 4));
  }
  writeFileSync(path, 'not a memory');
  await expect(hs.CrossBatchMemory.load(path)).rejects.toMatchObject({ code: 'ERR_FORMAT', argument: 'path' });
});
