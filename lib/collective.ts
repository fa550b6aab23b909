// What shards of one head say to each other. Synchronous on purpose: a step may not be interrupted between its phases, or a caller
// could change what the phases share; MPI and NCCL block too. A transport that cannot block needs a thread that waits for it.
//
// The implementation for the threads of one process keeps one slot of shared memory a rank. A transfer is: write the own slot, wait for all,
// read every slot in the order of ranks, wait for all. So each rank folds the same numbers in the same order, and a layout
// gives the same bits from run to run.
import { checkInteger, checkNumber, checkOptions } from './checks.js';
import { allocated, describe, failure } from './errors.js';

export type Reducible = Float32Array | Float64Array;
export type Gatherable = Reducible | Int32Array;

/**
 * A group of ranks that call the same functions in the same order, each with arrays of one type and length. Every call blocks until
 * all ranks have made it. Sums have one fixed order, so that a fixed layout gives the same bits from run to run.
 */
export interface Collective {
  /** In [0, size). */
  readonly rank: number;
  readonly size: number;
  /** Replaces `data` on every rank by its element-wise sum or maximum over the ranks. */
  allReduce(data: Reducible, op: 'sum' | 'max'): void;
  /** The data of all ranks in their order, size × data.length. */
  allGather<T extends Gatherable>(data: T): T;
  /** Block `rank` of the element-wise sum; `data` has size blocks of equal length. */
  reduceScatter<T extends Reducible>(data: T): T;
}

/** One rank's end of a group, as plain data that can be posted to a worker. */
export interface CollectiveHandle {
  readonly rank: number;
  readonly size: number;
  /** Of one slot. */
  readonly slotBytes: number;
  /** After so long without the others a call gives up. */
  readonly timeoutMs: number;
  readonly memory: SharedArrayBuffer;
}

export interface CollectivesOptions {
  /** Shared memory of a rank; larger data goes through it in parts. A multiple of 8, default 1 MiB. */
  readonly slotBytes?: number;
  /** How long a call waits for the other ranks, in milliseconds, > 0, default 60 000. Then the group is broken, on every rank. */
  readonly timeoutMs?: number;
}

// Control words at the start of the memory: ranks that have arrived, how often all have, and whether one gave up.
const arrived = 0;
const round = 1;
const broken = 2;
const controlBytes = 16;
/** What a rank is about to do, in front of its slot: kind, type and length, compared before anything is read. */
const callBytes = 16;

/**
 * Ends of a group for `size` threads of this process, one each: post them to the workers, and let each `attachCollective` its own.
 * @throws ERR_TYPE, ERR_OPTION_RANGE, ERR_OUT_OF_MEMORY
 */
export function createCollectives(size: number, options: CollectivesOptions = {}): CollectiveHandle[] {
  checkInteger('size', size, 1, 1024);
  options = checkOptions(options, ['slotBytes', 'timeoutMs']);
  const slotBytes = checkInteger('options.slotBytes', options.slotBytes ?? 2 ** 20, 8, 2 ** 30);
  if (slotBytes % 8 !== 0) throw failure('ERR_OPTION_RANGE', 'options.slotBytes', 'a multiple of 8', `${slotBytes}`);
  const timeoutMs = checkNumber('options.timeoutMs', options.timeoutMs ?? 60_000, { min: 0, exclusive: true });
  const bytes = controlBytes + size * (callBytes + slotBytes);
  const memory = allocated('size', `${size} slots of ${slotBytes} bytes`, () => new SharedArrayBuffer(bytes));
  return Array.from({ length: size }, (_, rank) => ({ rank, size, slotBytes, timeoutMs, memory }));
}

/**
 * This thread's end of the group. Two threads may not use one end at a time.
 * @throws ERR_TYPE for anything but a handle of `createCollectives`
 */
export function attachCollective(handle: CollectiveHandle): Collective {
  if (!((handle as CollectiveHandle | undefined)?.memory instanceof SharedArrayBuffer))
    throw failure('ERR_TYPE', 'handle', 'one of createCollectives', describe(handle));
  return new ThreadCollective(handle);
}

/** What may be sent; a call tells its place. Internal. */
export const types = [Float32Array, Float64Array, Int32Array] as const;

class ThreadCollective implements Collective {
  readonly rank: number;
  readonly size: number;
  readonly #handle: CollectiveHandle;
  readonly #control: Int32Array;

  constructor(handle: CollectiveHandle) {
    this.rank = handle.rank;
    this.size = handle.size;
    this.#handle = handle;
    this.#control = new Int32Array(handle.memory, 0, controlBytes / 4);
  }

  allReduce(data: Reducible, op: 'sum' | 'max'): void {
    this.#transfer(op === 'sum' ? 1 : 2, data, data.length, (slots, from, length) => {
      for (let i = 0; i < length; i++) data[from + i] = folded(slots, i, op);
    });
  }

  allGather<T extends Gatherable>(data: T): T {
    const all = like(data, this.size * data.length);
    this.#transfer(3, data, data.length, (slots, from, length) => {
      slots.forEach((slot, rank) => all.set(slot.subarray(0, length), rank * data.length + from));
    });
    return all;
  }

  reduceScatter<T extends Reducible>(data: T): T {
    if (data.length % this.size !== 0) throw failure('ERR_SHAPE', 'data', `a length divisible by ${this.size} ranks`, `${data.length}`);
    const block = data.length / this.size;
    const sum = like(data, block);
    this.#transfer(4, data, data.length, (slots, from, length) => {
      // The part of [from, from + length) that belongs to this rank.
      const first = Math.max(from, this.rank * block);
      const end = Math.min(from + length, (this.rank + 1) * block);
      for (let i = first; i < end; i++) sum[i - this.rank * block] = folded(slots, i - from, 'sum');
    });
    return sum;
  }

  /** Shows `data` to all ranks, as much at a time as a slot holds, and calls `read` with everybody's part. */
  #transfer<T extends Gatherable>(kind: number, data: T, length: number, read: (slots: T[], from: number, length: number) => void): void {
    const { memory, slotBytes } = this.#handle;
    const type = types.findIndex((candidate) => data instanceof candidate);
    if (type < 0) throw failure('ERR_TYPE', 'data', 'a Float32Array, Float64Array or Int32Array', describe(data));
    const at = (rank: number): number => controlBytes + rank * (callBytes + slotBytes);
    const calls = Array.from({ length: this.size }, (_, rank) => new Float64Array(memory, at(rank), 2));
    const view = types[type] as unknown as new (buffer: SharedArrayBuffer, offset: number, length: number) => T;
    const room = slotBytes / data.BYTES_PER_ELEMENT;
    const slots = calls.map((_, rank) => new view(memory, at(rank) + callBytes, room));
    const mine = calls[this.rank] as Float64Array;
    for (let from = 0; from === 0 || from < length; from += room) {
      const part = Math.min(room, length - from);
      mine.set([4 * kind + type, length]);
      slots[this.rank]?.set(data.subarray(from, from + part));
      this.#wait();
      const other = calls.findIndex((call) => call[0] !== mine[0] || call[1] !== mine[1]);
      if (other >= 0) {
        // Every rank sees it, and none goes on to another call before all have: the group stays usable.
        this.#wait();
        throw failure('ERR_SHAPE', 'data', 'the same call with the same length on every rank', `another one on rank ${other}`);
      }
      read(slots, from, part);
      this.#wait();
    }
  }

  /** Returns when all ranks are here. */
  #wait(): void {
    const control = this.#control;
    const before = Atomics.load(control, round);
    if (Atomics.add(control, arrived, 1) === this.size - 1) {
      Atomics.store(control, arrived, 0);
      Atomics.add(control, round, 1);
      Atomics.notify(control, round);
    } else {
      const deadline = performance.now() + this.#handle.timeoutMs;
      while (Atomics.load(control, round) === before && Atomics.load(control, broken) === 0) {
        const left = deadline - performance.now();
        if (left <= 0) this.#abandon();
        else Atomics.wait(control, round, before, left);
      }
    }
    if (Atomics.load(control, broken) !== 0)
      throw failure('ERR_ABORTED', 'collective', 'every rank to take part', 'a group that one of them has left');
  }

  /** Nobody waits any longer, now or later. */
  #abandon(): void {
    Atomics.store(this.#control, broken, 1);
    Atomics.add(this.#control, round, 1);
    Atomics.notify(this.#control, round);
  }
}

/** Internal. */
export function like<T extends Gatherable>(data: T, length: number): T {
  const type = data.constructor as new (length: number) => T;
  return allocated('data', `${length} values of all ranks`, () => new type(length));
}

/** In float64 and in the order of ranks. NaN of any rank stays NaN. Internal. */
export function folded(slots: readonly Reducible[], i: number, op: 'sum' | 'max'): number {
  let value = slots[0]?.[i] as number;
  for (let rank = 1; rank < slots.length; rank++) {
    const next = slots[rank]?.[i] as number;
    value = op === 'sum' ? value + next : Math.max(value, next);
  }
  return value;
}
