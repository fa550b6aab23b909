// Embeddings and labels in the files that other tools write: `hypersphere/files`.
import { open, writeFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { checkMatrix } from '../checks.js';
import { allocated, describe, failure } from '../errors.js';
import { type IndexMatrix, type Matrix, matrix } from '../matrix.js';
import { readAll } from '../safetensors.js';
import { type CsvOptions, readCsv } from './csv.js';
import { type NumberArray, readNpyArray } from './npy-array.js';
import { malformed, npyHeader } from './npy-header.js';
import { openNpz } from './npz.js';

export type { CsvOptions } from './csv.js';

export interface ReadOptions extends CsvOptions {
  /** Which array of an .npz archive; default the only one, else `embeddings` or `x`, for labels `labels` or `y`. */
  readonly array?: string;
}

/** Labels as every loss takes them. */
export interface LabelFile {
  /** [N]; the file's integers, or where it has words their places in `names`. */
  readonly labels: Int32Array;
  /** The distinct words in the order in which they come up; undefined where the file has integers. */
  readonly names: readonly string[] | undefined;
}

const formats = ['.npy', '.npz', '.csv', '.tsv'];

function formatOf(path: unknown): string {
  if (typeof path !== 'string') throw failure('ERR_TYPE', 'path', 'the path of a file', describe(path));
  const format = extname(path).toLowerCase();
  if (!formats.includes(format)) throw failure('ERR_FORMAT', 'path', `a file that ends in ${formats.join(', ')}`, `'${format}'`);
  return format;
}

async function readArray<Data extends Float32Array | Float64Array>(
  path: string,
  { array }: ReadOptions,
  usual: readonly string[],
  create: (length: number) => Data,
): Promise<NumberArray<Data>> {
  const make = (length: number): Data => allocated('path', `${length} elements`, () => create(length));
  if (formatOf(path) === '.npz') {
    const { size, read } = await openNpz(path, array, usual);
    return readNpyArray('path', size, read, make);
  }
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    return await readNpyArray('path', size, (into, position) => readAll(file, into, position), make);
  } finally {
    await file.close();
  }
}

const isText = (path: string): boolean => ['.csv', '.tsv'].includes(formatOf(path));

/**
 * Rows of a file as a matrix [N, D]: `.npy` or `.npz` of two dimensions (float16, float32, float64, integers or booleans, little-endian, C or
 * Fortran order), `.csv` or `.tsv` of numbers with or without a line of names. Values become float32. Arrays may be longer than 2 GiB in .npy.
 * Rejects with ERR_TYPE, ERR_SHAPE, ERR_FORMAT, ERR_OPTION_RANGE, ERR_OUT_OF_MEMORY and with Node's own errors of the file system; nothing is
 * allocated on the word of a header before the file's length bears it out. .csv needs the package `csv-parse`.
 */
export async function readEmbeddings(path: string, options: ReadOptions = {}): Promise<Matrix> {
  if (isText(path)) {
    const { values, cols } = await readCsv(path, options);
    if (cols === 0) throw failure('ERR_SHAPE', 'path', 'a column beside the labels', 'none');
    return matrix(values, cols);
  }
  const { shape, data } = await readArray(path, options, ['embeddings', 'x'], (length) => new Float32Array(length));
  const [, cols] = shape;
  if (shape.length !== 2 || !cols) throw failure('ERR_SHAPE', 'path', 'rows and at least one column', `(${shape.join(', ')})`);
  return matrix(data, cols);
}

function integers(values: ArrayLike<number>): Int32Array {
  return Int32Array.from(values, (value, i) => {
    if ((value | 0) === value) return value;
    throw failure('ERR_LABEL_RANGE', 'path', 'integers of 32 bits', `${value} at ${i}`);
  });
}

function fromWords(words: readonly string[]): LabelFile {
  const isInteger = (word: string): boolean => /^-?\d+$/.test(word);
  // A word above nothing but integers is their column's name.
  const numbers = words.length > 1 && !isInteger(words[0] as string) ? words.slice(1) : words;
  if (numbers.every(isInteger)) return { labels: integers(numbers.map(Number)), names: undefined };
  const places = new Map<string, number>();
  for (const word of words) if (!places.has(word)) places.set(word, places.size);
  return { labels: Int32Array.from(words, (word) => places.get(word) as number), names: [...places.keys()] };
}

/**
 * Labels [N] of a file: `.npy` or `.npz` of one dimension, or of one column, integers; `.csv` or `.tsv`, the column `labelColumn`, without it the
 * only one, integers or words.
 * Rejects as `readEmbeddings` does, and with ERR_LABEL_RANGE for a number that is no integer of 32 bits.
 */
export async function readLabels(path: string, options: ReadOptions = {}): Promise<LabelFile> {
  if (isText(path)) {
    const { labelColumn = 0 } = options;
    const { cols, labels } = await readCsv(path, { ...options, labelColumn });
    if (options.labelColumn === undefined && cols > 0)
      throw failure('ERR_OPTION_RANGE', 'options.labelColumn', `a column of the ${cols + 1} in the file`, 'undefined');
    return fromWords(labels);
  }
  const { shape, data } = await readArray(path, options, ['labels', 'y'], (length) => new Float64Array(length));
  if (shape.length === 0 || (shape[1] ?? 1) !== 1)
    throw failure('ERR_SHAPE', 'path', 'one dimension, or one column', `(${shape.join(', ')})`);
  return { labels: integers(data), names: undefined };
}

/**
 * Writes a matrix as float32 [rows, cols], indices (of `nearest`, of a miner) as int32 [rows, cols] or labels as int32 [N]: what NumPy's `load`,
 * `readEmbeddings` and `readLabels` take. Rejects with ERR_TYPE, ERR_SHAPE, ERR_DETACHED and Node's errors of the file system.
 */
export async function writeNpy(path: string, array: Matrix | IndexMatrix | Int32Array): Promise<void> {
  if (formatOf(path) !== '.npy') throw malformed('path', 'a file that ends in .npy', `'${extname(path)}'`);
  const isVector = array instanceof Int32Array;
  const indices = isVector
    ? array
    : (array as IndexMatrix | undefined)?.data instanceof Int32Array
      ? (array as IndexMatrix).data
      : undefined;
  const { data, shape } = indices
    ? { data: indices, shape: isVector ? [indices.length] : (array as IndexMatrix).shape }
    : checkMatrix('array', array);
  const length = shape.reduce((product, size) => product * size, 1);
  if (data.length !== length) throw failure('ERR_SHAPE', 'array', `${length} elements, as its shape says`, `${data.length}`);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  await writeFile(
    path,
    (function* parts() {
      yield npyHeader(indices ? '<i4' : '<f4', shape);
      // One write of Node ends at 2 GiB.
      for (let at = 0; at < bytes.length; at += 2 ** 24) yield bytes.subarray(at, at + 2 ** 24);
    })(),
  );
}
