import { backend } from '../backend.js';
import { checkBoolean, checkNumber, type Labels } from '../checks.js';
import { zeros } from '../fresh.js';
import type { Matrix } from '../matrix.js';
import { type Backward, type OptionalGradients, present } from './outputs.js';
import { type ProxyLossOptions, resolveProxies } from './proxies.js';

export interface ProxyNcaLossOptions extends ProxyLossOptions {
  /** > 0, default 1 (pytorch-metric-learning's). Rows and proxies of length r are unit ones under a scale of r². */
  readonly scale?: number;
  /** Also return the logits, default false. */
  readonly logits?: boolean;
}

export interface ProxyNcaLossResult {
  readonly loss: number;
  /** Cross-entropy of each row, [B]. */
  readonly perExample: Float32Array;
  /** −scale·‖x̂_i − p̂_j‖², [B, C]; with `logits: true` only. */
  readonly logits?: Matrix;
  /** ∂loss/∂x, [B, D], through the normalisation. */
  readonly gradEmbeddings: Matrix;
  /** ∂loss/∂proxies, [C, D], for the proxies as given (not normalised). */
  readonly gradProxies: Matrix;
}

/**
 * Proxy-NCA loss (Movshovitz-Attias et al., ICCV 2017): the mean over the rows of −log softmax_j(−scale·‖x̂_i − p̂_j‖²) at the own class's proxy. The
 * softmax is over all proxies, as in pytorch-metric-learning's `ProxyNCALoss`, which this equals; the paper leaves the own one out of the
 * denominator, so that its loss may be negative. Time O(B·C·D), memory O((B + C)·D).
 * @param x embeddings [B, D], normalised here
 * @param proxies one row a class, [C, D], normalised here
 * @param labels [B] integers in [0, C)
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function proxyNcaLoss(x: Matrix, proxies: Matrix, labels: Labels, options?: ProxyNcaLossOptions & Backward): ProxyNcaLossResult;
export function proxyNcaLoss(
  x: Matrix,
  proxies: Matrix,
  labels: Labels,
  options?: ProxyNcaLossOptions,
): OptionalGradients<ProxyNcaLossResult>;
export function proxyNcaLoss(
  x: Matrix,
  proxies: Matrix,
  labels: Labels,
  options: ProxyNcaLossOptions = {},
): OptionalGradients<ProxyNcaLossResult> {
  const own = (o: ProxyNcaLossOptions) => ({
    withLogits: checkBoolean('options.logits', o.logits ?? false),
    scale: checkNumber('options.scale', o.scale ?? 1, { min: 0, exclusive: true }),
  });
  const { op, gradEmbeddings, gradProxies } = resolveProxies(x, proxies, labels, options, ['scale', 'logits'], own);
  const { withLogits, ...inputs } = op;
  const logits = withLogits ? zeros(op.n, op.classes) : undefined;
  const perExample = new Float32Array(op.n);
  const loss = backend().proxyNcaLoss({ ...inputs, perExample, logits: logits?.data });
  return { loss, perExample, ...present({ logits, gradEmbeddings, gradProxies }) };
}
