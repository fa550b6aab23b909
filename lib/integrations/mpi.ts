// hypersphere/mpi: a `Collective` over the processes of an MPI job. The library is whichever is on the machine, opened when it is asked for.
//
// Bytes go through MPI_Alltoall and MPI_Allgather; sums are made here, in float64 and in the order of ranks, as those of the threads of one process
// are. So a layout gives the same bits from run to run and with any MPI library, and the same as that many threads. Each rank sums one block of
// the data and sends it to the others, which moves no more than MPI_Allreduce would.
import { isMainThread } from 'node:worker_threads';
import { addonFor } from '../backend.js';
import { checkOptions } from '../checks.js';
import { type Collective, folded, type Gatherable, like, type Reducible, types } from '../collective.js';
import { describe, failure } from '../errors.js';
import type { Addon } from '../native/binding.js';
import { fromNative } from '../native/calls.js';

export type { Collective } from '../collective.js';

export interface MpiOptions {
  /** File or name of the MPI library. Default HYPERSPHERE_MPI_LIBRARY, else the usual names of Open MPI and MPICH. */
  readonly library?: string;
}

export interface MpiCollective extends Collective {
  /** What the library calls itself. */
  readonly library: string;
}

let finishing = false;

/** The job ends well only if every rank does: one that leaves with an error does not wait for the others, and mpirun then ends them. */
function finishAtExit(addon: Addon): void {
  if (finishing) return;
  finishing = true;
  process.once('exit', (code) => {
    if (code === 0) addon.mpiFinish();
  });
}

/**
 * This process's end of its MPI job, started by `mpirun -n 4 node train.mjs`; without mpirun a group of one. MPI is initialised at the first
 * call and finalised when the process ends with exit code 0; a process that ends otherwise ends the job. Calls block until all ranks have
 * made the same one. Linux and macOS; the native addon opens the library, so it must be there.
 * @throws ERR_NO_DEVICE without the addon or an MPI library, ERR_OPTION_RANGE in a worker thread, ERR_TYPE
 */
export function mpiCollective(options: MpiOptions = {}): MpiCollective {
  const known = checkOptions(options, ['library']);
  const library: unknown = known.library ?? process.env['HYPERSPHERE_MPI_LIBRARY'] ?? '';
  if (typeof library !== 'string') throw failure('ERR_TYPE', 'options.library', 'the name of a library', describe(library));
  if (!isMainThread) throw failure('ERR_OPTION_RANGE', 'mpiCollective', 'the main thread of the process, where MPI lives', 'a worker');
  const addon = addonFor('mpiCollective');
  let world: ReturnType<Addon['mpiStart']>;
  try {
    world = addon.mpiStart(library);
  } catch (error) {
    throw fromNative(error);
  }
  finishAtExit(addon);
  return new Ranks(addon, world.rank, world.size, world.library);
}

const bytesOf = (data: Gatherable): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

class Ranks implements MpiCollective {
  readonly #addon: Addon;
  readonly rank: number;
  readonly size: number;
  readonly library: string;

  constructor(addon: Addon, rank: number, size: number, library: string) {
    this.#addon = addon;
    this.rank = rank;
    this.size = size;
    this.library = library;
  }

  allReduce(data: Reducible, op: 'sum' | 'max'): void {
    this.#announce(op === 'sum' ? 1 : 2, data);
    const block = Math.ceil(data.length / this.size);
    const padded = like(data, block * this.size);
    padded.set(data);
    const all = this.#gathered(this.#foldedBlock(padded, op));
    data.set(all.subarray(0, data.length));
  }

  allGather<T extends Gatherable>(data: T): T {
    this.#announce(3, data);
    return this.#gathered(data);
  }

  reduceScatter<T extends Reducible>(data: T): T {
    if (data.length % this.size !== 0) throw failure('ERR_SHAPE', 'data', `a length divisible by ${this.size} ranks`, `${data.length}`);
    this.#announce(4, data);
    return this.#foldedBlock(data, 'sum');
  }

  /** Every rank tells what it is about to do: MPI would hang or mix up what does not belong together. */
  #announce(kind: number, data: Gatherable): void {
    const type = types.findIndex((candidate) => data instanceof candidate);
    if (type < 0) throw failure('ERR_TYPE', 'data', 'a Float32Array, Float64Array or Int32Array', describe(data));
    const mine = Float64Array.of(4 * kind + type, data.length);
    const calls = this.#gathered(mine);
    for (let rank = 0; rank < this.size; rank++) {
      if (calls[2 * rank] === mine[0] && calls[2 * rank + 1] === mine[1]) continue;
      throw failure('ERR_SHAPE', 'data', 'the same call with the same length on every rank', `another one on rank ${rank}`);
    }
  }

  #gathered<T extends Gatherable>(data: T): T {
    const all = like(data, this.size * data.length);
    this.#send('mpiAllGather', data, all, 1, data.byteLength);
    return all;
  }

  /** This rank's block of the data, folded over all ranks. */
  #foldedBlock<T extends Reducible>(data: T, op: 'sum' | 'max'): T {
    const block = data.length / this.size;
    const parts = like(data, data.length);
    this.#send('mpiAllToAll', data, parts, this.size, block * data.BYTES_PER_ELEMENT);
    const slots = Array.from({ length: this.size }, (_, rank) => parts.subarray(rank * block, (rank + 1) * block));
    const result = like(data, block);
    for (let i = 0; i < block; i++) result[i] = folded(slots, i, op);
    return result;
  }

  #send(transfer: 'mpiAllGather' | 'mpiAllToAll', from: Gatherable, to: Gatherable, fromBlocks: number, bytes: number): void {
    try {
      this.#addon[transfer](bytesOf(from), bytesOf(to), fromBlocks, this.size, bytes);
    } catch (error) {
      throw fromNative(error);
    }
  }
}
