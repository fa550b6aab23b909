// Rows on the device for a caller who also wants to see them.
import { keepOnDevice } from '../backend.js';
import { allocated } from '../errors.js';
import type { ResidentRows, StoredRows } from '../ops/resident.js';

/**
 * Rows [count, D], and perhaps a state of the same shape, on the device from one call to the next. A caller who asks for the rows gets them on the
 * host, to read and to write: until the next call they are what counts, and that one takes them back.
 */
export class LendingRows {
  readonly count: number;
  readonly #d: number;
  readonly #kept: ResidentRows;
  readonly #like: new (
    length: number,
  ) => StoredRows;
  readonly #stateful: boolean;
  #lent: StoredRows | undefined;

  /** @throws ERR_NO_DEVICE, ERR_OUT_OF_MEMORY of the device */
  constructor(rows: StoredRows, state: StoredRows | undefined, d: number) {
    this.count = rows.length / d;
    this.#d = d;
    this.#like = rows instanceof Uint16Array ? Uint16Array : Float32Array;
    this.#stateful = state !== undefined;
    this.#kept = keepOnDevice('options.device', { rows, state, count: this.count, d });
  }

  get lent(): StoredRows | undefined {
    return this.#lent;
  }

  lend(): StoredRows {
    if (this.#lent === undefined) {
      const rows = this.#fresh();
      this.#kept.read({ rows, state: undefined });
      this.#lent = rows;
    }
    return this.#lent;
  }

  /** Copies of both as they are now. */
  copies(): { readonly rows: StoredRows; readonly state: StoredRows | undefined } {
    const rows = this.#lent?.slice() ?? this.#fresh();
    const state = this.#stateful ? this.#fresh() : undefined;
    this.#kept.read({ rows: this.#lent === undefined ? rows : undefined, state });
    return { rows, state };
  }

  /** Computes with the rows, among them what callers have written. Where that throws, what is lent stays so. */
  takenBack<Result>(run: (rows: ResidentRows) => Result): Result {
    if (this.#lent !== undefined) this.#kept.write({ rows: this.#lent });
    const result = run(this.#kept);
    this.#lent = undefined;
    return result;
  }

  dispose(): void {
    this.#lent = undefined;
    this.#kept.dispose();
  }

  #fresh(): StoredRows {
    const length = this.count * this.#d;
    return allocated('options.device', `${length} numbers of the device's`, () => new this.#like(length));
  }
}
