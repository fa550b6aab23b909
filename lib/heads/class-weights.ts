// The rows that a head owns, and where they start. A class's rows depend on the seed and the class alone, so that shards, and a head
// that grew, start as the whole head would.
import { adviseHuge, backend } from '../backend.js';
import { allocated } from '../errors.js';
import type { Margin, SphereFace2Margin } from '../margins/types.js';
import { Sfc32 } from '../random.js';

export const precisions = ['float32', 'bfloat16'] as const;
/** How weights and optimizer state are stored; sums are float32 or better in any case. */
export type Precision = (typeof precisions)[number];

/** [count, D], float32 or bfloat16. */
export type Rows = Float32Array | Uint16Array;

export function newRows(precision: Precision, count: number, dim: number): Rows {
  const wanted = `${count} × ${dim} ${precision} values in one array (some 2³² at most; shards hold more together)`;
  return allocated('options.classes', wanted, () => {
    if (precision === 'bfloat16') return new Uint16Array(count * dim);
    const rows = new Float32Array(count * dim);
    adviseHuge(rows);
    return rows;
  });
}

type Fill = (row: Float32Array, random: Sfc32) => void;

/** N(0, 0.01²): insightface's, for weights whose length does not matter. Marsaglia's polar method. */
const normal: Fill = (row, random) => {
  for (let i = 0; i < row.length; i += 2) {
    let u = 0;
    let v = 0;
    let square = 0;
    do {
      u = random.bits() / 2 ** 31 - 1;
      v = random.bits() / 2 ** 31 - 1;
      square = u * u + v * v;
    } while (square >= 1 || square === 0);
    const factor = 0.01 * Math.sqrt((-2 * Math.log(square)) / square);
    row[i] = factor * u;
    if (i + 1 < row.length) row[i + 1] = factor * v;
  }
};

/** U(−√(3/D), √(3/D)): Caffe's xavier filler, of unit length in the mean. */
const xavier: Fill = (row, random) => {
  const bound = Math.sqrt(3 / row.length);
  for (let i = 0; i < row.length; i++) row[i] = bound * (random.bits() / 2 ** 31 - 1);
};

const rawKinds: readonly Margin['kind'][] = ['softmax', 'lSoftmax', 'aSoftmax'];

/** Fills the rows of the classes from `first` on, `centers` rows each. */
export function initialise(into: Rows, dim: number, centers: number, first: number, margin: Margin, seed: number): void {
  const fill = rawKinds.includes(margin.kind) ? xavier : normal;
  const random = new Sfc32(seed);
  // bfloat16 is rounded from a block of float32.
  const block = into instanceof Uint16Array ? new Float32Array(Math.min(into.length, 64 * dim * centers)) : into;
  for (let done = 0; done < into.length; done += block.length) {
    const rows = block.subarray(0, into.length - done);
    for (let at = 0; at < rows.length; at += dim) {
      const row = (done + at) / dim;
      if (row % centers === 0) random.reseed(seed, first + row / centers);
      fill(rows.subarray(at, at + dim), random);
    }
    if (into instanceof Uint16Array) backend().toBfloat16({ x: rows, out: into.subarray(done, done + rows.length) });
  }
}

/** Widened to float32; a copy for bfloat16 alone. */
export function widened(rows: Rows): Float32Array {
  if (rows instanceof Float32Array) return rows;
  const out = allocated('head', `${rows.length} weights in float32`, () => new Float32Array(rows.length));
  backend().fromBfloat16({ x: rows, out });
  return out;
}

/**
 * SphereFace2's bias, at which the positives and the negatives of an untrained head (all cosines 0) weigh alike (Wen et al., ICLR 2022,
 * appendix; opensphere's code).
 */
export function initialBias(margin: SphereFace2Margin, classes: number): number {
  const { variant, alpha, r, m, t } = margin;
  const similarity = (cos: number): number => 2 * ((cos + 1) / 2) ** t - 1;
  const angle = variant === 'A' ? Math.min(Math.PI, Math.PI / 2 + m) : Math.min(Math.PI, (m * Math.PI) / 2);
  const positive = r * (variant === 'C' ? similarity(0) - m : similarity(Math.cos(angle)));
  const negative = r * (variant === 'C' ? similarity(0) + m : similarity(0));
  const z = alpha / ((1 - alpha) * Math.max(1, classes - 1));
  return Math.log(2 * z) - negative - Math.log(1 - z + Math.sqrt((1 - z) ** 2 + 4 * z * Math.exp(positive - negative)));
}
