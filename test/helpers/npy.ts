// Files as NumPy writes them.
export interface NpyOptions {
  readonly version?: 1 | 2 | 3;
  readonly descr?: string;
  readonly order?: string;
  readonly shape?: string;
  /** The whole dictionary, instead of the parts. */
  readonly header?: string;
}

/** Everything before the data, padded to 64 bytes as NumPy does. */
export function npyHeader(rows: number, cols: number, options: NpyOptions = {}): Buffer {
  const { version = 1, descr = "'<f4'", order = 'False', shape = `(${rows}, ${cols})` } = options;
  const text = options.header ?? `{'descr': ${descr}, 'fortran_order': ${order}, 'shape': ${shape}, }`;
  const begin = version === 1 ? 10 : 12;
  const padded = `${text}${' '.repeat((64 - ((begin + text.length + 1) % 64)) % 64)}\n`;
  const head = Buffer.alloc(begin);
  head.write('\x93NUMPY', 0, 'latin1');
  head[6] = version;
  if (version === 1) head.writeUInt16LE(padded.length, 8);
  else head.writeUInt32LE(padded.length, 8);
  return Buffer.concat([head, Buffer.from(padded, 'utf8')]);
}

export function npyBytes(data: Float32Array, cols: number, options: NpyOptions = {}): Buffer {
  return Buffer.concat([npyHeader(data.length / cols, cols, options), Buffer.from(data.buffer, data.byteOffset, data.byteLength)]);
}
