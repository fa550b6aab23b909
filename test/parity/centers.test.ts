// The native center loss and centers' update against the reference at every level and thread count, over batches whose labels
// fall together in every way.
import { expect, it } from 'vitest';
import { type CenterLossOptions, centerLoss, type Matrix, matrix, setThreads, updateCenters } from '../../lib/index.js';
import { centerReductions } from '../../lib/ops/centers.js';
import { reference } from '../../lib/reference/index.js';
import { normalMatrix } from '../helpers/data.js';
import { describeLevels } from '../helpers/native.js';
import { expectWithin, roundoff, sumTolerance } from '../helpers/tolerance.js';

const shapes: [n: number, d: number][] = [1, 15, 16, 17, 255, 256, 257].flatMap((n, i) =>
  [1, 3, 16, 17, 127, 128, 512].filter((_, j) => (i + j) % 3 === 0 || n < 16).map((d): [number, number] => [n, d]),
);
const labelings: Record<string, (n: number) => Int32Array> = {
  'one class': (n) => new Int32Array(n).fill(1),
  'two classes': (n) => Int32Array.from({ length: n }, (_, i) => ((i * 7) % 5) & 1),
  'all distinct': (n) => Int32Array.from({ length: n }, (_, i) => n - 1 - i),
};
const classesFor = (n: number) => n + 2;
const wide = (values: ArrayLike<number>) => Float64Array.from(values);

/** Σ|x_i − c| and the number of rows, for every element of the centers. */
function magnitudes(x: Matrix, labels: Int32Array, centers: Matrix) {
  const d = x.shape[1];
  const [sizes, counts] = [new Float64Array(centers.data.length), new Float64Array(centers.shape[0])];
  labels.forEach((label, i) => {
    counts[label] = (counts[label] as number) + 1;
    for (let k = 0; k < d; k++) {
      const at = label * d + k;
      sizes[at] = (sizes[at] as number) + Math.abs((x.data[i * d + k] as number) - (centers.data[at] as number));
    }
  });
  return { sizes, counts };
}

function expectLoss(x: Matrix, labels: Int32Array, centers: Matrix, reduction: NonNullable<CenterLossOptions['reduction']>): void {
  const [n, d] = x.shape;
  const classes = centers.shape[0];
  const [perExample, gradX, gradCenters] = [new Float64Array(n), new Float64Array(n * d), new Float64Array(classes * d)];
  const inputs = { x: wide(x.data), labels, centers: wide(centers.data), n, d, classes };
  const loss = reference.centerLoss({ ...inputs, reduction, perExample, gradX, gradCenters });
  const got = centerLoss(x, labels, centers, { reduction, gradCenters: true });
  const what = `${reduction} of ${n}, ${d}`;
  expectWithin(got.perExample, perExample, (i) => sumTolerance(d, perExample[i] as number), `${what}: rows`);
  expect(Math.abs(got.loss - loss), what).toBeLessThanOrEqual(sumTolerance(d, Math.abs(loss)));
  expectWithin(got.gradEmbeddings?.data as Float32Array, gradX, (i) => sumTolerance(2, Math.abs(gradX[i] as number)), `${what}: x`);
  const { sizes, counts } = magnitudes(x, labels, centers);
  const scale = reduction === 'halfSum' ? 1 : (reduction === 'mean' ? 2 : 1) / n;
  const limit = (at: number) => sumTolerance(counts[Math.floor(at / d)] as number, scale * (sizes[at] as number));
  expectWithin(got.gradCenters?.data as Float32Array, gradCenters, limit, `${what}: centers`);
  const without = centerLoss(x, labels, centers, { reduction, gradients: false });
  expect(without).toEqual({ loss: got.loss, perExample: got.perExample });
}

function expectUpdate(x: Matrix, labels: Int32Array, centers: Matrix, alpha: number): void {
  const [n, d] = x.shape;
  const classes = centers.shape[0];
  const expected = wide(centers.data);
  reference.updateCenters({ x: wide(x.data), labels, centers: expected, n, d, classes, alpha });
  const moved = matrix(Float32Array.from(centers.data), d);
  expect(updateCenters(x, labels, moved, { alpha })).toBe(moved);
  const { sizes, counts } = magnitudes(x, labels, centers);
  const limit = (at: number) => {
    const count = counts[Math.floor(at / d)] as number;
    return sumTolerance(count, (alpha / (1 + count)) * (sizes[at] as number)) + 2 * roundoff * Math.abs(centers.data[at] as number);
  };
  expectWithin(moved.data, expected, limit, `update of ${n}, ${d}`);
  for (let at = 0; at < classes * d; at++) {
    if (counts[Math.floor(at / d)] === 0 && !Object.is(moved.data[at], centers.data[at])) expect.fail(`class ${Math.floor(at / d)} moved`);
  }
}

describeLevels('centers against the reference', () => {
  it.each(Object.entries(labelings))('%s', (_name, labelsOf) => {
    for (const [n, d] of shapes) {
      setThreads((n % 3) + 1);
      const [x, centers, labels] = [normalMatrix(n, d, 1), normalMatrix(classesFor(n), d, 2), labelsOf(n)];
      for (const reduction of centerReductions) expectLoss(x, labels, centers, reduction);
      for (const alpha of [0, 0.5, 1]) expectUpdate(x, labels, centers, alpha);
    }
  });
  it('rows of any size, rows on their center, NaN and infinities', () => {
    const centers = matrix(Float32Array.of(-1e19, 2e-40, 0.5, 3, 0, 0), 2);
    for (const row of [
      [1e19, 1e-40],
      [1e-30, -1e-30],
      [0.5, 3],
      [Number.NaN, 1],
      [Infinity, -Infinity],
      [-0, 0],
    ]) {
      for (const label of [0, 1, 2]) {
        const x = matrix(Float32Array.of(...row, 1, 2), 2);
        const labels = Int32Array.of(label, 1);
        const [perExample, gradX, gradCenters] = [new Float32Array(2), new Float32Array(4), new Float32Array(6)];
        const inputs = { x: x.data, labels, centers: centers.data, n: 2, d: 2, classes: 3 };
        const loss = reference.centerLoss({ ...inputs, reduction: 'halfSum', perExample, gradX, gradCenters });
        const got = centerLoss(x, labels, centers, { reduction: 'halfSum', gradCenters: true });
        const near = (values: Float32Array) => (at: number) => sumTolerance(2, Math.abs(values[at] as number));
        expectWithin(got.perExample, perExample, near(perExample), `rows, ${row} on ${label}`);
        expectWithin(got.gradEmbeddings?.data as Float32Array, gradX, near(gradX), `gradients, ${row} on ${label}`);
        if (Number.isFinite(loss)) expect(Math.abs(got.loss - loss)).toBeLessThanOrEqual(sumTolerance(2, loss));
        else expect(got.loss).toBe(loss);
        const expected = Float32Array.from(centers.data);
        reference.updateCenters({ ...inputs, centers: expected, alpha: 0.5 });
        const moved = matrix(Float32Array.from(centers.data), 2);
        expectWithin(updateCenters(x, labels, moved).data, expected, (at) => sumTolerance(4, Math.abs(expected[at] as number)), `${row}`);
      }
    }
  });
  it('one class of many rows, and no rows at all', () => {
    const [x, centers] = [normalMatrix(5000, 300, 3), normalMatrix(2, 300, 4)];
    setThreads(3);
    expectUpdate(x, new Int32Array(5000), centers, 0.5);
    expectLoss(x, new Int32Array(5000), centers, 'halfMean');
    const none = matrix(new Float32Array(0), 300);
    const before = Float32Array.from(centers.data);
    expect(updateCenters(none, [], centers).data).toEqual(before);
    const out = { gradCenters: matrix(new Float32Array(600).fill(7), 300) };
    expect(centerLoss(none, [], centers, { gradCenters: true, out })).toMatchObject({ loss: 0 });
    expect(out.gradCenters.data).toEqual(new Float32Array(600));
  });
});
