// Rows of a .npy file, read in pieces at their positions, so a file of any length passes through one buffer.
import { type FileHandle, open } from 'node:fs/promises';
import { allocated, failure } from '../errors.js';
import type { Matrix } from '../matrix.js';
import { readAll } from '../safetensors.js';
import { malformed, type NpyHeader, readNpyHeader } from './npy-header.js';

/** Elements read at once, or one row where that is more: 4 MiB. */
const pieceElements = 2 ** 20;

/** Rows and columns of an array whose rows can be read where they lie. */
function rowsOf(argument: string, { descr, fortranOrder, shape }: NpyHeader): readonly [rows: number, cols: number] {
  if (descr !== '<f4') throw failure('ERR_TYPE', argument, "elements of type '<f4', float32", descr);
  if (fortranOrder) throw malformed(argument, 'rows one after another, fortran_order False', 'True');
  const [rows, cols] = shape;
  if (shape.length !== 2 || !cols) throw failure('ERR_SHAPE', argument, 'a shape of rows and at least one column', `(${shape.join(', ')})`);
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
      const { size } = await file.stat();
      const header = await readNpyHeader(argument, (into, position) => readAll(file, into, position, argument));
      const { start } = header;
      const shape = rowsOf(argument, header);
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
    const buffer = allocated(this.#argument, `${most} rows of ${cols}`, () => new Float32Array(most * cols));
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
