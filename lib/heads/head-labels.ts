// Labels as a backend wants them: places among the classes that take part here.
import { elsewhere } from '../ops/softmax.js';
import type { Shard } from './head-options.js';
import { lowerBound, placeIn } from './sampled-classes.js';

/** Rows with this label count nowhere, as in `marginSoftmax`. */
export const ignored = -100;

/** The classes of this shard that take part; all of them without `rows`. */
export interface Participants {
  /** Rows of the shard's weights, ascending. */
  readonly rows: Int32Array | undefined;
  /** How many here. */
  readonly classes: number;
  /** How many on all shards. */
  readonly allClasses: number;
}

/** What of a sample of all classes lies in this shard: perhaps nothing. */
export function participantsOf(sample: Int32Array | undefined, { from, to }: Shard, classes: number): Participants {
  if (sample === undefined) return { rows: undefined, classes: to - from, allClasses: classes };
  const local = sample.subarray(lowerBound(sample, from), lowerBound(sample, to));
  const rows = from === 0 ? local : local.map((c) => c - from);
  return { rows, classes: rows.length, allClasses: sample.length };
}

/** Labels in [0, C) as places among the participants. */
export function localLabels(labels: Int32Array, { from, to }: Shard, rows: Int32Array | undefined): Int32Array {
  return labels.map((label) => {
    if (label === ignored) return ignored;
    if (label < from || label >= to) return elsewhere;
    return rows === undefined ? label - from : placeIn(rows, label - from);
  });
}
