// A whole array of any plain number type as float64 or float32 values, from wherever its bytes can be read.
import { failure } from '../errors.js';
import { malformed, type NpyHeader, type ReadAt, readNpyHeader } from './npy-header.js';

/** Bytes read at once; a multiple of every element's size. */
const pieceBytes = 2 ** 22;

type Decode = (view: DataView, at: number) => number;

/** float16 by its definition (IEEE 754 binary16); Node 20 has no Float16Array. */
function half(view: DataView, at: number): number {
  const bits = view.getUint16(at, true);
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const size =
    exponent === 31
      ? fraction
        ? Number.NaN
        : Number.POSITIVE_INFINITY
      : exponent
        ? 2 ** (exponent - 25) * (1024 + fraction)
        : fraction * 2 ** -24;
  return bits & 0x8000 ? -size : size;
}

const decoders: Readonly<Record<string, readonly [bytes: number, decode: Decode]>> = {
  f2: [2, half],
  f4: [4, (view, at) => view.getFloat32(at, true)],
  f8: [8, (view, at) => view.getFloat64(at, true)],
  i1: [1, (view, at) => view.getInt8(at)],
  i2: [2, (view, at) => view.getInt16(at, true)],
  i4: [4, (view, at) => view.getInt32(at, true)],
  i8: [8, (view, at) => Number(view.getBigInt64(at, true))],
  u1: [1, (view, at) => view.getUint8(at)],
  u2: [2, (view, at) => view.getUint16(at, true)],
  u4: [4, (view, at) => view.getUint32(at, true)],
  u8: [8, (view, at) => Number(view.getBigUint64(at, true))],
  b1: [1, (view, at) => view.getUint8(at)],
};

/** An array in C order; what asked for it made `data`. */
export interface NumberArray<Data> {
  readonly shape: readonly number[];
  readonly data: Data;
}

/** Where `element` of the array in the file's order goes in C order. */
function placeOf({ fortranOrder, shape }: NpyHeader): (element: number) => number {
  const [rows, cols] = shape;
  if (!fortranOrder || shape.length < 2) return (element) => element;
  return (element) => (element % (rows as number)) * (cols as number) + Math.floor(element / (rows as number));
}

/**
 * Reads an array of at most two dimensions whose bytes are `size` long, header included. Little-endian float16, float32, float64, integers of up
 * to 64 bits (beyond 2⁵³ as the nearest float64) and booleans, in C or Fortran order.
 * Rejects with ERR_TYPE for other elements, ERR_SHAPE for more dimensions, ERR_FORMAT for a length that is not what the header says.
 */
export async function readNpyArray<Data extends Float32Array | Float64Array>(
  argument: string,
  size: number,
  read: ReadAt,
  create: (length: number) => Data,
): Promise<NumberArray<Data>> {
  const header = await readNpyHeader(argument, read);
  const { descr, fortranOrder, shape, start } = header;
  const [bytes, decode] = (/^[<|]/.test(descr) ? decoders[descr.slice(1)] : undefined) ?? [];
  if (!bytes || !decode) throw failure('ERR_TYPE', argument, 'little-endian numbers', descr);
  if (shape.length > 2) throw failure('ERR_SHAPE', argument, 'one or two dimensions', `(${shape.join(', ')})`);
  const length = shape.reduce((product, count) => product * count, 1);
  // Before anything of that length is made: it is only a claim so far.
  if (size !== start + length * bytes) throw malformed(argument, `${start + length * bytes} bytes, as the header says`, `${size}`);
  const data = create(length);
  if (descr === '<f4' && data instanceof Float32Array && !fortranOrder) {
    const into = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    // One read of Node ends at 2 GiB.
    for (let at = 0; at < into.length; at += pieceBytes) await read(into.subarray(at, at + pieceBytes), start + at);
    return { shape, data };
  }
  const place = placeOf(header);
  const piece = new Uint8Array(Math.min(pieceBytes, length * bytes));
  const view = new DataView(piece.buffer);
  for (let element = 0; element < length; ) {
    const count = Math.min(piece.length / bytes, length - element);
    await read(piece.subarray(0, count * bytes), start + element * bytes);
    for (let i = 0; i < count; i++, element++) data[place(element)] = decode(view, i * bytes);
  }
  return { shape, data };
}
