// Angular loss. Its term is the same for (a, p) and (p, a), so each pair of the batch is visited once and counts twice. The similarities of p are made
// again for every pair: a matrix of them would be the only thing here that grows with n².
import type { AngularOp } from '../ops/batch-losses.js';
import { logOf, logSumOf, shareOf, sigmoid, softplus } from './log-sum.js';
import { countPairs, rowsOf } from './row-sweep.js';

export function angularLoss(op: AngularOp): number {
  const { n, alpha } = op;
  const t = Math.tan(alpha) ** 2;
  const rows = rowsOf(op, 'cosineSimilarity');
  const { columns, labels } = rows;
  const pairs = Math.max(countPairs(rows).positive, 1);
  const z = new Float64Array(columns);
  let loss = 0;
  rows.sweep((a, s, derivatives) => {
    const add = (j: number, g: number): void => {
      derivatives[j] = (derivatives[j] as number) + g;
    };
    for (let p = a + 1; p < columns; p++) {
      if (labels[p] !== labels[a]) continue;
      // A row of the memory is no anchor: its pairs have one order.
      const share = (p < n ? 2 : 1) / pairs;
      for (let k = 0; k < columns; k++) {
        const own = labels[k] === labels[a];
        z[k] = own ? -Infinity : 4 * t * ((s[k] as number) + rows.value(p, k)) - 2 * (1 + t) * (s[p] as number);
      }
      const sum = logSumOf(columns, (k) => z[k] as number);
      const total = logOf(sum);
      loss += share * softplus(total);
      const push = share * sigmoid(total);
      if (push === 0) continue;
      for (let k = 0; k < columns; k++) {
        if (labels[k] === labels[a]) continue;
        const g = 4 * t * push * shareOf(sum, z[k] as number);
        add(k, g);
        rows.addGradient(g, p, k);
      }
      add(p, -2 * (1 + t) * push);
    }
  });
  return rows.finish(loss);
}
