import { crc32, deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { zipMembers } from '../../lib/files/zip.js';

interface Parts {
  readonly name?: string;
  readonly content?: Buffer;
  readonly deflate?: boolean;
  readonly wide?: boolean;
  readonly flags?: number;
  readonly method?: number;
  readonly crc?: number;
  /** What the directory says that it has. */
  readonly size?: number;
  /** As the header before the content has it. */
  readonly ownName?: string;
  readonly comment?: Buffer;
  readonly entries?: number;
}

const content = Buffer.from('What is in it, what is in it, what is in it.');
const u16 = (value: number): Buffer => Buffer.of(value & 255, value >> 8);
const u32 = (value: number): Buffer => Buffer.concat([u16(value & 0xffff), u16(value >>> 16)]);
const u64 = (value: number): Buffer => Buffer.concat([u32(value), u32(0)]);
const full = u32(0xffffffff);

/** An archive of one member by the specification (PKWARE's APPNOTE 4.3), with ZIP64's fields where they are asked for. */
function zipOf(parts: Parts = {}): Buffer {
  const { name = 'a.npy', deflate = false, wide = false, flags = 0, comment = Buffer.alloc(0), entries = 1 } = parts;
  const [bytes, own] = [parts.content ?? content, Buffer.from(parts.ownName ?? name)];
  const packed = deflate ? deflateRawSync(bytes) : bytes;
  const { method = deflate ? 8 : 0, crc = crc32(bytes), size = bytes.length } = parts;
  const what = Buffer.concat([u16(flags), u16(method), u32(0), u32(crc)]);
  const sizes = wide ? Buffer.concat([full, full]) : Buffer.concat([u32(packed.length), u32(size)]);
  const header = Buffer.concat([
    u32(0x04034b50),
    u16(45),
    what,
    u32(packed.length),
    u32(bytes.length),
    u16(own.length),
    u16(0),
    own,
    packed,
  ]);
  // Another field comes first, to be passed over.
  const extra = wide
    ? Buffer.concat([u16(7), u16(2), u16(1), u16(1), u16(24), u64(bytes.length), u64(packed.length), u64(0)])
    : Buffer.alloc(0);
  const entry = Buffer.concat([
    ...[u32(0x02014b50), u16(45), u16(45), what, sizes, u16(name.length), u16(extra.length), u16(0), u16(0), u16(0), u32(0)],
    ...[wide ? full : u32(0), Buffer.from(name), extra],
  ]);
  const [begin, end] = [header.length, header.length + entry.length];
  const record = wide
    ? Buffer.concat([
        ...[u32(0x06064b50), u64(44), u16(45), u16(45), u32(0), u32(0), u64(entries), u64(entries), u64(entry.length), u64(begin)],
        ...[u32(0x07064b50), u32(0), u64(end), u32(1)],
      ])
    : Buffer.alloc(0);
  const place = wide ? [full, full] : [u32(entry.length), u32(begin)];
  const count = u16(wide ? 0xffff : entries);
  return Buffer.concat([header, entry, record, u32(0x06054b50), u32(0), count, count, ...place, u16(comment.length), comment]);
}

const read = (archive: Buffer): string => Buffer.from(zipMembers(archive).get('a.npy')?.bytes() ?? []).toString();

describe('an archive', () => {
  it('is refused where it has more members than anybody would look at', () => {
    expect(() => read(zipOf({ wide: true, entries: 2 ** 16 + 1 }))).toThrow(/65537 members, more than 65536/);
  });

  it.each<[string, Parts]>([
    ['stored', {}],
    ['deflated', { deflate: true }],
    ['with the fields of ZIP64', { wide: true }],
    ['deflated, with the fields of ZIP64', { wide: true, deflate: true }],
    ['with a comment', { comment: Buffer.from('PK\x05\x06 and more, which is none of its records') }],
    ['with an empty member', { content: Buffer.alloc(0) }],
    ['with an empty member, deflated', { content: Buffer.alloc(0), deflate: true }],
  ])('%s', (_name, parts) => {
    expect(read(zipOf(parts))).toBe((parts.content ?? content).toString());
  });

  it.each<[string, Buffer]>([
    ['no bytes', Buffer.alloc(0)],
    ['no record at its end', Buffer.concat([zipOf(), Buffer.alloc(1)])],
    ['something before its first member', Buffer.concat([Buffer.from('#!'), zipOf()])],
    ['an encrypted member', zipOf({ flags: 1 })],
    ['another method', zipOf({ method: 12 })],
    ['another checksum', zipOf({ crc: 1 })],
    ['another checksum of a deflated member', zipOf({ crc: 1, deflate: true })],
    ['another name before the content', zipOf({ ownName: 'b.npy' })],
    ['more entries than it has', zipOf({ entries: 2 })],
    ['fewer entries than it has', zipOf({ entries: 0 })],
    ['a member of more bytes than it says', zipOf({ deflate: true, size: 10, content: Buffer.alloc(4128) })],
    ['a member of less', zipOf({ deflate: true, size: 4129, content: Buffer.alloc(4128) })],
    ['a stored member said to be deflated', zipOf({ method: 8 })],
  ])('is refused: %s', (_name, archive) => {
    expect(() => read(archive)).toThrow(expect.objectContaining({ code: 'ERR_FORMAT', argument: 'path' }));
  });
});
