// How ops on rows that stay on the device cross to the addon, which has the rows by a handle.
import { failure, HypersphereError } from '../errors.js';
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
  /** With products on tensor cores, where the device has them. */
  readonly fast: Pick<NativeRows, 'marginSoftmax' | 'distances'>;
}

export interface ResidentAddon {
  info(): { readonly reason?: string };
  keepRows(rows: StoredRows, state: StoredRows | undefined, count: number, d: number): NativeRows;
}

/** As `translated`; of a device that is lost it says what that means for the rows. */
const telling =
  (isLost: () => boolean) =>
  <Op, Result>(run: (op: Op) => Result): ((op: Op) => Result) => {
    const translate = translated(run);
    return (op) => {
      try {
        return translate(op);
      } catch (error) {
        if (!(error instanceof HypersphereError) || error.code !== 'ERR_NO_DEVICE' || !isLost()) throw error;
        const gone = `${error.received}; rows that were on it are gone, but for what has been read or saved`;
        throw failure(error.code, error.argument, error.expected, gone);
      }
    };
  };

/** In the place of weights, which the addon does not look at. */
const none = new Float32Array(0);

/** `fast`: whether products may be, asked at each call. */
export const keptRows = (addon: ResidentAddon, fast: () => boolean): ((op: KeepRowsOp) => ResidentRows) =>
  translated(({ rows, state, count, d }) => {
    const told = telling(() => addon.info().reason !== undefined);
    const kept = addon.keepRows(rows, state, count, d);
    const products = () => (fast() ? kept.fast : kept);
    return {
      marginSoftmax: told((op) => {
        const result = new Float64Array(4);
        products().marginSoftmax(...headArguments({ ...op, weights: none }, result));
        return headResult(result);
      }),
      centerLoss: told((op) => {
        const loss = new Float64Array(1);
        const { x, labels, n, reduction, perExample } = op;
        kept.centerLoss(floats(x), labels, n, lossScale(reduction, n), loss, floats(perExample), ...centerGradients(op));
        return loss[0] as number;
      }),
      updateCenters: told(({ x, labels, n, alpha }) => kept.updateCenters(floats(x), labels, n, alpha)),
      distances: told(({ x, n, first, m, metric, out }) =>
        products().distances(floats(x), n, first, m, metrics.indexOf(metric), floats(out)),
      ),
      nearest: told(({ x, n, k, metric, indices, distances }) =>
        kept.nearest(floats(x), n, k, metrics.indexOf(metric), indices, floats(distances)),
      ),
      read: told((into) => kept.read(into.rows, into.state)),
      write: told((from) => kept.write(from.rows)),
      dispose: () => kept.dispose(),
    };
  });
