// What crosses the wire and the thread, in one place: the layout of a batch and of its answer, and the form of a refusal.
//
// Batch     u32 B · u32 D · int32 labels[B] · float32 rows[B × D]              8 + 4·B·(1 + D) bytes
// Answer    f64 loss · f64 steps · u32 B · u32 D · float32 gradient[B × D]     24 + 4·B·D bytes
//
// Little-endian, without padding. Every array begins at a multiple of its element's size, so that both ends read and write it where it lies.
import { endianness } from 'node:os';
import { HypersphereError, type Matrix, matrix } from 'hypersphere';

if (endianness() !== 'LE') throw new Error('typed arrays are read as they lie: this needs a little-endian machine');

export interface Batch {
  /** [B, D] */
  readonly x: Matrix;
  /** [B] in [0, C) */
  readonly labels: Int32Array;
}

/** The fields of the library's errors, which also the service's own refusals have. */
export interface Refusal {
  readonly code: string;
  readonly argument: string;
  readonly expected: string;
  readonly received: string;
}

/** From the server to the worker: a step's batch, or the wish to save. */
export type Request = { readonly id: number; readonly batch: ArrayBuffer } | { readonly id: number; readonly batch?: never };

export interface Checkpoint {
  /** Steps in the newest checkpoint on the disk, 0 without one. */
  readonly steps: number;
  /** Why the last attempt to save failed, null where it did not. */
  readonly error: string | null;
}

/** From the worker to the server: where training stands, and where a request was answered, its outcome. */
export interface Reply {
  readonly steps: number;
  readonly checkpoint: Checkpoint;
  readonly id?: number;
  readonly answer?: ArrayBuffer;
  readonly refusal?: Refusal;
  /** An error that is not the batch's. */
  readonly failure?: string;
}

const batchHeader = 8;
const answerHeader = 24;

/** Thrown for bytes that are no batch; everything about the numbers themselves is the library's to refuse. */
export class Malformed extends Error implements Refusal {
  readonly code = 'ERR_FORMAT';
  readonly argument = 'body';
  constructor(
    readonly expected: string,
    readonly received: string,
  ) {
    super(`body: expected ${expected}, got ${received}`);
  }
}

/** The refusal that an error stands for; undefined for an error that is no refusal. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof HypersphereError || error instanceof Malformed)) return undefined;
  const { code, argument, expected, received } = error;
  // Memory that did not suffice is the machine's fault, not the batch's.
  return code === 'ERR_OUT_OF_MEMORY' ? undefined : { code, argument, expected, received };
}

export function encodeBatch({ x, labels }: Batch): ArrayBuffer {
  const [rows, dim] = x.shape;
  const buffer = new ArrayBuffer(batchHeader + 4 * rows * (1 + dim));
  new Uint32Array(buffer, 0, 2).set([rows, dim]);
  new Int32Array(buffer, batchHeader, rows).set(labels);
  new Float32Array(buffer, batchHeader + 4 * rows).set(x.data);
  return buffer;
}

/** Views of the buffer. @throws Malformed where its length is not that of its header's B and D */
export function decodeBatch(buffer: ArrayBuffer): Batch {
  if (buffer.byteLength < batchHeader) throw new Malformed(`at least ${batchHeader} bytes`, `${buffer.byteLength}`);
  const [rows, dim] = new Uint32Array(buffer, 0, 2) as unknown as [number, number];
  if (rows === 0 || dim === 0) throw new Malformed('B and D of at least 1', `${rows} and ${dim}`);
  // Beyond 2⁵³ the product is no longer exact, but no buffer is that long.
  const bytes = batchHeader + 4 * rows * (1 + dim);
  if (buffer.byteLength !== bytes) throw new Malformed(`${bytes} bytes for B = ${rows} and D = ${dim}`, `${buffer.byteLength}`);
  return {
    labels: new Int32Array(buffer, batchHeader, rows),
    x: matrix(new Float32Array(buffer, batchHeader + 4 * rows), dim),
  };
}

/** An answer's memory and the gradient in it, for a step to write to. */
export function newAnswer(rows: number, dim: number): { readonly buffer: ArrayBuffer; readonly gradEmbeddings: Matrix } {
  const buffer = new ArrayBuffer(answerHeader + 4 * rows * dim);
  new Uint32Array(buffer, 16, 2).set([rows, dim]);
  return { buffer, gradEmbeddings: matrix(new Float32Array(buffer, answerHeader), dim) };
}

export function completeAnswer(buffer: ArrayBuffer, loss: number, steps: number): void {
  new Float64Array(buffer, 0, 2).set([loss, steps]);
}
