// Rows of a .npy file, NumPy's format for one array: a magic string, a version, the length of a header that is a Python literal, the
// header, and the array's bytes to the end of the file. Read in pieces at their positions, so a file of any length passes through one buffer.
import { type FileHandle, open } from 'node:fs/promises';
import { endianness } from 'node:os';
import { failure, type HypersphereError } from './errors.js';
import type { Matrix } from './matrix.js';
import { readAll } from './safetensors.js';

const magic = '\x93NUMPY';
/** Elements read at once, or one row where that is more: 4 MiB. */
const pieceElements = 2 ** 20;
/** Headers of one array of numbers are far below it; what claims to be longer is another file. */
const longestHeader = 2 ** 16;

const malformed = (argument: string, expected: string, received: string): HypersphereError =>
  failure('ERR_FORMAT', argument, expected, received);

/** The value that stands for `key` in the header's dictionary, as text. */
function entry(header: string, key: string, value: string): string | undefined {
  return new RegExp(`['"]${key}['"]\\s*:\\s*(${value})\\s*(?:,|\\})`).exec(header)?.[1];
}

function shapeOf(argument: string, header: string): readonly [rows: number, cols: number] {
  if (!/^\{.*\}\s*$/s.test(header)) throw malformed(argument, 'a header that is a dictionary', 'something else');
  const descr = entry(header, 'descr', `'[^']*'|"[^"]*"|\\[.*\\]`);
  if (descr?.slice(1, -1) !== '<f4') throw failure('ERR_TYPE', argument, "elements of type '<f4', float32", descr ?? 'none');
  const order = entry(header, 'fortran_order', 'True|False');
  if (order !== 'False') throw malformed(argument, 'rows one after another, fortran_order False', order ?? 'no fortran_order');
  const shape = entry(header, 'shape', '\\([^)]*\\)');
  const sizes = shape
    ?.slice(1, -1)
    .split(',')
    .map((size) => size.trim());
  if (sizes?.at(-1) === '') sizes.pop();
  if (!sizes?.every((size) => /^\d+$/.test(size) && Number.isSafeInteger(Number(size))))
    throw malformed(argument, 'a shape of sizes', shape ?? 'none');
  const [rows, cols] = sizes.map(Number);
  if (sizes.length !== 2 || !cols) throw failure('ERR_SHAPE', argument, 'a shape of rows and at least one column', shape as string);
  return [rows as number, cols];
}

/** An open .npy file of float32 rows [rows, cols]. */
export class NpyFile {
  readonly #argument: string;
  readonly #file: FileHandle;
  /** Where the rows begin. */
  readonly #start: number;
  readonly shape: readonly [rows: number, cols: number];

  private constructor(argument: string, file: FileHandle, start: number, shape: readonly [number, number]) {
    this.#argument = argument;
    this.#file = file;
    this.#start = start;
    this.shape = shape;
  }

  /**
   * Versions 1 to 3 of the format, little-endian float32 in C order, two dimensions.
   * Rejects with ERR_TYPE for another type of elements, ERR_SHAPE for another number of dimensions, ERR_FORMAT for Fortran order, a file that is
   * not as long as its shape says, or none of this format; and with Node's own errors of the file system. They name `argument`.
   */
  static async open(path: string, argument: string): Promise<NpyFile> {
    const file = await open(path, 'r');
    try {
      if (endianness() !== 'LE') throw failure('ERR_TYPE', argument, 'a little-endian machine', 'a big-endian one');
      const { size } = await file.stat();
      const begin = Buffer.alloc(12);
      await readAll(file, begin.subarray(0, 10), 0, argument);
      if (begin.toString('latin1', 0, 6) !== magic) throw malformed(argument, 'a .npy file', 'another magic string');
      const version = begin[6] as number;
      if (version < 1 || version > 3) throw malformed(argument, 'version 1, 2 or 3 of the format', `${version}`);
      const lengthEnd = version === 1 ? 10 : 12;
      if (version > 1) await readAll(file, begin.subarray(10), 10, argument);
      const length = version === 1 ? begin.readUInt16LE(8) : begin.readUInt32LE(8);
      if (length > longestHeader) throw malformed(argument, `a header of at most ${longestHeader} bytes`, `${length}`);
      const header = Buffer.alloc(length);
      await readAll(file, header, lengthEnd, argument);
      const shape = shapeOf(argument, header.toString(version === 3 ? 'utf8' : 'latin1'));
      const start = lengthEnd + length;
      const bytes = start + shape[0] * shape[1] * Float32Array.BYTES_PER_ELEMENT;
      if (size !== bytes) throw malformed(argument, `${bytes} bytes, as the header says`, `${size}`);
      return new NpyFile(argument, file, start, shape);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** All rows in order, in pieces of some 4 MiB; the next piece takes the memory of the one before. */
  async *pieces(): AsyncGenerator<Matrix, void, void> {
    const [rows, cols] = this.shape;
    const most = Math.min(Math.max(Math.floor(pieceElements / cols), 1), rows);
    const buffer = new Float32Array(most * cols);
    for (let row = 0; row < rows; row += most) {
      const count = Math.min(most, rows - row);
      const data = buffer.subarray(0, count * cols);
      await readAll(this.#file, new Uint8Array(buffer.buffer, 0, data.byteLength), this.#start + row * cols * 4, this.#argument);
      yield { data, shape: [count, cols] };
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
