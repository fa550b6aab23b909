// The embeddings and labels that a command is given as files, and what it says when it cannot go on.
import { extname } from 'node:path';
import { type LabelFile, type ReadOptions, readEmbeddings, readLabels } from '../files/index.js';
import { HypersphereError, type Matrix } from '../index.js';

/** As the flags of main.ts have it. */
export interface InputFlags {
  /** The labels' file; without it they are in the embeddings' own. */
  readonly labels?: string;
  readonly array?: string;
  readonly labelsArray?: string;
  readonly labelColumn?: string;
  readonly delimiter?: string;
}

/** A problem that the user can put right: told without a stack. */
export class UsageError extends Error {}

function optionsOf({ array, labelColumn, delimiter }: InputFlags): ReadOptions {
  // A number that names no column is an index.
  const column = labelColumn !== undefined && /^\d+$/.test(labelColumn) ? Number(labelColumn) : labelColumn;
  return {
    ...(array === undefined ? {} : { array }),
    ...(column === undefined ? {} : { labelColumn: column }),
    ...(delimiter === undefined ? {} : { delimiter }),
  };
}

/** The library speaks of its argument `path`; who gave two files must hear which. */
async function named<T>(file: string, read: Promise<T>): Promise<T> {
  try {
    return await read;
  } catch (error) {
    if (!(error instanceof HypersphereError && error.argument === 'path')) throw error;
    throw new UsageError(`${file}: expected ${error.expected}, got ${error.received}`);
  }
}

export async function readLabelsFor(path: string, flags: InputFlags): Promise<LabelFile> {
  const { labels: file = path, labelsArray: array } = flags;
  const text = ['.csv', '.tsv'].includes(extname(file).toLowerCase());
  // One .npy holds the embeddings or the labels.
  if (flags.labels === undefined && extname(path).toLowerCase() === '.npy')
    throw new UsageError('--labels FILE is missing: a .npy file holds the embeddings alone');
  if (flags.labels === undefined && text && flags.labelColumn === undefined)
    throw new UsageError('--label-column is missing: which column of the file is the label?');
  return named(file, readLabels(file, optionsOf({ ...flags, ...(array === undefined ? {} : { array }) })));
}

export async function readInputs(path: string, flags: InputFlags): Promise<LabelFile & { readonly x: Matrix }> {
  const read = await readLabelsFor(path, flags);
  // The column of labels may be in the labels' own file, which the embeddings know nothing of.
  const { labels: file, labelColumn, ...own } = flags;
  const column = file === undefined && labelColumn !== undefined ? { labelColumn } : {};
  const x = await named(path, readEmbeddings(path, optionsOf({ ...own, ...column })));
  if (read.labels.length !== x.shape[0]) throw new UsageError(`${x.shape[0]} rows of embeddings, but ${read.labels.length} labels`);
  return { ...read, x };
}

export function mustBeFinite({ data, shape: [, cols] }: Matrix): void {
  const bad = data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new UsageError(`the embeddings hold ${data[bad]} in row ${Math.floor(bad / cols)}: they must be finite`);
}

/** Runs a command; what a user can put right is told in a line, and the exit code says that it went wrong. */
export async function reported(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const expected =
      error instanceof UsageError || error instanceof HypersphereError || (error as NodeJS.ErrnoException).syscall !== undefined;
    if (!expected) throw error;
    console.error(`hypersphere: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}

/** A signal that the first Ctrl-C aborts; the second ends the process as usual. */
export function interruptible(): AbortSignal {
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  return controller.signal;
}

/** What shells report of a command that SIGINT ended. */
export const interruptedCode = 130;
