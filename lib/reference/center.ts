// Center loss and the centers' own update. O(B·D): only the classes of the batch are touched.
import type { CenterLossOp, UpdateCentersOp } from '../ops/centers.js';

export function centerLoss({ x, labels, centers, n, d, reduction, perExample, gradX, gradCenters }: CenterLossOp): number {
  const scale = reduction === 'halfSum' ? 0.5 : (reduction === 'halfMean' ? 0.5 : 1) / Math.max(n, 1);
  const sums = gradCenters && new Float64Array(gradCenters.length);
  let total = 0;
  for (let i = 0; i < n; i++) {
    const c = (labels[i] as number) * d;
    let squared = 0;
    for (let k = 0; k < d; k++) {
      const diff = (x[i * d + k] as number) - (centers[c + k] as number);
      squared += diff * diff;
      if (gradX) gradX[i * d + k] = 2 * scale * diff;
      if (sums) sums[c + k] = (sums[c + k] as number) - 2 * scale * diff;
    }
    perExample[i] = squared;
    total += squared;
  }
  if (sums) gradCenters?.set(sums);
  return scale * total;
}

/** Duplicated labels are summed in the order of the rows, and every Δ is taken from the centers as they were. */
export function updateCenters({ x, labels, centers, n, d, alpha }: UpdateCentersOp): void {
  const touched = new Map<number, { count: number; sum: Float64Array }>();
  for (let i = 0; i < n; i++) {
    const label = labels[i] as number;
    let entry = touched.get(label);
    if (!entry) touched.set(label, (entry = { count: 0, sum: new Float64Array(d) }));
    entry.count++;
    for (let k = 0; k < d; k++) entry.sum[k] = (entry.sum[k] as number) + ((centers[label * d + k] as number) - (x[i * d + k] as number));
  }
  for (const [label, { count, sum }] of touched) {
    for (let k = 0; k < d; k++) centers[label * d + k] = (centers[label * d + k] as number) - (alpha * (sum[k] as number)) / (1 + count);
  }
}
