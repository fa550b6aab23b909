// InfoNCE between two matrices, in one direction or the mean of both.
import type { InfoNceOp } from '../ops/batch-losses.js';
import { matched } from './matched-rows.js';
import { comparedRows, deliver } from './rows.js';

export function infoNceLoss({ x, y, n, d, temperature, symmetric, normalize, perExample, gradX, gradY }: InfoNceOp): number {
  const [u, v] = [comparedRows(x, n, d, normalize), comparedRows(y, n, d, normalize)];
  const shared = { n, d, temperature, weight: symmetric ? 0.5 : 1, wanted: gradX !== undefined || gradY !== undefined };
  let loss = matched({ ...shared, from: u, to: v, perExample });
  if (symmetric) {
    const columns = new Float64Array(n);
    loss += matched({ ...shared, from: v, to: u, perExample: columns });
    for (let i = 0; i < n; i++) perExample[i] = ((perExample[i] as number) + (columns[i] as number)) / 2;
  }
  deliver(loss, gradX, () => u.toGiven());
  deliver(loss, gradY, () => v.toGiven());
  return loss;
}
