// Proxy-anchor: each proxy is an anchor against the whole batch, so the walk is over proxies, with the cosines of one to all rows held at a time.
import type { ProxyAnchorOp } from '../ops/batch-losses.js';
import { logSumExp, softplus } from './log-sum.js';
import { addScaled, comparedRows, deliver, dot } from './rows.js';

export function proxyAnchorLoss(op: ProxyAnchorOp): number {
  const { x, proxies, labels, n, d, classes, margin, alpha, gradX, gradProxies } = op;
  const [u, v] = [comparedRows(x, n, d, true), comparedRows(proxies, classes, d, true)];
  const ofPositives = 1 / Math.max(new Set(labels).size, 1);
  const ofNegatives = 1 / Math.max(classes, 1);
  const z = new Float64Array(n);
  let loss = 0;
  for (let c = 0; c < classes; c++) {
    const own = (i: number): boolean => labels[i] === c;
    for (let i = 0; i < n; i++) {
      const cosine = dot(u.rows, i * d, v.rows, c * d, d);
      z[i] = own(i) ? -alpha * (cosine - margin) : alpha * (cosine + margin);
    }
    // A proxy without rows of its class has an empty sum, log(1 + 0) = 0.
    const [positive, negative] = [softplus(logSumExp(z, own)), softplus(logSumExp(z, (i) => !own(i)))];
    loss += ofPositives * positive + ofNegatives * negative;
    if (!gradX && !gradProxies) continue;
    for (let i = 0; i < n; i++) {
      const share = Math.exp((z[i] as number) - (own(i) ? positive : negative));
      const slope = alpha * share * (own(i) ? -ofPositives : ofNegatives);
      addScaled(u.gradient, i * d, v.rows, c * d, d, slope);
      addScaled(v.gradient, c * d, u.rows, i * d, d, slope);
    }
  }
  // Without rows no proxy takes part in anything, whatever it holds, and without proxies no row.
  const nothing = n === 0 || classes === 0;
  deliver(loss, gradX, () => (nothing ? u.gradient : u.toGiven()));
  deliver(loss, gradProxies, () => (nothing ? v.gradient : v.toGiven()));
  return loss;
}
