// A tensor of more than 4 GiB there and back: beyond what one buffer or one write can do. Takes that much of the disk for a moment.
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { SafetensorsFile, writeSafetensors } from '../../lib/safetensors.js';

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
