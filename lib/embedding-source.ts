// Embeddings that need not be in memory at once: a matrix, chunks, or a .npy file, read again from the start for every pass.
import { checkMatrix, checkMemory, looksLikeMatrix } from './checks.js';
import { describe, failure } from './errors.js';
import { NpyFile } from './files/npy-file.js';
import type { Matrix } from './matrix.js';

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

/** An iterator (a generator is one) and a stream of Node or the web can be read once; asking them for an iterator would already begin to. */
function isReadOnce(value: object): boolean {
  return ['next', 'read', 'getReader'].some((method) => typeof (value as Record<string, unknown>)[method] === 'function');
}

/** The same chunks, until the signal aborts: also where the next one never comes. */
async function* untilAborted(chunks: MatrixChunks, signal: AbortSignal | undefined): AsyncGenerator<Matrix, void, void> {
  if (!signal) return yield* chunks as AsyncIterable<Matrix>;
  let stop = (): void => {};
  const aborted = new Promise<never>((_, reject) => (stop = () => reject(signal.reason)));
  aborted.catch(() => {}); // an abort between two chunks is seen at the next
  signal.addEventListener('abort', stop, { once: true });
  const iterator = Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]();
  let ended = false;
  try {
    for (;;) {
      const step = await Promise.race([iterator.next(), aborted]);
      if (step.done) {
        ended = true;
        return;
      }
      yield step.value;
    }
  } finally {
    signal.removeEventListener('abort', stop);
    const closing = ended ? undefined : Promise.resolve(iterator.return?.());
    // One that hangs cannot be waited for.
    if (signal.aborted) closing?.catch(() => {});
    else await closing;
  }
}

const chunked = 'a matrix, chunks that can be iterated again, a function that returns chunks, or the path of a .npy file';

function fromChunks(start: () => MatrixChunks, signal: AbortSignal | undefined): RowSource {
  let cols: number | undefined;
  return {
    rows: undefined,
    async *pieces() {
      const chunks: unknown = start();
      if (!iterates(chunks)) throw failure('ERR_TYPE', 'source()', 'an iterable of matrices', describe(chunks));
      let index = 0;
      for await (const chunk of untilAborted(chunks, signal)) {
        const piece = checkMatrix(`source[${index++}]`, chunk, cols);
        cols ??= piece.shape[1];
        yield piece;
      }
    },
    close: nothing,
  };
}

/** Rejects with ERR_TYPE, ERR_DETACHED, ERR_SHAPE, and with what `NpyFile.open` rejects. The signal ends a wait for chunks. */
export async function openSource(source: EmbeddingSource, signal?: AbortSignal): Promise<RowSource> {
  if (typeof source === 'string') {
    const file = await NpyFile.open(source, 'source');
    return { rows: file.shape[0], pieces: () => file.pieces(), close: () => file.close() };
  }
  if (typeof source === 'function') return fromChunks(source, signal);
  if (looksLikeMatrix(source)) return fromMatrix(source);
  if (!iterates(source)) throw failure('ERR_TYPE', 'source', chunked, describe(source));
  if (isReadOnce(source)) {
    throw failure(
      'ERR_TYPE',
      'source',
      'what can be iterated again, since every pass reads it: a function that starts anew',
      'an iterator or a stream',
    );
  }
  return fromChunks(() => source, signal);
}
