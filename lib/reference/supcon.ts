// Supervised contrastive loss: a softmax over each row's similarities to all the others, two sweeps, one row held at a time.
import type { SupConOp } from '../ops/pairs.js';
import { batchOf } from './pair-distances.js';

export function supConLoss(op: SupConOp): number {
  const { labels, n, temperature, perExample, gradX } = op;
  const batch = batchOf({ ...op, distance: 'cosineSimilarity', normalize: true });
  const positives = Int32Array.from({ length: n }, (_, i) =>
    labels.reduce((count, y, j) => count + (j !== i && y === labels[i] ? 1 : 0), 0),
  );
  const counts = (i: number): boolean => (positives[i] as number) > 0 && (positives[i] as number) < n - 1;
  const anchors = positives.reduce((sum, _, i) => sum + (counts(i) ? 1 : 0), 0);
  const scale = 1 / Math.max(anchors, 1);
  const z = new Float64Array(n);
  let loss = 0;
  for (let i = 0; i < n; i++) {
    perExample[i] = 0;
    if (!counts(i)) continue;
    let max = -Infinity;
    for (let j = 0; j < n; j++) {
      if (j === i) continue;
      z[j] = -batch.apart(i, j) / temperature;
      max = Math.max(max, z[j] as number);
    }
    let [total, ownLogits] = [0, 0];
    for (let j = 0; j < n; j++) {
      if (j === i) continue;
      total += Math.exp((z[j] as number) - max);
      if (labels[j] === labels[i]) ownLogits += (z[j] as number) - max;
    }
    const value = Math.log(total) - ownLogits / (positives[i] as number);
    perExample[i] = value;
    loss += scale * value;
    if (!gradX) continue;
    for (let j = 0; j < n; j++) {
      if (j === i) continue;
      const own = labels[j] === labels[i] ? 1 / (positives[i] as number) : 0;
      // apart is −s, so the sign of ∂/∂s turns.
      batch.addGradient((scale * (own - Math.exp((z[j] as number) - max) / total)) / temperature, i, j);
    }
  }
  if (Number.isNaN(loss)) gradX?.fill(loss);
  else if (gradX) batch.writeGradient(gradX);
  return loss;
}
