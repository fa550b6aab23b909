// What the losses on one labelled batch have in common: the arguments' checks in the house's order, and the op's part that comes of them.
import { checkBoolean, checkLabels, checkMatrix, checkMemory, checkOptions, checkOut, type Labels } from '../checks.js';
import type { Matrix } from '../matrix.js';
import { gradientOutput } from './outputs.js';

export interface BatchLossOptions {
  readonly gradients?: boolean;
  readonly out?: { readonly gradEmbeddings?: Matrix };
}

/** `own` checks and resolves the loss's own options, whose names are `known`. */
export function resolveBatch<Options extends BatchLossOptions, Own extends object>(
  x: Matrix,
  labels: Labels,
  options: Options,
  known: readonly Exclude<keyof Options & string, keyof BatchLossOptions>[],
  own: (options: Options) => Own,
) {
  x = checkMatrix('x', x);
  options = checkOptions(options, [...known, 'gradients', 'out']);
  const out = checkOut<NonNullable<BatchLossOptions['out']>>(options.out, ['gradEmbeddings']);
  const [n, d] = x.shape;
  const wanted = checkBoolean('options.gradients', options.gradients ?? true);
  const gradEmbeddings = gradientOutput('gradEmbeddings', out.gradEmbeddings, wanted, n, d);
  const resolved = own(options);
  const checked = checkLabels('labels', labels, n);
  checkMemory({ 'options.out.gradEmbeddings': gradEmbeddings }, { x, labels: checked });
  return { op: { ...resolved, x: x.data, labels: checked, n, d, gradX: gradEmbeddings?.data }, gradEmbeddings };
}
