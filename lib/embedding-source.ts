// Embeddings that need not be in memory at once: a matrix, chunks, or a .npy file, read again from the start for every pass.
import { checkMatrix, checkMemory, looksLikeMatrix } from './checks.js';
import { describe, failure } from './errors.js';
import type { Matrix } from './matrix.js';
import { NpyFile } from './npy.js';

export type MatrixChunks = Iterable<Matrix> | AsyncIterable<Matrix>;

/**
 * Rows [N, D]: a matrix; its rows in chunks of any size, from something that can be iterated again and again (an array of matrices, an object with
 * a generator method) or from a function that starts anew; or the path of a `.npy` file (little-endian float32, C order).
 */
export type EmbeddingSource = Matrix | MatrixChunks | (() => MatrixChunks) | string;

/** Where rows come from, as often as they are asked for. */
export interface RowSource {
  /** Where it is known before anything is read. */
  readonly rows: number | undefined;
  /** All rows in order. A piece is used before the next is asked for: it may take its memory. */
  pieces(): AsyncIterable<Matrix>;
  close(): Promise<void>;
}

const nothing = async (): Promise<void> => {};

function fromMatrix(given: Matrix): RowSource {
  const source = checkMatrix('source', given);
  return {
    rows: source.shape[0],
    async *pieces() {
      // The caller's code has run since the call.
      checkMemory({}, { source });
      yield source;
    },
    close: nothing,
  };
}

const iterates = (value: unknown): value is MatrixChunks =>
  typeof value === 'object' && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value);

/** A generator, as an iterator of its own, can be read once. */
function isSpent(value: MatrixChunks): boolean {
  const given = value as Partial<AsyncIterable<Matrix> & Iterable<Matrix>>;
  const iterator: unknown = given[Symbol.asyncIterator] ? given[Symbol.asyncIterator]?.() : given[Symbol.iterator]?.();
  return iterator === value;
}

const chunked = 'a matrix, chunks that can be iterated again, a function that returns chunks, or the path of a .npy file';

function fromChunks(start: () => MatrixChunks): RowSource {
  let cols: number | undefined;
  return {
    rows: undefined,
    async *pieces() {
      const chunks: unknown = start();
      if (!iterates(chunks)) throw failure('ERR_TYPE', 'source()', 'an iterable of matrices', describe(chunks));
      let index = 0;
      for await (const chunk of chunks) {
        const piece = checkMatrix(`source[${index++}]`, chunk, cols);
        cols ??= piece.shape[1];
        yield piece;
      }
    },
    close: nothing,
  };
}

/** Rejects with ERR_TYPE, ERR_DETACHED, ERR_SHAPE, and with what `NpyFile.open` rejects. */
export async function openSource(source: EmbeddingSource): Promise<RowSource> {
  if (typeof source === 'string') {
    const file = await NpyFile.open(source, 'source');
    return { rows: file.shape[0], pieces: () => file.pieces(), close: () => file.close() };
  }
  if (typeof source === 'function') return fromChunks(source);
  if (looksLikeMatrix(source)) return fromMatrix(source);
  if (!iterates(source)) throw failure('ERR_TYPE', 'source', chunked, describe(source));
  if (isSpent(source)) {
    throw failure(
      'ERR_TYPE',
      'source',
      'what can be iterated again, since every pass reads it: a function that starts anew',
      'an iterator',
    );
  }
  return fromChunks(() => source);
}
