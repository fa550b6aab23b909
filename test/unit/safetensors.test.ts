import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { SafetensorsFile, type Target, writeSafetensors } from '../../lib/safetensors.js';

const folder = mkdtempSync(join(tmpdir(), 'hypersphere-safetensors-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

async function readBack(path: string, targets: readonly Target[]): Promise<SafetensorsFile> {
  const file = await SafetensorsFile.open(path);
  try {
    await file.read(targets);
    return file;
  } finally {
    await file.close();
  }
}

const values = Float32Array.of(1.5, -0, Number.NaN, Infinity, 1e-45, -3);
const halves = Uint16Array.of(0x3f80, 0xc040, 0x7fc0);
const tensors = { weights: { data: values, shape: [3, 2] }, half: { data: halves, shape: [3] } };

describe('safetensors', () => {
  it('writes the format, byte for byte', async () => {
    await writeSafetensors(at('format'), tensors, { note: 'a "quoted" ö' });
    const bytes = readFileSync(at('format'));
    const length = Number(bytes.readBigUInt64LE());
    expect(length % 8).toBe(0);
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + length));
    expect(header).toEqual({
      __metadata__: { crc32: expect.stringMatching(/^[0-9a-f]{8}$/), note: 'a "quoted" ö' },
      weights: { dtype: 'F32', shape: [3, 2], data_offsets: [0, 24] },
      half: { dtype: 'BF16', shape: [3], data_offsets: [24, 30] },
    });
    expect(bytes.length).toBe(8 + length + 30);
    const data = bytes.subarray(8 + length);
    expect([data.readFloatLE(0), data.readFloatLE(20), data.readUInt16LE(26)]).toEqual([1.5, -3, 0xc040]);
    // The checksum by its own definition: header and data, its digits as zeros.
    const { crc32: digits } = header.__metadata__;
    const zeroed = Buffer.from(bytes.subarray(8));
    zeroed.write('00000000', zeroed.indexOf(digits));
    expect(crc32(zeroed).toString(16).padStart(8, '0')).toBe(digits);
  });

  it('refuses a tensor whose memory is not that of its shape, the old file in place', async () => {
    await writeSafetensors(at('whole'), tensors, {});
    const before = readFileSync(at('whole'));
    const lost = Float32Array.of(1, 2);
    structuredClone(lost.buffer, { transfer: [lost.buffer] });
    await expect(writeSafetensors(at('whole'), { lost: { data: lost, shape: [2] } }, {})).rejects.toMatchObject({ code: 'ERR_DETACHED' });
    await expect(writeSafetensors(at('whole'), { half: { data: halves, shape: [2] } }, {})).rejects.toMatchObject({ code: 'ERR_SHAPE' });
    // Lost while the header is on its way.
    const late = Float32Array.of(1, 2);
    const writing = writeSafetensors(at('whole'), { late: { data: late, shape: [2] } }, {});
    structuredClone(late.buffer, { transfer: [late.buffer] });
    await expect(writing).rejects.toMatchObject({ code: 'ERR_DETACHED', argument: 'late' });
    expect(readFileSync(at('whole')).equals(before)).toBe(true);
  });

  it.runIf(process.platform !== 'win32')('keeps the mode of the file it replaces, and a link to it', async () => {
    writeFileSync(at('private'), 'old');
    symlinkSync('private', at('link'));
    for (const mode of [0o600, 0o666]) {
      chmodSync(at('private'), mode);
      await writeSafetensors(at('link'), tensors, {});
      expect(lstatSync(at('link')).isSymbolicLink()).toBe(true);
      expect(statSync(at('private')).mode & 0o777).toBe(mode);
      expect((await SafetensorsFile.open(at('private')).then((file) => file.close().then(() => file))).tensors.size).toBe(2);
      writeFileSync(at('private'), 'old');
    }
  });

  it('gives every bit back, whole or in part', async () => {
    await writeSafetensors(at('bits'), tensors, { note: 'x' });
    const [all, part, half] = [new Float32Array(6), new Float32Array(3), new Uint16Array(3)];
    const file = await readBack(at('bits'), [
      { name: 'weights', into: all },
      { name: 'weights', into: part, from: 2 },
      { name: 'half', into: half },
    ]);
    const bitsOf = (data: Float32Array): number[] => [...new Uint32Array(data.buffer)];
    expect(bitsOf(all)).toEqual(bitsOf(values));
    expect(bitsOf(part)).toEqual(bitsOf(values).slice(2, 5));
    expect(half).toEqual(halves);
    expect([...file.metadata.keys()]).toEqual(['crc32', 'note']);
    expect(file.tensors.get('half')).toEqual({ dtype: 'BF16', shape: [3], begin: 24, end: 30 });
  });

  it('crosses its pieces: a tensor of 40 MiB from an odd offset', async () => {
    const memory = new Float32Array(10 * 2 ** 20 + 3).map((_, i) => i);
    const data = memory.subarray(3);
    await writeSafetensors(at('pieces'), { odd: { data: halves, shape: [3] }, large: { data, shape: [data.length] } }, {});
    const into = new Float32Array(data.length);
    const tail = new Float32Array(5);
    await readBack(at('pieces'), [
      { name: 'large', into },
      { name: 'large', into: tail, from: data.length - 5 },
    ]);
    expect(Buffer.compare(Buffer.from(into.buffer), Buffer.from(data.buffer, data.byteOffset, data.byteLength))).toBe(0);
    expect(tail).toEqual(data.slice(-5));
    rmSync(at('pieces'));
  });

  it('has tensors without elements, and files without tensors', async () => {
    await writeSafetensors(at('empty'), { none: { data: new Float32Array(0), shape: [0, 4] } }, {});
    expect((await readBack(at('empty'), [{ name: 'none', into: new Float32Array(0) }])).tensors.get('none')?.shape).toEqual([0, 4]);
    await writeSafetensors(at('bare'), {}, { only: 'metadata' });
    expect((await readBack(at('bare'), [])).metadata.get('only')).toBe('metadata');
  });

  it('replaces a file at the end only, and leaves nothing beside it', async () => {
    const path = at('replaced');
    await writeSafetensors(path, tensors, { which: 'old' });
    const old = readFileSync(path);
    const aborted = AbortSignal.abort(new Error('no more'));
    await expect(writeSafetensors(path, tensors, { which: 'new' }, aborted)).rejects.toThrow('no more');
    const late = new AbortController();
    const data = new Float32Array(12 * 2 ** 20);
    const writing = writeSafetensors(path, { data: { data, shape: [data.length] } }, { which: 'late' }, late.signal);
    setImmediate(() => late.abort(new Error('in the middle')));
    await expect(writing).rejects.toThrow('in the middle');
    expect(readFileSync(path).equals(old)).toBe(true);
    await writeSafetensors(path, tensors, { which: 'new' });
    expect((await readBack(path, [])).metadata.get('which')).toBe('new');
    expect(readdirSync(folder).filter((name) => name.startsWith('replaced'))).toEqual(['replaced']);
  });

  it("passes on the file system's errors, and removes what it began", async () => {
    await expect(writeSafetensors(at('no/such/folder'), tensors, {})).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(SafetensorsFile.open(at('no-such-file'))).rejects.toMatchObject({ code: 'ENOENT' });
    // A folder in the way: the rename fails when all has been written.
    await expect(writeSafetensors(folder, tensors, {})).rejects.toThrow();
    expect(readdirSync(join(folder, '..')).filter((name) => name.startsWith(`${folder.split('/').pop()}.`))).toEqual([]);
  });

  it('finds every file that was cut short', async () => {
    await writeSafetensors(at('whole'), tensors, {});
    const whole = readFileSync(at('whole'));
    for (let size = 0; size < whole.length; size++) {
      writeFileSync(at('cut'), whole.subarray(0, size));
      await expect(readBack(at('cut'), []), `${size} bytes`).rejects.toMatchObject({ code: 'ERR_FORMAT', argument: 'path' });
    }
    // Cut while it is read.
    writeFileSync(at('cut'), whole);
    const file = await SafetensorsFile.open(at('cut'));
    truncateSync(at('cut'), whole.length - 1);
    await expect(file.read([])).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    await file.close();
  });

  it('finds every flipped bit', async () => {
    await writeSafetensors(at('sound'), tensors, { step: '123', note: 'abc' });
    const sound = readFileSync(at('sound'));
    for (let bit = 0; bit < 8 * sound.length; bit++) {
      const flipped = Buffer.from(sound);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      writeFileSync(at('flipped'), flipped);
      await expect(readBack(at('flipped'), []), `bit ${bit}`).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    }
  });
});

/** A file with this header and so many bytes of data. */
function hostile(header: string | Buffer, data = 8, claimed?: bigint): string {
  const bytes = Buffer.from(header as string);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(claimed ?? BigInt(bytes.length));
  writeFileSync(at('hostile'), Buffer.concat([length, bytes, Buffer.alloc(data)]));
  return at('hostile');
}

const tensor = (more: object): string => JSON.stringify({ w: { dtype: 'F32', shape: [2], data_offsets: [0, 8], ...more } });

describe('hostile files', () => {
  it.each<[string, string | Buffer, number?, bigint?]>([
    ['a header length of 2⁶⁴ − 1', '{}', 8, 2n ** 64n - 1n],
    ['a header of more than 1 MiB', `{${' '.repeat(2 ** 20)}}`],
    ['a header longer than the file', '{}', 8, 1000n],
    ['no header', '', 0],
    ['a header that is no JSON', '{"w": ', 8],
    ['a header of bytes that are no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]), 8],
    ['an array', '[1, 2]'],
    ['leading space', ` ${tensor({})}`],
    ['metadata of numbers', '{"__metadata__": {"a": 1}}', 0],
    ['metadata that is a list', '{"__metadata__": []}', 0],
    ['a tensor that is null', '{"w": null}'],
    ['an unknown dtype', tensor({ dtype: 'F31' })],
    ['a dtype from the prototype', tensor({ dtype: 'constructor' })],
    ['no shape', tensor({ shape: undefined })],
    ['a negative size', tensor({ shape: [-2] })],
    ['a fractional size', tensor({ shape: [0.5, 4] })],
    ['a shape beyond 2⁵³', tensor({ shape: [2 ** 52, 2 ** 52] })],
    ['a shape of another length', tensor({ shape: [3] })],
    ['offsets the wrong way round', tensor({ data_offsets: [8, 0] })],
    ['offsets beyond the file', tensor({ shape: [4], data_offsets: [0, 16] })],
    ['a tensor twice', `${tensor({}).slice(0, -1)},"\\u0077":${tensor({}).slice(5)}`],
    ['a key twice in a tensor', '{"w": {"dtype": "F32", "shape": [2], "shape": [2], "data_offsets": [0, 8]}}'],
    ['negative offsets', tensor({ data_offsets: [-8, 0] })],
    ['three offsets', tensor({ data_offsets: [0, 4, 8] })],
    ['a gap before the first tensor', tensor({ shape: [1], data_offsets: [4, 8] })],
    ['bytes after the last tensor', tensor({}), 9],
    [
      'overlapping tensors',
      JSON.stringify({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] }, b: { dtype: 'F32', shape: [1], data_offsets: [4, 8] } }),
    ],
    [
      'a gap between tensors',
      JSON.stringify({ a: { dtype: 'F32', shape: [1], data_offsets: [0, 4] }, b: { dtype: 'U8', shape: [1], data_offsets: [7, 8] } }),
    ],
  ])('%s', async (_name, header, data, claimed) => {
    await expect(SafetensorsFile.open(hostile(header, data, claimed))).rejects.toMatchObject({ code: 'ERR_FORMAT', argument: 'path' });
  });

  it('names that objects know are names like others', async () => {
    const file = await SafetensorsFile.open(hostile('{"__proto__": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}'));
    expect(file.tensors.get('__proto__')?.shape).toEqual([2]);
    expect(({} as { dtype?: string }).dtype).toBeUndefined();
    await file.close();
  });

  it('a file without a checksum, or asked for what it does not hold, is not read', async () => {
    const bare = await SafetensorsFile.open(hostile(tensor({})));
    await expect(bare.read([{ name: 'w', into: new Float32Array(2) }])).rejects.toMatchObject({ code: 'ERR_FORMAT' });
    await bare.close();
    await writeSafetensors(at('asked'), tensors, {});
    const wrong: Target[] = [
      { name: 'none', into: new Float32Array(2) },
      { name: 'weights', into: new Uint16Array(2) },
      { name: 'weights', into: new Float32Array(7) },
      { name: 'weights', into: new Float32Array(2), from: 5 },
    ];
    for (const target of wrong) await expect(readBack(at('asked'), [target])).rejects.toMatchObject({ code: 'ERR_FORMAT' });
  });
});
