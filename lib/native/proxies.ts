// The losses on class proxies on the addon. Proxy-anchor has an op of its own. Of proxy-NCA −s‖û − p̂‖² is 2s·û·p̂ − s‖p̂‖² and a number of the row's own, which no softmax sees: a linear layer with a bias, and
// so the op of the classification heads, which never holds rows × proxies.
import type { ProxyAnchorOp, ProxyNcaOp } from '../ops/batch-losses.js';
import type { DistanceOps } from '../ops/distances.js';
import type { SoftmaxOps } from '../ops/softmax.js';
import type { Values } from '../ops/types.js';
import { compared, deliverNaN, isMild, plainSoftmax, type RowOps, scale as scaleBy, toGiven } from './compared-rows.js';

type Parts = RowOps & Pick<DistanceOps, 'distances'> & Pick<SoftmaxOps, 'marginSoftmax'>;

/** Whether the addon's float32 products will do; the others are the reference's. */
export function hasProxyNca({ scale }: ProxyNcaOp): boolean {
  return isMild(scale);
}

/** −scale·‖p̂‖², which is −scale but for a proxy of zeros and for one too short to be divided by its length. */
function biasOf(unit: Values, classes: number, d: number, scale: number): Float32Array {
  return Float32Array.from({ length: classes }, (_, c) => {
    let sum = 0;
    for (let k = c * d; k < (c + 1) * d; k++) sum += (unit[k] as number) * (unit[k] as number);
    return -scale * sum;
  });
}

export function proxyNca(ops: Parts, op: ProxyNcaOp): number {
  const { x, proxies, labels, n, d, classes, scale, perExample, logits, gradX, gradProxies } = op;
  const v = compared(ops, proxies, classes, d, true);
  const bias = biasOf(v, classes, d, scale);
  const toU = gradX && new Float32Array(n * d);
  const toV = gradProxies && new Float32Array(classes * d);
  const gradBias = gradProxies && new Float32Array(classes);
  const inputs = { labels, n, d, classes, x: compared(ops, x, n, d, true, 2 * scale), weights: v, bias };
  const { loss } = ops.marginSoftmax({ ...plainSoftmax, ...inputs, perExample, gradX: toU, gradWeights: toV, gradBias });
  if (toU && gradX) toGiven(ops, x, n, d, true, 2 * scale, toU, gradX);
  if (toV && gradBias && gradProxies) {
    // Of a unit row this is radial and goes again; of a shorter one it stays.
    for (let k = 0; k < classes * d; k++)
      toV[k] = (toV[k] as number) - 2 * scale * (gradBias[Math.floor(k / d)] as number) * (v[k] as number);
    toGiven(ops, proxies, classes, d, true, 1, toV, gradProxies);
  }
  if (logits) {
    ops.distances({ x: compared(ops, x, n, d, true), y: v, n, m: classes, d, metric: 'squaredEuclidean', out: logits });
    scaleBy(logits, -scale);
  }
  deliverNaN(loss, gradX, gradProxies);
  return loss;
}

export type ProxyAnchorArguments = [
  x: Float32Array,
  proxies: Float32Array,
  labels: Int32Array,
  n: number,
  d: number,
  classes: number,
  margin: number,
  alpha: number,
  loss: Float64Array,
  gradX: Float32Array | undefined,
  gradProxies: Float32Array | undefined,
];

/** As `hasProxyNca`. */
export function hasProxyAnchor({ margin, alpha }: ProxyAnchorOp): boolean {
  return isMild(alpha) && margin <= 1e30;
}

export function proxyAnchorArguments(op: ProxyAnchorOp, loss: Float64Array): ProxyAnchorArguments {
  const { labels, n, d, classes, margin, alpha } = op;
  const [x, proxies] = [op.x, op.proxies] as Float32Array[];
  const [gradX, gradProxies] = [op.gradX, op.gradProxies] as (Float32Array | undefined)[];
  return [x as Float32Array, proxies as Float32Array, labels, n, d, classes, margin, alpha, loss, gradX, gradProxies];
}
