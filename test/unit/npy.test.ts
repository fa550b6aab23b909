import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { NpyFile } from '../../lib/files/npy-file.js';
import { npyBytes, npyHeader } from '../helpers/npy.js';

const folder = mkdtempSync(join(tmpdir(), 'hypersphere-npy-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
function fileOf(bytes: Uint8Array): string {
  const path = join(folder, `${files++}.npy`);
  writeFileSync(path, bytes);
  return path;
}

async function readBack(path: string) {
  const file = await NpyFile.open(path, 'source');
  try {
    const rows: number[] = [];
    let pieces = 0;
    for await (const { data, shape } of file.pieces()) {
      expect(data.length).toBe(shape[0] * shape[1]);
      rows.push(...data);
      pieces++;
    }
    return { shape: file.shape, rows, pieces };
  } finally {
    await file.close();
  }
}

const data = Float32Array.of(1, -2.5, 3, Number.NaN, 5e-40, -0);

it.each([1, 2, 3] as const)('reads version %i', async (version) => {
  expect(await readBack(fileOf(npyBytes(data, 3, { version })))).toEqual({ shape: [2, 3], rows: [...data], pieces: 1 });
});

it('reads a header in another order, spacing and quotes', async () => {
  const header = `{"shape":(3,2),"fortran_order":False,"descr":"<f4"}`;
  expect(await readBack(fileOf(npyBytes(data, 2, { header })))).toMatchObject({ shape: [3, 2], rows: [...data] });
});

it('reads a file without rows, and one of many pieces', async () => {
  expect(await readBack(fileOf(npyBytes(new Float32Array(0), 4)))).toEqual({ shape: [0, 4], rows: [], pieces: 0 });
  // 700 rows to a piece of 2²⁰ elements: three pieces, the last one short.
  const [rows, cols] = [1500, 1498];
  const many = Float32Array.from({ length: rows * cols }, (_, i) => i % 8191);
  const file = await NpyFile.open(fileOf(npyBytes(many, cols)), 'source');
  const counts: number[] = [];
  let at = 0;
  for await (const piece of file.pieces()) {
    counts.push(piece.shape[0]);
    expect(Buffer.compare(Buffer.from(piece.data), Buffer.from(many.subarray(at, at + piece.data.length)))).toBe(0);
    at += piece.data.length;
  }
  await file.close();
  expect(counts).toEqual([699, 699, 102]);
});

const sound = npyBytes(data, 3);
const patched = (at: number, value: number): Uint8Array => {
  const bytes = Buffer.from(sound);
  bytes[at] = value;
  return bytes;
};
const bad: [name: string, code: string, bytes: Uint8Array][] = [
  ['an empty file', 'ERR_FORMAT', new Uint8Array(0)],
  ['another magic string', 'ERR_FORMAT', patched(1, 0x4d)],
  ['version 0', 'ERR_FORMAT', patched(6, 0)],
  ['version 4', 'ERR_FORMAT', patched(6, 4)],
  ['a header beyond the file', 'ERR_FORMAT', sound.subarray(0, 40)],
  ['a header of 4 GiB', 'ERR_FORMAT', Buffer.concat([npyHeader(2, 3, { version: 2 }).subarray(0, 8), Buffer.alloc(8, 255)])],
  ['no dictionary', 'ERR_FORMAT', npyBytes(data, 3, { header: "[('descr', '<f4')]" })],
  ['float64', 'ERR_TYPE', npyBytes(data, 3, { descr: "'<f8'" })],
  ['big-endian float32', 'ERR_TYPE', npyBytes(data, 3, { descr: "'>f4'" })],
  ['integers', 'ERR_TYPE', npyBytes(data, 3, { descr: "'<i4'" })],
  ['a structure', 'ERR_TYPE', npyBytes(data, 3, { descr: "[('x', '<f4'), ('y', '<f4')]" })],
  ['no type', 'ERR_TYPE', npyBytes(data, 3, { header: "{'fortran_order': False, 'shape': (2, 3), }" })],
  ['Fortran order', 'ERR_FORMAT', npyBytes(data, 3, { order: 'True' })],
  ['no order', 'ERR_FORMAT', npyBytes(data, 3, { header: "{'descr': '<f4', 'shape': (2, 3), }" })],
  ['no shape', 'ERR_FORMAT', npyBytes(data, 3, { header: "{'descr': '<f4', 'fortran_order': False, }" })],
  ['a shape of text', 'ERR_FORMAT', npyBytes(data, 3, { shape: '(2, x)' })],
  ['a negative shape', 'ERR_FORMAT', npyBytes(data, 3, { shape: '(-2, 3)' })],
  ['a shape beyond exact integers', 'ERR_FORMAT', npyBytes(data, 3, { shape: '(99999999999999999999, 3)' })],
  ['one dimension', 'ERR_SHAPE', npyBytes(data, 3, { shape: '(6,)' })],
  ['three dimensions', 'ERR_SHAPE', npyBytes(data, 3, { shape: '(1, 2, 3)' })],
  ['no dimension', 'ERR_SHAPE', npyBytes(data, 3, { shape: '()' })],
  ['no columns', 'ERR_SHAPE', npyBytes(data, 3, { shape: '(2, 0)' })],
  ['too few bytes', 'ERR_FORMAT', sound.subarray(0, -1)],
  ['too many bytes', 'ERR_FORMAT', Buffer.concat([sound, Buffer.alloc(4)])],
];
it.each(bad)('refuses %s', async (_, code, bytes) => {
  await expect(NpyFile.open(fileOf(bytes), 'source')).rejects.toMatchObject({ code, argument: 'source' });
});

it('refuses a file that is cut while it is open, and leaves the errors of the file system as they are', async () => {
  const path = fileOf(sound);
  const file = await NpyFile.open(path, 'source');
  truncateSync(path, sound.length - 4);
  await expect(file.pieces().next()).rejects.toMatchObject({ code: 'ERR_FORMAT', argument: 'source' });
  await file.close();
  await expect(NpyFile.open(join(folder, 'absent.npy'), 'source')).rejects.toMatchObject({ code: 'ENOENT' });
});
