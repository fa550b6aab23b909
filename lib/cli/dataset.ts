// What the comparison trains on: inputs of a network by row, with a class each, in two parts.
import { alloc, createRandom, type Matrix, takeRows } from '../index.js';
import { type InputFlags, mustBeFinite, readInputs, UsageError } from './inputs.js';

export interface Rows {
  readonly labels: ArrayLike<number>;
  /** The named rows as the network's input, [count, inputs]. */
  readonly rows: (indices: ArrayLike<number>) => Matrix;
}

export interface Dataset {
  /** Numbers in a row. */
  readonly inputs: number;
  readonly train: Rows;
  readonly test: Rows;
}

/** A data set as a thread can be told of it. */
export type DataSpec = { readonly kind: 'mnist' } | FileData;

/** Embeddings from a file, in memory that threads share. */
export interface FileData {
  readonly kind: 'file';
  readonly name: string;
  readonly x: Matrix;
  readonly labels: Int32Array;
  readonly trainClasses: readonly number[];
  /** Never trained on. */
  readonly heldOut: readonly number[];
}

const share = 0.2;
const fewestRows = 5;

/** A fifth of the classes, at least two, drawn by the seed, is held out; classes of fewer than five rows are left alone. */
function split(labels: Int32Array, seed: number): Pick<FileData, 'trainClasses' | 'heldOut'> {
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const ascending = (a: number, b: number): number => a - b;
  const classes = [...counts].flatMap(([label, count]) => (count >= fewestRows ? [label] : [])).sort(ascending);
  const held = Math.max(2, Math.round(share * classes.length));
  if (classes.length < held + 2) {
    const expected = `four classes of ${fewestRows} rows are needed, to train on some and verify on others`;
    throw new UsageError(`${expected}; the file has ${classes.length}`);
  }
  const drawn = Array.from(createRandom(seed).shuffle(Int32Array.from(classes)));
  return { trainClasses: drawn.slice(held).sort(ascending), heldOut: drawn.slice(0, held).sort(ascending) };
}

export async function readFileData(path: string, flags: InputFlags, seed: number): Promise<FileData> {
  const read = await readInputs(path, flags);
  const [rows, cols] = read.x.shape;
  mustBeFinite(read.x);
  const x = alloc(rows, cols);
  x.data.set(read.x.data);
  return { kind: 'file', name: path, x, labels: read.labels, ...split(read.labels, seed) };
}

/** Every fifth row of a trained class is for testing, and all rows of the others. */
function fileDataset({ x, labels, trainClasses }: FileData): Dataset {
  const seen = new Map(trainClasses.map((label) => [label, 0]));
  const parts: [train: number[], test: number[]] = [[], []];
  labels.forEach((label, row) => {
    const count = seen.get(label);
    if (count !== undefined) seen.set(label, count + 1);
    parts[count === undefined || count % fewestRows === fewestRows - 1 ? 1 : 0].push(row);
  });
  const [train, test] = parts.map(
    (rows): Rows => ({
      labels: Int32Array.from(rows, (row) => labels[row] as number),
      rows: (indices) =>
        takeRows(
          x,
          Int32Array.from(indices, (i) => rows[i] as number),
        ),
    }),
  ) as [Rows, Rows];
  return { inputs: x.shape[1], train, test };
}

export async function loadDataset(data: DataSpec): Promise<Dataset> {
  // MNIST is a package of its own, which who trains on files need not have.
  return data.kind === 'mnist' ? (await import('./mnist.js')).mnistDataset() : fileDataset(data);
}
