// What of the zip format an .npz archive is: members stored or deflated, with ZIP64's sizes, in one file. Node's zlib inflates. Every member is held to the
// checksum that the archive has of it, and to the sizes that its directory claims, none of which is believed beyond what the archive's length allows.
import { crc32, inflateRawSync } from 'node:zlib';
import { allocated } from '../errors.js';
import { malformed } from './npy-header.js';

export interface ZipMember {
  readonly size: number;
  /** Inflates it. @throws ERR_FORMAT where sizes or the checksum do not agree, ERR_OUT_OF_MEMORY */
  bytes(): Uint8Array;
}

/** Deflate makes 258 bytes of two bits at best. */
const bestRatio = 1032;
const mostMembers = 2 ** 16;

const unsound = (what: string): never => {
  throw malformed('path', 'a sound .npz archive', what);
};

/** Numbers at their places; a place outside the archive is an error of the format, not of a buffer. */
class Reader {
  readonly bytes: Buffer;
  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
  part(at: number, length: number): Buffer {
    if (!(at >= 0 && at + length <= this.bytes.length)) unsound(`a part at byte ${at} that ends beyond ${this.bytes.length}`);
    return this.bytes.subarray(at, at + length);
  }
  u16(at: number): number {
    return this.part(at, 2).readUInt16LE();
  }
  u32(at: number): number {
    return this.part(at, 4).readUInt32LE();
  }
  u64(at: number): number {
    return Number(this.part(at, 8).readBigUInt64LE());
  }
  signature(at: number, wanted: number, what: string): void {
    if (this.u32(at) !== wanted) unsound(`no ${what} at byte ${at}`);
  }
}

/** Where the directory begins and ends, and how many entries it has. */
function directoryOf(file: Reader): { readonly begin: number; readonly end: number; readonly count: number } {
  const { length } = file.bytes;
  // A comment of up to 64 KiB may follow the record; its length tells the record from bytes that look like it.
  let at = length - 22;
  const first = Math.max(at - 0xffff, 0);
  while (at >= first && !(file.u32(at) === 0x06054b50 && at + 22 + file.u16(at + 20) === length)) at--;
  if (at < first) return unsound('no end of a directory');
  const [count, size, begin] = [file.u16(at + 10), file.u32(at + 12), file.u32(at + 16)];
  let found = { begin, end: begin + size, count, record: at };
  if (count === 0xffff || size === 0xffffffff || begin === 0xffffffff) {
    file.signature(at - 20, 0x07064b50, 'locator of ZIP64');
    const record = file.u64(at - 12);
    file.signature(record, 0x06064b50, 'record of ZIP64');
    const from = file.u64(record + 48);
    found = { begin: from, end: from + file.u64(record + 40), count: file.u64(record + 32), record };
  }
  if (found.end !== found.record) unsound(`a directory that ends at ${found.end}, not at ${found.record}`);
  return found;
}

/** The fields of ZIP64 that stand for those of 32 bits which are full, in their order. */
function wide(file: Reader, at: number, length: number, fields: readonly number[]): number[] {
  const end = at + length;
  let from = at;
  while (from + 4 <= end && file.u16(from) !== 1) from += 4 + file.u16(from + 2);
  let next = from + 4;
  return fields.map((field) => {
    if (field !== 0xffffffff) return field;
    if (next + 8 > end) return unsound('a size without its field of ZIP64');
    next += 8;
    return file.u64(next - 8);
  });
}

/** The members by name, none of them read yet. @throws ERR_FORMAT for anything but a sound archive in one file without encryption */
export function zipMembers(archive: Buffer): Map<string, ZipMember> {
  const file = new Reader(archive);
  const { begin, end, count } = directoryOf(file);
  // Each costs memory before anybody asks for it.
  if (count > mostMembers) unsound(`${count} members, more than ${mostMembers}`);
  const members = new Map<string, ZipMember>();
  let at = begin;
  for (let i = 0; i < count; i++) {
    file.signature(at, 0x02014b50, 'entry of the directory');
    const [flags, method, crc] = [file.u16(at + 8), file.u16(at + 10), file.u32(at + 16)];
    const [nameLength, extraLength, commentLength] = [file.u16(at + 28), file.u16(at + 30), file.u16(at + 32)];
    const name = file.part(at + 46, nameLength).toString(flags & 0x800 ? 'utf8' : 'latin1');
    const fields = [file.u32(at + 24), file.u32(at + 20), file.u32(at + 42)];
    const [size, packed, header] = wide(file, at + 46 + nameLength, extraLength, fields) as [number, number, number];
    if (members.has(name)) unsound(`two members '${name.slice(0, 40)}'`);
    const same = file.bytes.subarray(at + 46, at + 46 + nameLength);
    members.set(name, { size, bytes: () => inflated(file, { name, same, flags, method, crc, size, packed, header, limit: begin }) });
    at += 46 + nameLength + extraLength + commentLength;
  }
  if (at !== end) unsound(`${count} entries that end at ${at}, not at ${end}`);
  return members;
}

interface Entry {
  readonly name: string;
  readonly same: Buffer;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly size: number;
  readonly packed: number;
  readonly header: number;
  /** Where the directory begins. */
  readonly limit: number;
}

function inflated(file: Reader, { name, same, flags, method, crc, size, packed, header, limit }: Entry): Uint8Array {
  const member = `member '${name.slice(0, 40)}'`;
  if (flags & 1) unsound(`${member}, encrypted`);
  if (method !== 0 && method !== 8) unsound(`${member}, packed by method ${method}`);
  file.signature(header, 0x04034b50, `header of ${member}`);
  const [nameLength, extraLength] = [file.u16(header + 26), file.u16(header + 28)];
  if (!file.part(header + 30, nameLength).equals(same)) unsound(`${member}, by another name where it lies`);
  const from = header + 30 + nameLength + extraLength;
  if (from + packed > limit) unsound(`${member}, which reaches into the directory`);
  // Before anything of that size is made: it is only a claim so far.
  if (method === 0 ? size !== packed : size > bestRatio * packed) unsound(`${member} of ${size} bytes in ${packed}`);
  const bytes = method === 0 ? file.part(from, packed) : inflate(file.part(from, packed), size, member);
  if (bytes.length !== size) unsound(`${member} of ${size} bytes that has ${bytes.length}`);
  if (crc32(bytes) !== crc) unsound(`${member}, whose checksum is another: it is damaged`);
  return bytes;
}

function inflate(packed: Buffer, size: number, member: string): Buffer {
  return allocated('path', `${size} bytes`, () => {
    try {
      // In one piece, with room to see that nothing follows.
      return inflateRawSync(packed, { chunkSize: Math.max(size + 1, 64), maxOutputLength: size + 1 });
    } catch (error) {
      const { code = '', message } = error as NodeJS.ErrnoException;
      if (code === 'ERR_BUFFER_TOO_LARGE') return unsound(`${member} of ${size} bytes that has more`);
      if (code.startsWith('Z_') && code !== 'Z_MEM_ERROR') return unsound(`${member}: ${message}`);
      throw error;
    }
  });
}
