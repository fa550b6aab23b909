// The header of NumPy's format for one array: a magic string, a version, a length, and a Python literal padded to that length. The array's
// bytes follow to the end. One reader for all who take such bytes: rows of a long file, a whole array, a member of an .npz archive.
import { endianness } from 'node:os';
import { failure, type HypersphereError } from '../errors.js';

const magic = '\x93NUMPY';
/** Headers of one array of numbers are far below it; what claims to be longer is another file. */
const longestHeader = 2 ** 16;

/** What an array is, as its header says; nothing is known yet of its bytes. */
export interface NpyHeader {
  /** NumPy's name of the elements' type, such as `<f4`; for a structure the text of its list. */
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
  /** Where the elements begin. */
  readonly start: number;
}

/** Fills `into` from `position` on, or rejects with ERR_FORMAT at the end of what there is. */
export type ReadAt = (into: Uint8Array, position: number) => Promise<void>;

export const malformed = (argument: string, expected: string, received: string): HypersphereError =>
  failure('ERR_FORMAT', argument, expected, received);

/** The value that stands for `key` in the header's dictionary, as text. @throws ERR_FORMAT where it stands there twice */
function entry(argument: string, header: string, key: string, value: string): string | undefined {
  if (header.split(new RegExp(`['"]${key}['"]\\s*:`)).length > 2) throw malformed(argument, `one '${key}'`, 'several');
  return new RegExp(`['"]${key}['"]\\s*:\\s*(${value})\\s*(?:,|\\})`).exec(header)?.[1];
}

function parsed(argument: string, header: string): Omit<NpyHeader, 'start'> {
  if (!/^\{.*\}\s*$/s.test(header)) throw malformed(argument, 'a header that is a dictionary', 'something else');
  const descr = entry(argument, header, 'descr', `'[^']*'|"[^"]*"|\\[.*\\]`);
  if (descr === undefined) throw failure('ERR_TYPE', argument, 'a type of elements', 'none');
  const order = entry(argument, header, 'fortran_order', 'True|False');
  if (order === undefined) throw malformed(argument, 'an order of the elements', 'no fortran_order');
  const shape = entry(argument, header, 'shape', '\\([^)]*\\)');
  const sizes = shape
    ?.slice(1, -1)
    .split(',')
    .map((size) => size.trim());
  if (sizes?.at(-1) === '') sizes.pop();
  if (!sizes?.every((size) => /^\d+$/.test(size) && Number.isSafeInteger(Number(size))))
    throw malformed(argument, 'a shape of sizes', shape ?? 'none');
  return { descr: descr.replace(/^(['"])(.*)\1$/, '$2'), fortranOrder: order === 'True', shape: sizes.map(Number) };
}

/** Versions 1 to 3 of the format. Rejects with ERR_FORMAT, or ERR_TYPE where no type of elements is named. */
export async function readNpyHeader(argument: string, read: ReadAt): Promise<NpyHeader> {
  if (endianness() !== 'LE') throw failure('ERR_TYPE', argument, 'a little-endian machine', 'a big-endian one');
  const begin = Buffer.alloc(12);
  await read(begin.subarray(0, 10), 0);
  if (begin.toString('latin1', 0, 6) !== magic) throw malformed(argument, 'a .npy file', 'another magic string');
  const version = begin[6] as number;
  if (version < 1 || version > 3) throw malformed(argument, 'version 1, 2 or 3 of the format', `${version}`);
  const lengthEnd = version === 1 ? 10 : 12;
  if (version > 1) await read(begin.subarray(10), 10);
  const length = version === 1 ? begin.readUInt16LE(8) : begin.readUInt32LE(8);
  if (length > longestHeader) throw malformed(argument, `a header of at most ${longestHeader} bytes`, `${length}`);
  const header = Buffer.alloc(length);
  await read(header, lengthEnd);
  return { ...parsed(argument, header.toString(version === 3 ? 'utf8' : 'latin1')), start: lengthEnd + length };
}

/** Everything before the elements, in version 1 of the format, padded to 64 bytes as NumPy does. */
export function npyHeader(descr: '<f4' | '<i4', shape: readonly number[]): Buffer {
  const sizes = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${sizes}, }`;
  const begin = 10;
  const padded = `${text.padEnd(Math.ceil((begin + text.length + 1) / 64) * 64 - begin - 1)}\n`;
  const head = Buffer.alloc(begin + padded.length);
  head.write(magic, 0, 'latin1');
  head[6] = 1;
  head.writeUInt16LE(padded.length, 8);
  head.write(padded, begin, 'latin1');
  return head;
}
