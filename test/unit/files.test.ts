import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { strToU8, zipSync } from 'fflate';
import { afterAll, describe, expect, it } from 'vitest';
import { type ReadOptions, readEmbeddings, readLabels, writeNpy } from '../../lib/files/index.js';
import { matrix } from '../../lib/index.js';
import { npyBytes, npyHeader } from '../helpers/npy.js';
import { numpyFiles } from '../helpers/numpy-files.js';

const folder = mkdtempSync(join(tmpdir(), 'hypersphere-files-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
function fileOf(content: string | Uint8Array, extension: string): string {
  const path = join(folder, `${files++}${extension}`);
  writeFileSync(path, content);
  return path;
}
const byNumPy = (name: keyof typeof numpyFiles, extension = '.npy'): string => fileOf(Buffer.from(numpyFiles[name], 'base64'), extension);
const x = [1.5, -2, 0.25, 3, 65504, -0.0078125];

describe('readEmbeddings', () => {
  it.each([
    ['float16', '.npy'],
    ['fortran64', '.npy'],
    ['npz', '.npz'],
    ['deflated', '.npz'],
    ['one', '.npz'],
  ] as const)('reads what NumPy writes: %s%s', async (name, extension) => {
    expect(await readEmbeddings(byNumPy(name, extension))).toEqual(matrix(Float32Array.from(x), 3));
  });

  it('takes the array that is named', async () => {
    expect(await readEmbeddings(byNumPy('two', '.npz'), { array: 'b' })).toEqual(matrix(Float32Array.from(x), 3));
  });

  it.each([
    ['names, and a column of labels', 'a,label,b\n1,cat,2e-3\n-3,dog,nan\n', { labelColumn: 'label' }, [1, 2e-3, -3, Number.NaN], 2],
    ['no names', '1,2\r\n3,inf\r\n', {}, [1, 2, 3, Number.POSITIVE_INFINITY], 2],
    ['an index of a column of words', 'cat,1\ndog,2\n', { labelColumn: 0 }, [1, 2], 1],
    ['quotes, a mark of the encoding and empty lines', '\ufeff"x","y"\n"1","2"\n\n', {}, [1, 2], 2],
    ['another delimiter', '1 2\n3 4\n', { delimiter: ' ' }, [1, 2, 3, 4], 2],
  ] as const)('reads .csv with %s', async (_what, text, options, values, cols) => {
    expect(await readEmbeddings(fileOf(text, '.csv'), options)).toEqual(matrix(Float32Array.from(values), cols));
  });

  it('reads tabs from .tsv, and more rows than it starts with room for', async () => {
    const data = Float32Array.from({ length: 6000 }, (_, i) => Math.fround(Math.sin(i)));
    const text = Array.from({ length: 2000 }, (_, i) => data.subarray(3 * i, 3 * i + 3).join('\t')).join('\n');
    expect(await readEmbeddings(fileOf(text, '.tsv'))).toEqual(matrix(data, 3));
  });

  const sound = npyBytes(Float32Array.from(x), 3);
  const zip = (members: Record<string, Uint8Array>): Buffer => Buffer.from(zipSync(members));
  const damaged = (): Buffer => Buffer.from(numpyFiles.deflated, 'base64').fill(0xff, 40, 90);
  it.each<[string, string, Uint8Array | string, string, ReadOptions?]>([
    ['big-endian elements', 'ERR_TYPE', Buffer.from(numpyFiles.bigEndian, 'base64'), '.npy'],
    ['words', 'ERR_TYPE', Buffer.from(numpyFiles.words, 'base64'), '.npy'],
    ['three dimensions', 'ERR_SHAPE', Buffer.from(numpyFiles.three, 'base64'), '.npy'],
    ['one dimension', 'ERR_SHAPE', Buffer.from(numpyFiles.int64, 'base64'), '.npy'],
    ['a missing end', 'ERR_FORMAT', sound.subarray(0, sound.length - 1), '.npy'],
    ['more than the header says', 'ERR_FORMAT', Buffer.concat([sound, Buffer.of(0)]), '.npy'],
    ['a huge shape over a few bytes', 'ERR_FORMAT', npyHeader(2 ** 40, 2 ** 10), '.npy'],
    ['nothing', 'ERR_FORMAT', '', '.npy'],
    ['a .npy called .npz', 'ERR_FORMAT', sound, '.npz'],
    ['a damaged member', 'ERR_FORMAT', damaged(), '.npz'],
    ['an archive without arrays', 'ERR_OPTION_RANGE', zip({ 'a.txt': strToU8('a') }), '.npz'],
    ['two arrays, neither named', 'ERR_OPTION_RANGE', Buffer.from(numpyFiles.two, 'base64'), '.npz'],
    ['a name that is not there', 'ERR_OPTION_RANGE', Buffer.from(numpyFiles.two, 'base64'), '.npz', { array: 'c' }],
    ['a member that ends early', 'ERR_FORMAT', zip({ 'x.npy': sound.subarray(0, sound.length - 4) }), '.npz'],
    ['a word among numbers', 'ERR_FORMAT', '1,2\n3,four\n', '.csv'],
    ['an empty cell', 'ERR_FORMAT', '1,2\n3,\n', '.csv'],
    ['rows of unequal length', 'ERR_FORMAT', '1,2\n3\n', '.csv'],
    ['a quote that is not closed', 'ERR_FORMAT', '1,2\n"3,4\n', '.csv'],
    ['no line', 'ERR_FORMAT', '', '.csv'],
    ['an unknown column', 'ERR_OPTION_RANGE', 'a,b\n1,2\n', '.csv', { labelColumn: 'c' }],
    ['an index beyond the columns', 'ERR_OPTION_RANGE', '1,2\n', '.csv', { labelColumn: 2 }],
    ['labels alone', 'ERR_SHAPE', '1\n2\n', '.csv', { labelColumn: 0 }],
    ['another format', 'ERR_FORMAT', '{}', '.json'],
  ])('refuses %s', async (_what, code, content, extension, options) => {
    await expect(readEmbeddings(fileOf(content, extension), options)).rejects.toMatchObject({ code });
  });

  it('rejects with the errors of the file system, and for what is no path', async () => {
    for (const extension of ['.npy', '.npz', '.csv'])
      await expect(readEmbeddings(join(folder, `absent${extension}`))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(readEmbeddings(7 as unknown as string)).rejects.toMatchObject({ code: 'ERR_TYPE', argument: 'path' });
  });
});

describe('readLabels', () => {
  it.each([
    ['int64', '.npy', [3, -1, 2147483647]],
    ['uint8', '.npy', [3, 0, 255]],
    ['column', '.npy', [3, 1]],
    ['npz', '.npz', [7, 8]],
  ] as const)('reads what NumPy writes: %s%s', async (name, extension, labels) => {
    expect(await readLabels(byNumPy(name, extension))).toEqual({ labels: Int32Array.from(labels), names: undefined });
  });

  it('reads integers and words of .csv; words in the order in which they come up', async () => {
    expect(await readLabels(fileOf('label\n4\n-2\n', '.csv'))).toEqual({ labels: Int32Array.of(4, -2), names: undefined });
    const table = fileOf('label,a\ndog,1\ncat,2\ndog,3\n', '.csv');
    expect(await readLabels(table, { labelColumn: 'label' })).toEqual({ labels: Int32Array.of(0, 1, 0), names: ['dog', 'cat'] });
  });

  it.each([
    ['an integer beyond 32 bits', 'ERR_LABEL_RANGE', () => byNumPy('wide')],
    ['fractions', 'ERR_LABEL_RANGE', () => fileOf(Buffer.concat([npyHeader(2, 1), Buffer.from(Float32Array.of(1, 0.5).buffer)]), '.npy')],
    ['several columns', 'ERR_SHAPE', () => byNumPy('float16')],
    ['several columns, none named', 'ERR_OPTION_RANGE', () => fileOf('1,2\n', '.csv')],
  ] as const)('refuses %s', async (_what, code, path) => {
    await expect(readLabels(path())).rejects.toMatchObject({ code });
  });
});

describe('writeNpy', () => {
  it('writes what readEmbeddings and readLabels give back to the bit', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 1, max: 4 }), fc.integer(), async (rows, cols, seed) => {
        const data = Float32Array.from({ length: rows * cols }, (_, i) => Math.fround(Math.sin(seed + i) * 10 ** (i % 7)));
        const labels = Int32Array.from({ length: rows }, (_, i) => (seed + i) | 0);
        const [path, labelPath] = [join(folder, 'written.npy'), join(folder, 'labels.npy')];
        await writeNpy(path, matrix(data, cols));
        await writeNpy(labelPath, labels);
        expect(await readEmbeddings(path)).toEqual(matrix(data, cols));
        expect((await readLabels(labelPath)).labels).toEqual(labels);
      }),
      { numRuns: 30 },
    );
  });

  it('writes the bytes that NumPy writes', async () => {
    const path = join(folder, 'indices.npy');
    await writeNpy(path, { data: Int32Array.of(3, 1), shape: [2, 1] });
    expect(readFileSync(path)).toEqual(Buffer.from(numpyFiles.column, 'base64'));
  });

  it('refuses another extension, a shape that is not the data, and what is no array', async () => {
    await expect(writeNpy(join(folder, 'a.npz'), Int32Array.of(1))).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    await expect(writeNpy(join(folder, 'a.npy'), { data: Int32Array.of(1), shape: [1, 2] })).rejects.toMatchObject({ code: 'ERR_SHAPE' });
    await expect(writeNpy(join(folder, 'a.npy'), [1] as never)).rejects.toMatchObject({ code: 'ERR_TYPE' });
  });
});
