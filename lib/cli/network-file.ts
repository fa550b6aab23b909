// What a run on one's own data leaves behind: the network as safetensors, and the embeddings of all rows as .npy.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeNpy } from '../files/index.js';
import { type Matrix, matrix, takeRows } from '../index.js';
import { writeSafetensors } from '../safetensors.js';
import type { Mlp } from './mlp.js';

const rowsAtOnce = 4096;

/** Embeddings of all rows, some thousand at a time. */
function embedAll(network: Mlp, x: Matrix, dim: number): Matrix {
  const [rows] = x.shape;
  const out = new Float32Array(rows * dim);
  for (let from = 0; from < rows; from += rowsAtOnce) {
    const chosen = Int32Array.from({ length: Math.min(rowsAtOnce, rows - from) }, (_, i) => from + i);
    out.set(network.forward(takeRows(x, chosen)).data, from * dim);
  }
  return matrix(out, dim);
}

export async function saveNetwork(network: Mlp, x: Matrix, dim: number, folder: string, loss: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeSafetensors(join(folder, `${loss}.safetensors`), network.tensors(), { loss, activation: 'prelu' });
  await writeNpy(join(folder, `${loss}.npy`), embedAll(network, x, dim));
}
