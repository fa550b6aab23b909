// What the losses on class proxies have in common: their arguments' checks, in the house's order.
import { checkLabels, checkMatrix, checkMemory, checkOptions, type Labels } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { type GradientOptions, gradientOutputs } from './outputs.js';

export type ProxyLossOptions = GradientOptions<'gradEmbeddings' | 'gradProxies'>;

/** `own` checks and resolves the loss's own options, whose names are `known`. */
export function resolveProxies<Options extends ProxyLossOptions, Own extends object>(
  x: Matrix,
  proxies: Matrix,
  labels: Labels,
  options: Options,
  known: readonly Exclude<keyof Options & string, keyof ProxyLossOptions>[],
  own: (options: Options) => Own,
) {
  x = checkMatrix('x', x);
  const [n, d] = x.shape;
  proxies = checkMatrix('proxies', proxies, d);
  const classes = proxies.shape[0];
  options = checkOptions(options, [...known, 'gradients', 'out']);
  const { gradients, memory } = gradientOutputs(options, { gradEmbeddings: x.shape, gradProxies: proxies.shape });
  const resolved = own(options);
  const checked = checkLabels('labels', labels, n, { classes });
  checkMemory(memory, { x, proxies, labels: checked });
  const inputs = { x: x.data, proxies: proxies.data, labels: checked, n, d, classes };
  const [gradX, gradProxies] = [gradients.gradEmbeddings?.data, gradients.gradProxies?.data];
  return { op: { ...resolved, ...inputs, gradX, gradProxies }, ...gradients };
}
