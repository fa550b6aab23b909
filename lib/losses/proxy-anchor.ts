import { backend } from '../backend.js';
import { checkNumber, type Labels } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type Backward, type OptionalGradients, present } from './outputs.js';
import { type ProxyLossOptions, resolveProxies } from './proxies.js';

export interface ProxyAnchorLossOptions extends ProxyLossOptions {
  /** δ, at least 0, default 0.1 (the paper's). */
  readonly margin?: number;
  /** α > 0, default 32 (the paper's). */
  readonly alpha?: number;
}

export interface ProxyAnchorLossResult {
  readonly loss: number;
  /** ∂loss/∂x, [B, D], through the normalisation. */
  readonly gradEmbeddings: Matrix;
  /** ∂loss/∂proxies, [C, D], for the proxies as given (not normalised). */
  readonly gradProxies: Matrix;
}

/**
 * Proxy-anchor loss (Kim et al., CVPR 2020, eq. 4), c the cosine of a row and a proxy: the mean over the classes in the batch of
 * log(1 + Σ_{own rows} e^{−α(c − δ)}) plus the mean over all C proxies of log(1 + Σ_{other rows} e^{α(c + δ)}). Equals pytorch-metric-learning's
 * `ProxyAnchorLoss`, and the authors' code in value where its exponentials do not overflow. Time O(B·C·D), memory O((B + C)·D).
 * @param x embeddings [B, D], normalised here
 * @param proxies one row a class, [C, D], normalised here
 * @param labels [B] integers in [0, C)
 * @throws ERR_TYPE, ERR_SHAPE, ERR_OPTION_RANGE, ERR_LABEL_RANGE, ERR_ALIAS
 */
export function proxyAnchorLoss(
  x: Matrix,
  proxies: Matrix,
  labels: Labels,
  options?: ProxyAnchorLossOptions & Backward,
): ProxyAnchorLossResult;
export function proxyAnchorLoss(
  x: Matrix,
  proxies: Matrix,
  labels: Labels,
  options?: ProxyAnchorLossOptions,
): OptionalGradients<ProxyAnchorLossResult>;
export function proxyAnchorLoss(
  x: Matrix,
  proxies: Matrix,
  labels: Labels,
  options: ProxyAnchorLossOptions = {},
): OptionalGradients<ProxyAnchorLossResult> {
  const { op, gradEmbeddings, gradProxies } = resolveProxies(x, proxies, labels, options, ['margin', 'alpha'], (o) => ({
    margin: checkNumber('options.margin', o.margin ?? 0.1, { min: 0 }),
    alpha: checkNumber('options.alpha', o.alpha ?? 32, { min: 0, exclusive: true }),
  }));
  return { loss: backend().proxyAnchorLoss(op), ...present({ gradEmbeddings, gradProxies }) };
}
