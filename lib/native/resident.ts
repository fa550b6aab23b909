// How ops on rows that stay on the device cross to the addon, which has the rows by a handle.
import { metrics } from '../ops/distances.js';
import type { KeepRowsOp, ResidentRows, StoredRows } from '../ops/resident.js';
import { floats, translated } from './calls.js';
import { centerGradients, lossScale } from './centers.js';
import { type HeadArguments, headArguments, headResult } from './softmax.js';

type CenterLossArguments = [
  x: Float32Array,
  labels: Int32Array,
  n: number,
  scale: number,
  loss: Float64Array,
  perExample: Float32Array,
  gradX: Float32Array | undefined,
  gradCenters: Float32Array | undefined,
];

/** Rows that the addon keeps. A disposed one throws ERR_DETACHED. */
interface NativeRows {
  marginSoftmax(...args: HeadArguments): void;
  centerLoss(...args: CenterLossArguments): void;
  updateCenters(x: Float32Array, labels: Int32Array, n: number, alpha: number): void;
  distances(x: Float32Array, n: number, first: number, count: number, metric: number, out: Float32Array): void;
  nearest(x: Float32Array, n: number, k: number, metric: number, indices: Int32Array, distances: Float32Array): void;
  read(rows: StoredRows | undefined, state: StoredRows | undefined): void;
  write(rows: StoredRows): void;
  dispose(): void;
}

export interface ResidentAddon {
  keepRows(rows: StoredRows, state: StoredRows | undefined, count: number, d: number): NativeRows;
}

/** In the place of weights, which the addon does not look at. */
const none = new Float32Array(0);

export const keptRows = (addon: ResidentAddon): ((op: KeepRowsOp) => ResidentRows) =>
  translated(({ rows, state, count, d }) => {
    const kept = addon.keepRows(rows, state, count, d);
    return {
      marginSoftmax: translated((op) => {
        const result = new Float64Array(4);
        kept.marginSoftmax(...headArguments({ ...op, weights: none }, result));
        return headResult(result);
      }),
      centerLoss: translated((op) => {
        const loss = new Float64Array(1);
        const { x, labels, n, reduction, perExample } = op;
        kept.centerLoss(floats(x), labels, n, lossScale(reduction, n), loss, floats(perExample), ...centerGradients(op));
        return loss[0] as number;
      }),
      updateCenters: translated(({ x, labels, n, alpha }) => kept.updateCenters(floats(x), labels, n, alpha)),
      distances: translated(({ x, n, first, m, metric, out }) =>
        kept.distances(floats(x), n, first, m, metrics.indexOf(metric), floats(out)),
      ),
      nearest: translated(({ x, n, k, metric, indices, distances }) =>
        kept.nearest(floats(x), n, k, metrics.indexOf(metric), indices, floats(distances)),
      ),
      read: translated((into) => kept.read(into.rows, into.state)),
      write: translated((from) => kept.write(from.rows)),
      dispose: () => kept.dispose(),
    };
  });
