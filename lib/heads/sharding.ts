// What the shards of one head tell each other in a step: whether all are ready, their batches, what their softmaxes must agree on,
// and the gradients that belong to others.
import type { Collective } from '../collective.js';
import { failure } from '../errors.js';
import { ignored } from './head-labels.js';

/** Rows of one rank. */
export interface LocalBatch {
  readonly x: Float32Array;
  readonly labels: Int32Array;
  readonly n: number;
}

/** Rows of all ranks in their order. `first` is where the own ones start. */
export interface GatheredBatch extends LocalBatch {
  readonly first: number;
  /** Rows of each rank. */
  readonly counts: readonly number[];
}

/**
 * Runs `prepare` on every rank; if it throws on one, it throws on all: the own error there, ERR_ABORTED elsewhere. So no rank goes on alone,
 * and none waits for one that has given up.
 */
export function together<T>(collective: Collective, prepare: () => T, announce: (prepared: T) => number = () => 0): [T, number[]] {
  let prepared: { readonly value: T } | { readonly error: unknown };
  try {
    prepared = { value: prepare() };
  } catch (error) {
    prepared = { error };
  }
  const word = 'value' in prepared ? announce(prepared.value) : -1;
  const words = [...collective.allGather(Float64Array.of(word))];
  if ('error' in prepared) throw prepared.error;
  const failed = words.findIndex((other) => other < 0);
  if (failed >= 0) throw failure('ERR_ABORTED', 'collective', 'every rank to succeed', `an error on rank ${failed}`);
  return [prepared.value, words];
}

/** Everybody's rows. Ranks may have batches of different size: they travel at the length of the longest. */
export function gatherBatch(collective: Collective, dim: number, prepare: () => LocalBatch): GatheredBatch {
  const [own, counts] = together(collective, prepare, ({ n }) => n);
  const most = Math.max(...counts);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const first = counts.slice(0, collective.rank).reduce((sum, count) => sum + count, 0);
  const [room] = together(collective, () => ({
    padded: new Float32Array(most * dim),
    x: new Float32Array(total * dim),
    labels: new Int32Array(total),
  }));
  const gathered = <T extends Float32Array | Int32Array>(data: T, padded: T, all: T, width: number): T => {
    padded.set(data);
    const slots = collective.allGather(padded);
    let at = 0;
    counts.forEach((count, rank) => {
      all.set(slots.subarray(rank * most * width, (rank * most + count) * width), at * width);
      at += count;
    });
    return all;
  };
  const x = gathered(own.x, room.padded, room.x, dim);
  const labels = gathered(own.labels, new Int32Array(most).fill(ignored), room.labels, 1);
  return { x, labels, n: total, first, counts };
}

/** The own rows of the sum of everybody's gradients, [counts[rank], dim]. */
export function scatterGradient(collective: Collective, gradX: Float32Array, counts: readonly number[], dim: number): Float32Array {
  const most = Math.max(...counts);
  const padded = new Float32Array(collective.size * most * dim);
  let at = 0;
  counts.forEach((count, rank) => {
    padded.set(gradX.subarray(at * dim, (at + count) * dim), rank * most * dim);
    at += count;
  });
  return collective.reduceScatter(padded).subarray(0, (counts[collective.rank] as number) * dim);
}

/**
 * Replaces the statistics of this shard, [n, 4] as `Exchange` has them, by those of all: the greatest of the maxima, the sums rescaled to it and
 * added in rank order, and the one target. The third column serves label smoothing, which heads do not have, and stays as it is.
 */
export function foldStatistics(collective: Collective, statistics: Float64Array): void {
  const all = collective.allGather(statistics);
  const ranks = Array.from({ length: collective.size }, (_, rank) =>
    all.subarray(rank * statistics.length, (rank + 1) * statistics.length),
  );
  for (let at = 0; at < statistics.length; at += 4) {
    let max = -Infinity;
    for (const rank of ranks) max = Math.max(max, rank[at] as number);
    let sum = 0;
    let target = Number.NaN;
    for (const rank of ranks) {
      const [own, theirs] = [rank[at] as number, rank[at + 1] as number];
      // Equal infinities have difference 0, and a shard without other classes adds nothing.
      sum += own === max ? theirs : theirs * Math.exp(own - max);
      if (Number.isNaN(target)) target = rank[at + 3] as number;
    }
    statistics[at] = max;
    statistics[at + 1] = sum;
    statistics[at + 3] = target;
  }
}
