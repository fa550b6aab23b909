// How searches cross to the addon, for the CPU and for the device alike.
import { metrics, type NearestOp, nearestFilters, type PackedGallery, type PackGalleryOp, type SearchOp } from '../ops/distances.js';
import { floats, type NativeTask, translated } from './calls.js';

export type NearestArguments = [
  x: Float32Array,
  gallery: Float32Array | Uint16Array,
  n: number,
  m: number,
  d: number,
  metric: number,
  k: number,
  excludeSelf: boolean,
  filter: number,
  labels: Int32Array,
  galleryLabels: Int32Array,
  indices: Int32Array,
  distances: Float32Array,
  beyond: Float32Array | undefined,
  within: Float32Array | undefined,
];
type SearchArguments = [
  x: Float32Array,
  n: number,
  k: number,
  filter: number,
  labels: Int32Array,
  indices: Int32Array,
  distances: Float32Array,
  beyond: Float32Array | undefined,
  within: Float32Array | undefined,
];

/** Packed rows that the addon keeps. */
interface NativeGallery {
  search(...args: SearchArguments): void;
  searchAsync(...args: SearchArguments): NativeTask;
  dispose(): void;
}

export interface SearchAddon {
  nearest(...args: NearestArguments): void;
  nearestAsync(...args: NearestArguments): NativeTask;
  packGallery(
    gallery: Float32Array | Uint16Array,
    m: number,
    d: number,
    metric: number,
    labels: Int32Array,
    labelled: boolean,
  ): NativeGallery;
}

const filterIndex = (filter: NearestOp['filter']): number => (filter === undefined ? 0 : nearestFilters.indexOf(filter) + 1);

const bounds = ({ beyond, within }: SearchOp) => [beyond && floats(beyond), within && floats(within)] as const;

export function nearestArguments(op: NearestOp): NearestArguments {
  const { n, m, d, k, excludeSelf, labels, galleryLabels, indices } = op;
  const gallery = op.gallery as Float32Array | Uint16Array;
  const [metric, filter] = [metrics.indexOf(op.metric), filterIndex(op.filter)];
  const outputs = [indices, floats(op.distances)] as const;
  return [floats(op.x), gallery, n, m, d, metric, k, excludeSelf, filter, labels, galleryLabels, ...outputs, ...bounds(op)];
}

function searchArguments(op: SearchOp): SearchArguments {
  const { x, n, k, filter, labels, indices, distances } = op;
  return [floats(x), n, k, filterIndex(filter), labels, indices, floats(distances), ...bounds(op)];
}

export function packedGallery(addon: SearchAddon, { gallery, m, d, metric, labels }: PackGalleryOp): PackedGallery {
  const rows = gallery as Float32Array | Uint16Array;
  const kept = addon.packGallery(rows, m, d, metrics.indexOf(metric), labels ?? new Int32Array(0), labels !== undefined);
  return {
    search: translated((op: SearchOp) => kept.search(...searchArguments(op))),
    start: (op) => kept.searchAsync(...searchArguments(op)),
    dispose: () => kept.dispose(),
  };
}
