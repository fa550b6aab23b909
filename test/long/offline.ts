// Offline mining over a million rows: from a file that is never in memory, from a matrix to the same triplets, beside the search alone, within
// the memory that the docstring states.
import { open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { NpyFile } from '../../lib/files/npy-file.js';
import { createRandom, info, type Matrix, matrix, mineTripletsOffline, nearest, takeRows } from '../../lib/index.js';
import { npyHeader } from '../helpers/npy.js';

export interface OfflineOptions {
  readonly rows: number;
  readonly dim: number;
  readonly classes: number;
  readonly anchors: number;
}

export const offline: OfflineOptions = { rows: 1_000_000, dim: 128, classes: 10_000, anchors: 100_000 };

const candidates = 16;
const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
const peak = (): number => process.resourceUsage().maxRSS * 1024;

/** The rows first, first + 1, …: a direction for each class, and noise half as large again around it. */
function some(first: number, count: number, { dim, classes }: OfflineOptions): Matrix {
  const data = new Float32Array(count * dim);
  for (let i = 0; i < count; i++) {
    const [own, noise] = [createRandom((first + i) % classes), createRandom(classes + first + i)];
    for (let j = 0; j < dim; j++) data[i * dim + j] = own.next() + 1.5 * noise.next() - 1.25;
  }
  return matrix(data, dim);
}

/** The most that mining may take: the docstring's formula, and something for what the process grows by of itself. */
function allowed({ rows, dim, anchors, classes }: OfflineOptions): number {
  const pairs = Math.min(anchors * (8 * dim + 16 * candidates + 40), 256 * 2 ** 20);
  return 8 * rows + 24 * anchors + 200 * classes + pairs + (16 + 50 + 4 + 64) * 2 ** 20;
}

/** Throws where triplets differ or are wrong, where memory goes beyond its bound, or where 1 GiB is reached. */
export async function mineMillion(options: OfflineOptions, folder: string, print: (line: string) => void): Promise<void> {
  const { rows, dim, classes, anchors } = options;
  const path = join(folder, 'embeddings.npy');
  const labels = Int32Array.from({ length: rows }, (_, i) => i % classes);
  const { backend, isa, threads } = info();
  print(`${rows} rows × ${dim}, ${classes} classes, ${anchors} anchors, on ${backend} ${isa ?? ''}, ${threads} threads`);
  const file = await open(path, 'w');
  await file.write(npyHeader(rows, dim));
  for (let row = 0; row < rows; row += 10_000)
    await file.write(new Uint8Array(some(row, Math.min(10_000, rows - row), options).data.buffer));
  await file.close();

  const mine = async (name: string, source: Matrix | string) => {
    const before = process.memoryUsage.rss();
    const start = performance.now();
    let told = 0;
    const onProgress = ({ fraction }: { fraction: number }): void => {
      if (fraction < told) throw new Error('progress fell');
      told = fraction;
    };
    const mined = await mineTripletsOffline(source, labels, { anchors, candidates, onProgress });
    const seconds = (performance.now() - start) / 1000;
    const grown = peak() - before;
    print(
      `${name}: ${mined.triplets.shape[0]} triplets of ${mined.pairs} pairs in ${seconds.toFixed(1)} s; ${mib(grown)} beyond ${mib(before)}`,
    );
    if (told !== 1) throw new Error(`progress ended at ${told}`);
    if (grown > Math.min(allowed(options), 2 ** 30)) throw new Error(`more memory than ${mib(allowed(options))}`);
    return { mined, seconds };
  };
  const fromFile = await mine('from a .npy file', path);
  const x = matrix(new Float32Array(rows * dim), dim);
  const again = await NpyFile.open(path, 'path');
  let at = 0;
  for await (const { data } of again.pieces()) {
    x.data.set(data, at);
    at += data.length;
  }
  await again.close();
  await unlink(path);
  const { mined, seconds } = await mine('from a matrix', x);
  if (Buffer.compare(Buffer.from(mined.triplets.data.buffer), Buffer.from(fromFile.mined.triplets.data.buffer)) !== 0)
    throw new Error('the file and the matrix give different triplets');
  const { data } = mined.triplets;
  if (data.length < 3 * 0.9 * anchors) throw new Error('too few pairs have a semi-hard negative: this has shown little');
  for (let t = 0; t < data.length; t += 3) {
    const [a, p, n] = [data[t] as number, data[t + 1] as number, data[t + 2] as number];
    if (a === p || labels[a] !== labels[p] || labels[a] === labels[n]) throw new Error(`${a}, ${p}, ${n} is no triplet`);
    const [positive, negative] = [squared(x, a, p), squared(x, a, n)];
    // Of unit rows in float32.
    if (negative < positive - 1e-5 || negative > positive + 0.2 + 1e-5)
      throw new Error(`${a}, ${p}, ${n} is not semi-hard: ${positive}, ${negative}`);
  }
  const step = Math.floor(rows / anchors);
  const queries = takeRows(
    x,
    Array.from({ length: anchors }, (_, i) => i * step),
  );
  const start = performance.now();
  nearest(queries, x, { k: candidates });
  const alone = (performance.now() - start) / 1000;
  print(
    `nearest alone: ${alone.toFixed(1)} s; mining takes ${(seconds / alone).toFixed(2)} times that, from the file ${(fromFile.seconds / alone).toFixed(2)}`,
  );
}

/** Between the two rows, each over its length. */
function squared({ data, shape: [, d] }: Matrix, a: number, b: number): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let k = 0; k < d; k++) {
    const [x, y] = [data[a * d + k] as number, data[b * d + k] as number];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return 2 - (2 * ab) / Math.sqrt(aa * bb);
}
