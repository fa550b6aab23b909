// Proxy-NCA: softmax cross-entropy whose logits are negative squared distances between unit rows and unit proxies.
import type { ProxyNcaOp } from '../ops/batch-losses.js';
import { classify } from './classification.js';
import { gradientOf, measureOf } from './distances.js';
import { comparedRows, deliver } from './rows.js';

export function proxyNcaLoss(op: ProxyNcaOp): number {
  const { x, proxies, labels, n, d, classes, scale, perExample, logits, gradX, gradProxies } = op;
  const [u, v] = [comparedRows(x, n, d, true), comparedRows(proxies, classes, d, true)];
  const pair = { x: u.rows, y: v.rows, d };
  const squared = measureOf('squaredEuclidean', pair);
  const add = gradientOf('squaredEuclidean', pair, u.gradient, v.gradient);
  const loss = classify(
    { labels, n, classes, reduction: 'mean', labelSmoothing: 0, ignoreIndex: -1, perExample },
    (i, z) => {
      for (let c = 0; c < classes; c++) z[c] = -scale * squared(i * d, c * d);
      logits?.set(z, i * classes);
    },
    gradX || gradProxies
      ? (i, g) => {
          for (let c = 0; c < classes; c++) add(-scale * (g[c] as number), i * d, c * d);
        }
      : undefined,
  );
  deliver(loss, gradX, () => u.toGiven());
  deliver(loss, gradProxies, () => v.toGiven());
  return loss;
}
