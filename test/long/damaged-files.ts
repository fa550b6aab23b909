// Files that are cut, bit-flipped, spliced or written to harm, in every format that is read: a typed error or the sound file's content, within bounded
// memory. Where a format has no checksum a flipped bit of the body may change a number, and that is counted; nothing else may.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { readEmbeddings, readLabels } from '../../lib/files/index.js';
import { NpyFile } from '../../lib/files/npy-file.js';
import * as hs from '../../lib/index.js';
import { normalMatrix } from '../helpers/data.js';
import { numbersOf } from '../helpers/entries.js';
import { npyBytes } from '../helpers/npy.js';

/** What a reader gives as text, to be compared. */
type Read = (path: string) => Promise<string>;

interface Format {
  readonly name: string;
  readonly extension: string;
  readonly sound: Buffer;
  /** Bytes from here on are numbers that no checksum covers; Infinity where one covers all. */
  readonly body: number;
  /** A text has no length of its own: cut short it is a shorter text. */
  readonly text?: true;
  readonly read: Read;
}

const text = (result: unknown): string => numbersOf(result).join();
const rowsOf: Read = async (path) => text(await readEmbeddings(path));
const labelsOf: Read = async (path) => text((await readLabels(path)).labels);

/** Row by row, as offline mining reads. */
const piecesOf: Read = async (path) => {
  const file = await NpyFile.open(path, 'path');
  try {
    const rows: number[] = [];
    for await (const { data } of file.pieces()) rows.push(...data);
    return [...file.shape, ...rows].join();
  } finally {
    await file.close();
  }
};

const headOf: Read = async (path) => {
  const head = await hs.ClassifierHead.load(path);
  return [head.steps, JSON.stringify(head.margin), text(head.weights), text(head.bias ?? 0)].join();
};
const memoryOf: Read = async (path) => {
  const memory = await hs.CrossBatchMemory.load(path);
  const { embeddings, labels } = memory.contents();
  return [memory.capacity, text(embeddings), text(labels)].join();
};

async function formatsOf(folder: string): Promise<Format[]> {
  const { data } = normalMatrix(4, 3, 1);
  const npy = npyBytes(data, 3);
  const labels = Buffer.concat([
    npyBytes(new Float32Array(0), 5, { descr: "'<i4'", shape: '(5,)' }),
    Buffer.from(Int32Array.of(3, 1, 4, 1, 5).buffer),
  ]);
  const stored = Buffer.from(zipSync({ 'x.npy': npy, 'note.txt': Buffer.from('a') }, { level: 0 }));
  const deflated = Buffer.from(zipSync({ 'x.npy': npyBytes(normalMatrix(40, 3, 2).data.map(Math.round), 3) }));
  const csv = Buffer.from('a,b\n1.5,-2\n0.25,3e2\n');
  const paths = { head: join(folder, 'head.safetensors'), memory: join(folder, 'memory.safetensors') };
  const head = new hs.ClassifierHead({ classes: 3, dim: 2, margin: hs.sphereFace2() });
  head.step(normalMatrix(4, 2, 3), [0, 1, 2, 0]);
  await head.save(paths.head);
  const memory = new hs.CrossBatchMemory({ capacity: 4, dim: 2 });
  memory.enqueue(normalMatrix(3, 2, 4), [1, 2, 3]);
  await memory.save(paths.memory);
  const body = npy.length - data.byteLength;
  return [
    { name: '.npy, embeddings', extension: '.npy', sound: npy, body, read: rowsOf },
    { name: '.npy, row by row', extension: '.npy', sound: npy, body, read: piecesOf },
    { name: '.npy, labels', extension: '.npy', sound: labels, body: labels.length - 20, read: labelsOf },
    { name: '.npz, stored', extension: '.npz', sound: stored, body: Infinity, read: rowsOf },
    { name: '.npz, deflated', extension: '.npz', sound: deflated, body: Infinity, read: rowsOf },
    { name: '.csv', extension: '.csv', sound: csv, body: 0, text: true, read: rowsOf },
    { name: 'safetensors, a head', extension: '.safetensors', sound: readFileSync(paths.head), body: Infinity, read: headOf },
    { name: 'safetensors, a memory', extension: '.safetensors', sound: readFileSync(paths.memory), body: Infinity, read: memoryOf },
  ];
}

const codes = new Set(['ERR_FORMAT', 'ERR_TYPE', 'ERR_SHAPE', 'ERR_LABEL_RANGE', 'ERR_OPTION_RANGE', 'ERR_OUT_OF_MEMORY']);

/** What was read, or undefined for a typed error; throws for any other. */
async function outcome(read: Read, path: string, what: string): Promise<string | undefined> {
  try {
    return await read(path);
  } catch (error) {
    if (error instanceof hs.HypersphereError && codes.has(error.code)) return undefined;
    throw new Error(`${what}: an error that is none of the typed ones`, { cause: error });
  }
}

export interface Damaged {
  readonly name: string;
  readonly files: number;
  readonly refused: number;
  /** Read as if nothing had been: a bit that says nothing, such as an archive's date. */
  readonly same: number;
  /** Of an unprotected body, or a shorter text. */
  readonly changed: number;
}

/** Cuts, flips of every `every`th bit, and as many splices; throws where a damaged file is read as something else. */
export async function damage(folder: string, every: number, seed: number): Promise<Damaged[]> {
  const random = hs.createRandom(seed);
  const found: Damaged[] = [];
  for (const { name, extension, sound, body, text: isText, read } of await formatsOf(folder)) {
    const path = join(folder, `damaged${extension}`);
    const counts = { name, files: 0, refused: 0, same: 0, changed: 0 };
    writeFileSync(path, sound);
    const expected = await outcome(read, path, name);
    if (expected === undefined) throw new Error(`${name}: the sound file is refused`);
    const examine = async (bytes: Buffer, what: string, mayChange: boolean): Promise<void> => {
      writeFileSync(path, bytes);
      const got = await outcome(read, path, `${name}, ${what}`);
      counts.files++;
      if (got === undefined) counts.refused++;
      else if (got === expected) counts.same++;
      else if (mayChange) counts.changed++;
      else throw new Error(`${name}, ${what}: read as ${got.slice(0, 100)} instead of ${expected.slice(0, 100)}`);
    };
    // In a short run some of the lengths, in all others every one.
    for (let size = 0; size < sound.length; size += Math.ceil(every / 8))
      await examine(sound.subarray(0, size), `cut to ${size} bytes`, isText === true);
    for (let bit = random.integer(every); bit < 8 * sound.length; bit += every) {
      const flipped = Buffer.from(sound);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      await examine(flipped, `bit ${bit} flipped`, bit >> 3 >= body);
    }
    for (let i = 0; i < sound.length; i += every) {
      // A run of bytes taken out, put in twice, or overwritten by others; in a body a run may be replaced by a like one.
      const [from, length] = [random.integer(sound.length), 1 + random.integer(24)];
      const rest = sound.subarray(from + (i % 3 === 1 ? 0 : length));
      const put = i % 3 === 0 ? Buffer.alloc(0) : Buffer.from(Array.from({ length }, () => random.integer(256)));
      await examine(Buffer.concat([sound.subarray(0, from), put, rest]), `splice at ${from} of ${length}`, from + length > body);
    }
    found.push(counts);
  }
  return found;
}

/** A file that claims what it has not: it must be refused. */
interface Hostile {
  readonly name: string;
  readonly extension: string;
  readonly bytes: Buffer;
  readonly read: Read;
}

/** An archive with one deflated member whose directory and header claim this size. */
function claiming(content: Buffer, size: number): Buffer {
  const archive = Buffer.from(zipSync({ 'x.npy': content }));
  const directory = archive.indexOf('PK\x01\x02', 0, 'latin1');
  archive.writeUInt32LE(size, 22);
  archive.writeUInt32LE(size, directory + 24);
  return archive;
}

function safetensors(header: string, data: number): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, Buffer.from(header), Buffer.alloc(data)]);
}

/** Long ones so many times as long. */
function hostileFiles(scale: number): Hostile[] {
  const x = normalMatrix(4, 3, 1).data;
  const npy = (options: Parameters<typeof npyBytes>[2]): Buffer => npyBytes(x, 3, options);
  const twice = Buffer.from(zipSync({ 'x.npy': npy({}), 'y.npy': npy({}) }).map((byte) => (byte === 0x79 ? 0x78 : byte)));
  const deep = 25_000 * scale;
  const arrays: [string, Buffer][] = [
    ['a shape whose product is beyond 2⁶⁴', npy({ shape: '(4294967296, 4294967296)' })],
    ['a shape whose product wraps to the size', npy({ shape: '(4611686018427387908, 3)' })],
    ['a shape of the largest exact integers', npy({ shape: '(9007199254740991, 9007199254740991)' })],
    ['a negative size', npy({ shape: '(-4, -3)' })],
    ['the same bytes in another order', npy({ order: 'None' })],
    ['two shapes', npy({ header: "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3), 'shape': (3, 4), }" })],
    ['two types', npy({ header: "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3), \"descr\": '<i4', }" })],
    ['a shape of twenty thousand sizes', npy({ version: 2, shape: `(${'1, '.repeat(20_000)})` })],
    ['an object', npy({ descr: "'|O'" })],
  ];
  const archives: [string, Buffer][] = [
    ['a member that claims 2 GiB', claiming(npy({}), 2 ** 31 - 1)],
    ['a member that claims less than it has', claiming(npyBytes(new Float32Array(3000), 3), 200)],
    ['a member that claims more than it has', claiming(npy({}), 400)],
    ['a bomb: MiB of zeros claimed as 4 KiB', claiming(Buffer.alloc(2 ** 20 * scale), 4096)],
    ['two members of one name', twice],
  ];
  const tensors: [string, Buffer][] = [
    ['a list nested ever deeper', safetensors(`{"a":${'['.repeat(deep)}${']'.repeat(deep)}}`, 0)],
    ['an object nested ever deeper', safetensors(`${'{"a":'.repeat(deep / 4)}1${'}'.repeat(deep / 4)}`, 0)],
    ['a header of spaces', safetensors(`{${' '.repeat(2 ** 21)}}`, 0)],
    [
      'two tensors out of order over one another',
      safetensors('{"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 12),
    ],
    ['a shape whose product is beyond 2⁶⁴', safetensors('{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}', 8)],
    [
      'a tensor twice',
      safetensors('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 8),
    ],
    [
      'fifteen thousand tensors without elements',
      safetensors(`{${Array.from({ length: 15_000 }, (_, i) => `"${i}":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`).join()}}`, 0),
    ],
  ];
  const lists: [string, Buffer][] = [
    ['a quote that never ends', Buffer.from(`1,"${'x'.repeat(2 ** 16 * scale)}`)],
    ['a long line above a short one', Buffer.from(`${'1,'.repeat(6000 * scale)}1\n1\n`)],
    ['bytes of no text', Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) % 256))],
    ['a number with a unit', Buffer.from('1,2\n3,4px\n')],
  ];
  const both = (name: string, bytes: Buffer): Hostile[] => [
    { name: `.npy, ${name}`, extension: '.npy', bytes, read: rowsOf },
    { name: `.npy row by row, ${name}`, extension: '.npy', bytes, read: piecesOf },
    { name: `.npz, ${name}`, extension: '.npz', bytes: Buffer.from(zipSync({ 'x.npy': bytes })), read: rowsOf },
  ];
  return [
    ...arrays.flatMap(([name, bytes]) => both(name, bytes)),
    ...archives.map(([name, bytes]) => ({ name: `.npz, ${name}`, extension: '.npz', bytes, read: rowsOf })),
    ...tensors.map(([name, bytes]) => ({ name: `safetensors, ${name}`, extension: '.safetensors', bytes, read: headOf })),
    ...lists.map(([name, bytes]) => ({ name: `.csv, ${name}`, extension: '.csv', bytes, read: rowsOf })),
  ];
}

/** How many were refused. Throws for one that is read, that fails otherwise, or that takes more than it is long, twenty times over, and 96 MiB. */
export async function hostile(
  folder: string,
  scale: number,
): Promise<{ readonly files: number; readonly most: number; readonly name: string }> {
  const peak = (): number => process.resourceUsage().maxRSS * 1024;
  let most = { files: 0, most: 0, name: 'none' };
  const files = hostileFiles(scale);
  for (const { name, extension, bytes, read } of files) {
    const path = join(folder, `hostile${extension}`);
    writeFileSync(path, bytes);
    const before = peak();
    const got = await outcome(read, path, name);
    if (got !== undefined) throw new Error(`${name}: read as ${got.slice(0, 100)}`);
    const grown = peak() - before;
    if (grown > 20 * bytes.length + 96 * 2 ** 20) throw new Error(`${name}: ${grown} bytes for a file of ${bytes.length}`);
    if (grown > most.most) most = { files: 0, most: grown, name };
  }
  return { ...most, files: files.length };
}
