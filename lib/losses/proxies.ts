// What the losses on class proxies have in common: their arguments' checks, in the house's order.
import { checkBoolean, checkLabels, checkMatrix, checkMemory, checkOptions, checkOut, type Labels } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { gradientOutput } from './outputs.js';

export interface ProxyLossOptions {
  readonly gradients?: boolean;
  readonly out?: { readonly gradEmbeddings?: Matrix; readonly gradProxies?: Matrix };
}

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
  const out = checkOut<NonNullable<ProxyLossOptions['out']>>(options.out, ['gradEmbeddings', 'gradProxies']);
  const wanted = checkBoolean('options.gradients', options.gradients ?? true);
  const gradEmbeddings = gradientOutput('gradEmbeddings', out.gradEmbeddings, wanted, n, d);
  const gradProxies = gradientOutput('gradProxies', out.gradProxies, wanted, classes, d);
  const resolved = own(options);
  const checked = checkLabels('labels', labels, n, { classes });
  checkMemory({ 'options.out.gradEmbeddings': gradEmbeddings, 'options.out.gradProxies': gradProxies }, { x, proxies, labels: checked });
  const inputs = { x: x.data, proxies: proxies.data, labels: checked, n, d, classes };
  return { op: { ...resolved, ...inputs, gradX: gradEmbeddings?.data, gradProxies: gradProxies?.data }, gradEmbeddings, gradProxies };
}
