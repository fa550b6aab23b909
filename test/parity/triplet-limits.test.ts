// The batch triplet loss and the contrastive loss where float32 ends: what the addon computes is right, infinite or NaN, and what it could not, it leaves.
import { expect, it } from 'vitest';
import { resetServed, servedBy } from '../../lib/backend.js';
import { batchContrastiveLoss, batchTripletLoss, CrossBatchMemory, type Matrix, matrix } from '../../lib/index.js';
import { tripletStrategies as minings } from '../../lib/ops/pairs.js';
import { reference } from '../../lib/reference/index.js';
import { normalMatrix } from '../helpers/data.js';
import { describeLevels, describeNative } from '../helpers/native.js';

/** Rows of two classes, and beside them two rows of one class and one of another so far away that float32 holds no square of it. */
function beyondFloat32(): { x: Matrix; labels: Int32Array } {
  const x = normalMatrix(12, 4, 13);
  for (const [row, value] of [
    [9, 1e20],
    [10, -1e20],
    [11, 3e20],
  ] as const) {
    x.data.fill(value, row * 4, row * 4 + 2);
  }
  return { x, labels: Int32Array.of(0, 1, 0, 1, 0, 1, 0, 1, 0, 2, 2, 3) };
}

describeLevels('distances beyond float32', () => {
  const forms = minings.flatMap((mining) => [false, true].flatMap((swap) => [false, true].map((soft) => ({ mining, swap, soft }))));
  it.each(forms)('make no finite loss that is wrong: %o', ({ mining, swap, soft }) => {
    const { x, labels } = beyondFloat32();
    const op = { mining, swap, soft, distance: 'squaredEuclidean', normalize: false, margin: 0.5, reduction: 'sum' } as const;
    // All rows; without the far class, so that the far row is a negative alone; and the last two as a memory's.
    for (const rows of [
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 11],
    ]) {
      for (const m of [0, 2]) {
        const taken = matrix(Float32Array.from(rows.flatMap((i) => [...x.data.subarray(i * 4, i * 4 + 4)])), 4);
        const of = Int32Array.from(rows, (i) => labels[i] as number);
        const n = rows.length - m;
        const [batch, earlier] = [taken.data.subarray(0, n * 4), taken.data.slice(n * 4)];
        const stored = { x: earlier, labels: of.slice(n), m };
        const wanted = reference.batchTripletLoss({ ...op, x: batch, labels: of.slice(0, n), n, d: 4, memory: stored, seed: 3 });
        const memory = m ? new CrossBatchMemory({ capacity: m, dim: 4 }) : undefined;
        memory?.enqueue(matrix(earlier, 4), of.slice(n));
        const got = batchTripletLoss(matrix(batch, 4), of.slice(0, n), { ...op, seed: 3, ...(memory && { memory }) });
        const what = `${rows.length} rows, ${m} of a memory: ${got.loss} for ${wanted.loss}`;
        // What lies beyond float32 on both sides of an anchor may be undefined; what is a negative alone costs nothing.
        if (Number.isFinite(got.loss) || rows.length < 12) {
          expect([got.numTriplets, got.numActive], what).toEqual([wanted.numTriplets, wanted.numActive]);
          expect(Math.abs(got.loss - wanted.loss), what).toBeLessThanOrEqual(1e-5 * (1 + wanted.loss));
        }
      }
    }
  });

  it('are undefined where a rule cannot tell which of them is larger', () => {
    const { x, labels } = beyondFloat32();
    for (const { mining, swap } of forms) {
      const options = { mining, swap, distance: 'squaredEuclidean', normalize: false, margin: 0.5 } as const;
      const { loss, gradEmbeddings } = batchTripletLoss(x, labels, options);
      expect(loss, `${mining} ${swap}`).toBeNaN();
      expect(gradEmbeddings.data.every(Number.isNaN)).toBe(true);
    }
  });

  it('by snr, of rows whose spread is nearly none', () => {
    const x = normalMatrix(8, 4, 14);
    for (const row of [0, 1]) x.data.fill(1e-30, row * 4, row * 4 + 1).fill(0, row * 4 + 1, row * 4 + 4);
    x.data[4] = -1e-30;
    const labels = Int32Array.of(0, 1, 0, 1, 2, 2, 3, 3);
    for (const { mining, swap } of forms) {
      const rule = { mining, swap, margin: 0.5, reduction: 'sum' } as const;
      const loss = batchTripletLoss(x, labels, { ...rule, distance: 'snr', normalize: false, gradients: false }).loss;
      const op = { x: x.data, labels, n: 8, d: 4, mining, swap, soft: false, margin: 0.5, seed: 0, reduction: 'sum' } as const;
      const wanted = reference.batchTripletLoss({ ...op, distance: 'snr', normalize: false }).loss;
      if (Number.isFinite(loss)) expect(loss, `${mining} ${swap}`).toBeCloseTo(wanted, 3);
    }
    const bounds = { posMargin: 0, negMargin: 1, reduction: 'sum' } as const;
    const pairs = batchContrastiveLoss(x, labels, { ...bounds, distance: 'snr', normalize: false, gradients: false });
    expect(pairs.loss).toBe(Infinity);
  });
});

describeNative('what the addon leaves to the reference', () => {
  it.each([{ margin: 1e36 }, { margin: 1e39 }] as const)('%o', (options) => {
    resetServed();
    batchTripletLoss(
      normalMatrix(12, 4, 1),
      Int32Array.from({ length: 12 }, (_, i) => i % 3),
      options,
    );
    expect(servedBy()).toEqual(['ts']);
  });

  it.each([1e37, 3e38, 1e39])('so that a margin of %d counts in full', (margin) => {
    const labels = Int32Array.from({ length: 600 }, (_, i) => i % 3);
    const x = normalMatrix(600, 4, 1);
    const triplet = batchTripletLoss(x, labels, { margin, mining: 'hardestViolating', reduction: 'mean' });
    expect(triplet.loss / margin).toBeCloseTo(1, 6);
    const pairs = batchContrastiveLoss(x, labels, { posMargin: 0, negMargin: margin, reduction: 'mean' });
    expect(pairs.loss / margin).toBeCloseTo(1, 6);
  });
});

describeNative('squares that float32 does not hold', () => {
  it("are the reference's: no triplet is lost", () => {
    const x = normalMatrix(24, 6, 4);
    const tiny = matrix(
      x.data.map((value) => value * 1e-21),
      6,
    );
    const labels = Int32Array.from({ length: 24 }, (_, i) => i % 4);
    for (const mining of ['semiHard', 'easy', 'batchHard'] as const) {
      const options = { mining, distance: 'squaredEuclidean', normalize: false, margin: 0, reduction: 'sum' } as const;
      resetServed();
      const { numTriplets } = batchTripletLoss(tiny, labels, options);
      expect(servedBy()).toEqual(['ts']);
      expect(numTriplets).toBe(batchTripletLoss(x, labels, options).numTriplets);
    }
  });
});
