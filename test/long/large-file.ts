// A tensor of more than 4 GiB there and back: beyond what one buffer or one write can do. Takes that much of the disk for a moment.
import { open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { NpyFile } from '../../lib/files/npy-file.js';
import { SafetensorsFile, writeSafetensors } from '../../lib/safetensors.js';
import { npyHeader } from '../helpers/npy.js';

/** Throws where a mark does not come back from its place. */
export async function largeFile(folder: string): Promise<void> {
  const path = join(folder, 'large.safetensors');
  const length = 2 ** 30 + 2 ** 20 + 5;
  const data = new Float32Array(length);
  const marks = [0, 2 ** 29 - 1, 2 ** 29, 2 ** 30 - 1, 2 ** 30, length - 1];
  marks.forEach((at, i) => (data[at] = i + 1));
  const tail = { data: Uint16Array.of(1, 2, 3), shape: [3] };
  await writeSafetensors(path, { large: { data, shape: [length] }, tail }, {});
  const file = await SafetensorsFile.open(path);
  try {
    const found = marks.map((at) => ({ name: 'large', from: at, into: new Float32Array(1) }));
    const ends = new Uint16Array(3);
    await file.read([...found, { name: 'tail', into: ends }]);
    found.forEach(({ into, from }, i) => {
      if (into[0] !== i + 1) throw new Error(`element ${from}: ${into[0]} instead of ${i + 1}`);
    });
    if (ends.join() !== '1,2,3') throw new Error(`the tensor after it: ${ends.join()}`);
  } finally {
    await file.close();
    await unlink(path);
  }
}

/** The same for a .npy file, read row by row; it is sparse. */
export async function largeNpy(folder: string): Promise<void> {
  const path = join(folder, 'large.npy');
  const [rows, cols] = [2 ** 23 + 2 ** 15 + 1, 128];
  const header = npyHeader(rows, cols);
  const marks = [0, 2 ** 22 - 1, 2 ** 22, 2 ** 23 - 1, 2 ** 23, rows - 1];
  const written = await open(path, 'w');
  await written.write(header, 0, header.length, 0);
  await written.truncate(header.length + rows * cols * 4);
  for (const [i, row] of marks.entries())
    await written.write(new Uint8Array(Float32Array.of(i + 1).buffer), 0, 4, header.length + 4 * (row * cols + 5));
  await written.close();
  const file = await NpyFile.open(path, 'path');
  try {
    let row = 0;
    const found: string[] = [];
    for await (const { data, shape } of file.pieces()) {
      for (let i = 0; i < shape[0]; i++, row++) if (data[i * cols + 5]) found.push(`${row} ${data[i * cols + 5]}`);
    }
    const expected = marks.map((mark, i) => `${mark} ${i + 1}`).join();
    if (row !== rows || found.join() !== expected) throw new Error(`${row} rows, marks ${found.join()} instead of ${expected}`);
  } finally {
    await file.close();
    await unlink(path);
  }
}
