// The safetensors format: 8 bytes of header length (little-endian), a JSON header, then the tensors' bytes without a gap.
// Both ways in pieces, since Node's buffers end at 4 GiB and one write at 2 GiB. A file appears under its name only when it is
// complete and on the disk, so that a crash at any moment leaves the old file or the new one.
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { failure, type HypersphereError } from './errors.js';
import { repeatedKey } from './json-keys.js';

/** Written at once, read at once. */
const pieceBytes = 2 ** 24;
/** The format allows 100 MB. Our headers have a few names, and JSON may take fifty times its length when it is parsed. */
const longestHeader = 2 ** 20;

const bytesOf: Readonly<Record<string, number>> = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

/** A tensor in memory: float32, int32, or bfloat16 as `toBfloat16` makes it. */
export interface Tensor {
  readonly data: Float32Array | Int32Array | Uint16Array;
  readonly shape: readonly number[];
}

/** A tensor in a file. */
export interface TensorEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Its bytes, from the end of the header on. */
  readonly begin: number;
  readonly end: number;
}

/** Where to put a tensor, or a run of its elements. */
export interface Target {
  readonly name: string;
  /** First element, default 0. */
  readonly from?: number;
  readonly into: Tensor['data'];
}

export function dtypeOf(data: Tensor['data']): 'F32' | 'I32' | 'BF16' {
  if (data instanceof Float32Array) return 'F32';
  return data instanceof Int32Array ? 'I32' : 'BF16';
}

const viewOf = (data: Tensor['data'], from: number, bytes: number): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset + from, bytes);

// The checksum covers header and data, and stands in the header: its own digits count as zeros.
const checksumKey = 'crc32';
const noDigits = '00000000';
const asDigits = (crc: number): string => crc.toString(16).padStart(8, '0');

/** A buffer that was transferred has no bytes left: its file would be sound but for its data. */
function checkWhole(name: string, { data, shape }: Tensor): void {
  const bytes = shape.reduce((product, size) => product * size, data.BYTES_PER_ELEMENT);
  if (data.byteLength === bytes) return;
  throw failure(data.byteLength === 0 ? 'ERR_DETACHED' : 'ERR_SHAPE', name, `${bytes} bytes, as its shape says`, `${data.byteLength}`);
}

function headerOf(tensors: Readonly<Record<string, Tensor>>, metadata: Readonly<Record<string, string>>): Buffer {
  let end = 0;
  const entries = Object.entries(tensors).map(([name, tensor]) => {
    checkWhole(name, tensor);
    const { data, shape } = tensor;
    const begin = end;
    end += data.byteLength;
    return [name, { dtype: dtypeOf(data), shape, data_offsets: [begin, end] }];
  });
  const text = JSON.stringify({ __metadata__: { [checksumKey]: noDigits, ...metadata }, ...Object.fromEntries(entries) });
  // Spaces, as the format allows, so that the tensors start on 8 bytes.
  const bytes = Buffer.from(text);
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 7, ' ')]);
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
}

/** The entry of the file in its folder, on the disk. Windows opens no folder, and needs none opened. */
async function flushFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function unlessMissing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
}

/**
 * Writes the tensors, which must stay as they are until the promise settles, with a CRC-32 in the metadata. The bytes go to a file
 * beside, `<name>.<random>.tmp`, which replaces `path` (or the file it links to, whose mode it takes) when it is complete and flushed. It
 * is removed after an error or an abort; only a killed process leaves it behind.
 * Rejects with ERR_DETACHED or ERR_SHAPE for a tensor whose memory is not that of its shape, with `signal.reason`, and with Node's own errors of the file system.
 */
export async function writeSafetensors(
  path: string,
  tensors: Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted();
  const header = headerOf(tensors, metadata);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const target = (await unlessMissing(realpath(path))) ?? path;
  const mode = (await unlessMissing(stat(target)))?.mode;
  const beside = join(dirname(target), `${basename(target)}.${randomBytes(6).toString('hex')}.tmp`);
  const file = await open(beside, 'wx', mode);
  try {
    try {
      // Beyond what the process's mask let through.
      if (mode !== undefined) await file.chmod(mode & 0o777);
      await writeAll(file, length, 0);
      await writeAll(file, header, 8);
      let crc = crc32(header);
      let position = 8 + header.length;
      for (const [name, tensor] of Object.entries(tensors)) {
        const { data } = tensor;
        for (let at = 0; at < data.byteLength; at += pieceBytes) {
          signal?.throwIfAborted();
          const piece = viewOf(data, at, Math.min(pieceBytes, data.byteLength - at));
          crc = crc32(piece, crc);
          await writeAll(file, piece, position);
          position += piece.length;
        }
        checkWhole(name, tensor);
      }
      header.write(asDigits(crc), digitsAt(header));
      await writeAll(file, header, 8);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, target);
  } catch (error) {
    await unlink(beside).catch(() => {});
    throw error;
  }
  await flushFolder(target);
}

/** Where in the header the checksum's digits stand; −1 without one. */
function digitsAt(header: Buffer): number {
  const before = `"${checksumKey}":"`;
  const at = header.indexOf(before);
  return at < 0 ? -1 : at + before.length;
}

const malformed = (expected: string, received: string): HypersphereError => failure('ERR_FORMAT', 'path', expected, received);

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null && !Array.isArray(value);

function parsed(header: Buffer): [string, unknown][] {
  if (header[0] !== 0x7b) throw malformed('a header that starts with {', `byte ${header[0]}`);
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(header);
    value = JSON.parse(text);
  } catch (error) {
    throw malformed('a header of JSON in UTF-8', (error as Error).message);
  }
  if (!isObject(value)) throw malformed('a header that is a JSON object', 'something else');
  const repeated = repeatedKey(text);
  if (repeated !== undefined) throw malformed('every key of the header once', `'${repeated.slice(0, 40)}' twice`);
  return Object.entries(value);
}

function metadataOf(value: unknown): Map<string, string> {
  const entries = isObject(value) ? Object.entries(value) : undefined;
  if (!entries?.every(([, text]) => typeof text === 'string')) throw malformed('__metadata__ of strings', 'something else');
  return new Map(entries);
}

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function entryOf(name: string, value: unknown): TensorEntry {
  const { dtype, shape, data_offsets: offsets } = (isObject(value) ? value : {}) as Record<string, unknown>;
  const wrong = (what: string): HypersphereError => malformed(`a tensor '${name.slice(0, 40)}' with ${what}`, 'something else');
  if (typeof dtype !== 'string' || !Object.hasOwn(bytesOf, dtype)) throw wrong('a known dtype');
  if (!Array.isArray(shape) || !shape.every(isSize)) throw wrong('a shape of sizes');
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) throw wrong('two data_offsets');
  const [begin, end] = offsets as [number, number];
  // A product beyond 2⁵³ is no longer exact, but no file is that long.
  const bytes = shape.reduce((product: number, size: number) => product * size, bytesOf[dtype] as number);
  if (end - begin !== bytes) throw wrong('data_offsets as long as its shape');
  return { dtype, shape, begin, end };
}

/** The tensors lie one after another, from the header to the end of the file. */
function checkLayout(tensors: ReadonlyMap<string, TensorEntry>, dataBytes: number): void {
  let end = 0;
  for (const entry of [...tensors.values()].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (entry.begin !== end) throw malformed('tensors without gap or overlap', `one at ${entry.begin} after one that ends at ${end}`);
    end = entry.end;
  }
  if (end !== dataBytes) throw malformed(`${end} bytes of tensors, as the header says`, `${dataBytes}`);
}

/** Fills `into` from that position of the file on; one read may return less. Rejects with ERR_FORMAT where the file ends before. */
export async function readAll(file: FileHandle, into: Uint8Array, position: number, argument = 'path'): Promise<void> {
  for (let at = 0; at < into.length; ) {
    const { bytesRead } = await file.read(into, at, into.length - at, position + at);
    if (bytesRead === 0) throw failure('ERR_FORMAT', argument, 'a whole file', `an end at byte ${position + at}`);
    at += bytesRead;
  }
}

/** An open file whose header has been checked: types, shapes, offsets and length agree. The data has not, before `read`. */
export class SafetensorsFile {
  readonly #file: FileHandle;
  readonly #header: Buffer;
  readonly #dataBytes: number;
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, TensorEntry>;

  private constructor(file: FileHandle, header: Buffer, dataBytes: number) {
    this.#file = file;
    this.#header = header;
    this.#dataBytes = dataBytes;
    const entries = parsed(header);
    this.metadata = metadataOf(entries.find(([name]) => name === '__metadata__')?.[1] ?? {});
    this.tensors = new Map(entries.filter(([name]) => name !== '__metadata__').map(([name, value]) => [name, entryOf(name, value)]));
    checkLayout(this.tensors, dataBytes);
  }

  /** Rejects with ERR_FORMAT for anything but a sound header, and with Node's own errors of the file system. */
  static async open(path: string): Promise<SafetensorsFile> {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const length = Buffer.alloc(8);
      await readAll(file, length, 0);
      const headerBytes = Number(length.readBigUInt64LE());
      if (headerBytes > longestHeader) throw malformed(`a header of at most ${longestHeader} bytes`, `${headerBytes}`);
      if (headerBytes > size - 8) throw malformed(`a header inside the file's ${size} bytes`, `${headerBytes}`);
      const header = Buffer.alloc(headerBytes);
      await readAll(file, header, 8);
      return new SafetensorsFile(file, header, size - 8 - headerBytes);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * Reads the whole file once, fills the targets and compares the checksum; what they hold after an error is unspecified.
   * Rejects with ERR_FORMAT where a target's tensor is absent, of another type or too short, where the file holds no checksum or another
   * one, and with `signal.reason`.
   */
  async read(targets: readonly Target[], signal?: AbortSignal): Promise<void> {
    const runs = targets.map((target) => this.#run(target));
    const digits = this.metadata.get(checksumKey) ?? '';
    const at = digitsAt(this.#header);
    if (!/^[0-9a-f]{8}$/.test(digits) || this.#header.toString('latin1', at, at + 8) !== digits)
      throw malformed(`a checksum ${checksumKey} of eight digits`, digits || 'none');
    const zeroed = Buffer.from(this.#header);
    zeroed.write(noDigits, at);
    let crc = crc32(zeroed);
    const piece = new Uint8Array(Math.min(pieceBytes, this.#dataBytes));
    for (let start = 0; start < this.#dataBytes; start += piece.length) {
      signal?.throwIfAborted();
      const bytes = piece.subarray(0, Math.min(piece.length, this.#dataBytes - start));
      await readAll(this.#file, bytes, 8 + this.#header.length + start);
      crc = crc32(bytes, crc);
      for (const { begin, into } of runs) {
        const from = Math.max(begin, start);
        const to = Math.min(begin + into.byteLength, start + bytes.length);
        if (from < to) viewOf(into, from - begin, to - from).set(bytes.subarray(from - start, to - start));
      }
    }
    if (asDigits(crc) !== digits) throw malformed(`the checksum ${digits}`, `${asDigits(crc)}: the file is damaged`);
  }

  #run({ name, from = 0, into }: Target): { readonly begin: number; readonly into: Target['into'] } {
    const entry = this.tensors.get(name);
    const dtype = dtypeOf(into);
    if (entry?.dtype !== dtype) throw malformed(`a tensor '${name}' of ${dtype}`, entry?.dtype ?? 'none');
    const begin = entry.begin + from * into.BYTES_PER_ELEMENT;
    if (begin + into.byteLength > entry.end) throw malformed(`a tensor '${name}' of ${from + into.length} elements`, 'fewer');
    return { begin, into };
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
