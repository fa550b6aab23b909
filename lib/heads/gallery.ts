// The declarations name Symbol.dispose, which the default library of many consumers lacks.
/// <reference lib="esnext.disposable" preserve="true" />
import { backendOn, type Device } from '../backend.js';
import { checkChoice, checkLabels, checkMatrix, checkMemory, checkOptions, checkRows, type Labels } from '../checks.js';
import { failure } from '../errors.js';
import type { Bfloat16Matrix, Matrix } from '../matrix.js';
import { mostRows, type Neighbours, neighbours, resolveFilter, resolveOutputs, type SearchOptions, searchOptions } from '../nearest.js';
import { type Metric, metrics, type PackedGallery, type SearchOp } from '../ops/distances.js';

export interface GalleryOptions {
  /** Default `squaredEuclidean`; the largest come first for `dot` and `cosineSimilarity`. */
  readonly metric?: Metric;
  /** Classes of the rows, [M], any int32; a search with a filter needs them. */
  readonly labels?: Labels;
  /** Where the rows stay and are searched; default the backend's own: the GPU's memory on `cuda`, else the CPU's. */
  readonly device?: Device;
}

/** What `search` of `hypersphere/promises` asks of a gallery; by this name so that the ESM and the CommonJS copy agree. Internal. */
export const prepareSearch: unique symbol = Symbol.for('hypersphere.prepareSearch') as never;

/**
 * Rows that are searched many times. They are copied, natively in the form the search reads, outside the JavaScript heap: 4 bytes an
 * element, 2 for bfloat16 rows, and one more for 8-bit copies where the CPU's search uses them. Results have the bits of `nearest`. A gallery stays with the backend and the ISA
 * level it was made on; on a GPU it stays in the device's memory, so that a search sends its own rows and fetches neighbours, and no more. `dispose()` (or `using`) gives the memory back at once, or when the searches that `hypersphere/promises` has
 * under way have ended; else it goes with the object.
 */
export class Gallery {
  /** M */
  readonly size: number;
  /** D */
  readonly dim: number;
  readonly metric: Metric;
  readonly #labelled: boolean;
  #packed: PackedGallery | undefined;

  /**
   * @param rows [M, D], at least one row, float32 or bfloat16
   * @throws ERR_TYPE, ERR_DETACHED, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_OUT_OF_MEMORY, ERR_NO_DEVICE
   */
  constructor(rows: Matrix | Bfloat16Matrix, options: GalleryOptions = {}) {
    rows = checkRows('rows', rows);
    options = checkOptions(options, ['metric', 'labels', 'device']);
    const [m, d] = rows.shape;
    if (m < 1 || m > mostRows) throw failure('ERR_SHAPE', 'rows', `1 to ${mostRows} rows`, `${m}`);
    this.metric = checkChoice('options.metric', options.metric ?? 'squaredEuclidean', metrics);
    const labels = options.labels === undefined ? undefined : checkLabels('options.labels', options.labels, m);
    checkMemory({}, { rows, 'options.labels': labels });
    this.size = m;
    this.dim = d;
    this.#labelled = labels !== undefined;
    this.#packed = backendOn('options.device', options.device).packGallery({ gallery: rows.data, m, d, metric: this.metric, labels });
  }

  /**
   * The k best rows for every row of x [N, D], as `nearest(x, rows, …)` finds them. O(N·M·D).
   * @throws ERR_TYPE, ERR_DETACHED (also after `dispose`), ERR_SHAPE, ERR_OPTION_RANGE (k beyond M; a filter without labels),
   * ERR_LABEL_RANGE, ERR_ALIAS, ERR_OUT_OF_MEMORY
   */
  search(x: Matrix, options: SearchOptions = {}): Neighbours {
    const { packed, op, out } = this[prepareSearch](x, options);
    packed.search(op);
    return neighbours(out);
  }

  /** Checks the arguments and lays out the search. */
  [prepareSearch](x: Matrix, options: SearchOptions) {
    x = checkMatrix('x', x, this.dim);
    options = checkOptions(options, searchOptions);
    const n = x.shape[0];
    const out = resolveOutputs(options, n, this.size);
    const { filter, labels } = resolveFilter(options, n);
    if (filter !== undefined && !this.#labelled) {
      throw failure('ERR_OPTION_RANGE', 'options.filter', 'a gallery made with labels', 'one without');
    }
    const { k, indices, distances } = out;
    checkMemory({ 'options.out.indices': indices, 'options.out.distances': distances }, { x, 'options.labels': labels });
    if (!this.#packed) throw failure('ERR_DETACHED', 'gallery', 'a gallery that is not disposed', 'a disposed one');
    const op: SearchOp = { x: x.data, n, k, filter, labels, indices: indices.data, distances: distances.data };
    return { packed: this.#packed, op, out };
  }

  /** Gives the memory back; a search after it throws ERR_DETACHED. May be called again. */
  dispose(): void {
    this.#packed?.dispose();
    this.#packed = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
