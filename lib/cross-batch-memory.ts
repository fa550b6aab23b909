// A queue of embeddings of earlier batches. Rows lie from oldest to newest and move up when old ones leave: an enqueue moves at most
// the memory once, which is little beside a loss over it, and the losses' sums depend on the rows alone, not on where a ring began.
import { checkInteger, checkLabels, checkMatrix, checkMemory, checkOptions, checkPath, checkSignal, type Labels } from './checks.js';
import { allocated, describe, failure, type HypersphereError } from './errors.js';
import type { Matrix } from './matrix.js';
import type { MemoryRows } from './ops/batch-losses.js';
import { SafetensorsFile, writeSafetensors } from './safetensors.js';

const kind = 'hypersphere.CrossBatchMemory';
const version = '1';

export interface CrossBatchMemoryOptions {
  /** Rows it holds at most, at least 1. */
  readonly capacity: number;
  /** D, at least 1. */
  readonly dim: number;
}

/** Rows in memory of their own, from oldest to newest. */
export interface CrossBatchMemoryContents {
  /** [size, D] */
  readonly embeddings: Matrix;
  /** [size] */
  readonly labels: Int32Array;
}

let rowsOf: (memory: CrossBatchMemory) => MemoryRows & { readonly x: Float32Array };

/**
 * Embeddings and labels of the last batches (Wang et al., CVPR 2020, "Cross-Batch Memory for Embedding Learning"), as the option `memory` of a loss over a
 * labelled batch: every row of the batch is then compared with the rows of the memory too. Those are constants: they are no anchors and get no gradient.
 * The rows of the batch stay compared with one another, with gradients on both sides. A loss sees the rows that are there at its call, and changes none:
 * enqueue the batch after its loss, or it meets itself. Embeddings are kept as they are given; the losses normalise them as they do the batch.
 */
export class CrossBatchMemory {
  readonly #embeddings: Float32Array;
  readonly #labels: Int32Array;
  readonly #dim: number;
  #size = 0;

  static {
    rowsOf = (memory) => ({
      x: memory.#embeddings.subarray(0, memory.#size * memory.#dim),
      labels: memory.#labels.subarray(0, memory.#size),
      m: memory.#size,
    });
  }

  /** @throws ERR_TYPE, ERR_OPTION_RANGE, ERR_OUT_OF_MEMORY */
  constructor(options: CrossBatchMemoryOptions) {
    options = checkOptions(options, ['capacity', 'dim']);
    const capacity = checkInteger('options.capacity', options.capacity, 1);
    this.#dim = checkInteger('options.dim', options.dim, 1);
    const wanted = `${capacity} rows of ${this.#dim}`;
    this.#embeddings = allocated('options.capacity', wanted, () => new Float32Array(capacity * this.#dim));
    this.#labels = allocated('options.capacity', wanted, () => new Int32Array(capacity));
  }

  /** Rows it holds at most. */
  get capacity(): number {
    return this.#labels.length;
  }

  /** D */
  get dim(): number {
    return this.#dim;
  }

  /** Rows it holds now. */
  get size(): number {
    return this.#size;
  }

  /**
   * Copies a batch in. The oldest rows leave where there is no room; of a batch larger than the capacity its last rows stay. O(capacity·D). An error
   * leaves everything as it was.
   * @param x embeddings [B, D]
   * @param labels [B], any int32: losses compare them for equality only
   * @throws ERR_TYPE, ERR_DETACHED, ERR_SHAPE, ERR_LABEL_RANGE
   */
  enqueue(x: Matrix, labels: Labels): void {
    const d = this.#dim;
    x = checkMatrix('x', x, d);
    const [n] = x.shape;
    const checked = checkLabels('labels', labels, n);
    checkMemory({}, { x, labels: checked });
    const taken = Math.min(n, this.capacity);
    const kept = Math.min(this.#size, this.capacity - taken);
    const gone = this.#size - kept;
    this.#embeddings.copyWithin(0, gone * d, this.#size * d);
    this.#labels.copyWithin(0, gone, this.#size);
    this.#embeddings.set(x.data.subarray((n - taken) * d), kept * d);
    this.#labels.set(checked.subarray(n - taken), kept);
    this.#size = kept + taken;
  }

  /** Forgets all rows. */
  clear(): void {
    this.#size = 0;
  }

  /** Copies of all rows and their labels, from oldest to newest. @throws ERR_OUT_OF_MEMORY */
  contents(): CrossBatchMemoryContents {
    const { x, labels, m } = rowsOf(this);
    return allocated('memory', `a copy of ${m} rows`, () => ({
      embeddings: { data: x.slice(), shape: [m, this.#dim] },
      labels: labels.slice(),
    }));
  }

  /**
   * Writes capacity and rows to a safetensors file, with `ClassifierHead.save`'s care: a file that was there is replaced only by a whole one. The rows are
   * those at the call; the memory may change before the promise settles. `embeddings` is F32 [size, D], `labels` I32 [size], from oldest to newest.
   * Rejects with ERR_TYPE, ERR_OUT_OF_MEMORY, with Node's errors of the file system, and with `signal.reason` when aborted, the old file in place.
   */
  async save(path: string, options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    checkPath(path);
    const { signal } = checkSignal(checkOptions(options, ['signal']));
    const { embeddings, labels } = this.contents();
    const tensors = { embeddings, labels: { data: labels, shape: [labels.length] } };
    await writeSafetensors(path, tensors, { kind, version, capacity: `${this.capacity}` }, signal);
  }

  /**
   * The memory that was saved: same capacity, same rows in the same order, so that losses beside it have the same bits.
   * Rejects with ERR_FORMAT for a file that is damaged or no memory's, ERR_TYPE, ERR_OUT_OF_MEMORY, with Node's errors of the file system and with
   * `signal.reason`.
   */
  static async load(path: string, options: { readonly signal?: AbortSignal } = {}): Promise<CrossBatchMemory> {
    checkPath(path);
    const { signal } = checkSignal(checkOptions(options, ['signal']));
    const file = await SafetensorsFile.open(path);
    try {
      const { capacity, size, dim } = described(file);
      const wanted = `${size} rows of ${dim}`;
      const data = allocated('path', wanted, () => new Float32Array(size * dim));
      const labels = allocated('path', wanted, () => new Int32Array(size));
      const targets = [
        { name: 'embeddings', into: data },
        { name: 'labels', into: labels },
      ];
      await file.read(targets, signal);
      // Last, when the checksum has vouched for what the metadata claims.
      const memory = new CrossBatchMemory({ capacity, dim });
      memory.enqueue({ data, shape: [size, dim] }, labels);
      return memory;
    } finally {
      await file.close();
    }
  }
}

const malformed = (expected: string, received: string): HypersphereError => failure('ERR_FORMAT', 'path', expected, received);

/** What the header says, held to the rules of a memory before anything is allocated. */
function described({ metadata, tensors }: SafetensorsFile): { capacity: number; size: number; dim: number } {
  if (metadata.get('kind') !== kind || metadata.get('version') !== version)
    throw malformed(
      `a ${kind} of version ${version}`,
      `'${(metadata.get('kind') ?? 'none').slice(0, 40)}', ${metadata.get('version')?.slice(0, 40)}`,
    );
  const rows = tensors.get('embeddings')?.shape ?? [];
  const named = tensors.get('labels')?.shape ?? [];
  const [size, dim] = rows as [number, number];
  if (tensors.size !== 2 || rows.length !== 2 || dim < 1 || named.length !== 1 || named[0] !== size)
    throw malformed("tensors 'embeddings' [size, D] and 'labels' [size]", `[${rows.join(', ')}] and [${named.join(', ')}]`);
  const text = metadata.get('capacity') ?? 'none';
  const capacity = Number(text);
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(capacity) || capacity < Math.max(size, 1))
    throw malformed(`metadata 'capacity' of at least ${Math.max(size, 1)}`, text.slice(0, 40));
  return { capacity, size, dim };
}

/** The rows of a loss's option `memory`, to be compared with a batch of D columns; none where there is no memory. */
export function checkCrossBatchMemory(argument: string, memory: unknown, d: number): MemoryRows | undefined {
  if (memory === undefined) return undefined;
  if (!(memory instanceof CrossBatchMemory)) throw failure('ERR_TYPE', argument, 'a CrossBatchMemory', describe(memory));
  if (memory.dim !== d) throw failure('ERR_SHAPE', argument, `a memory of dimension ${d}, as x has it`, `${memory.dim}`);
  return rowsOf(memory);
}
