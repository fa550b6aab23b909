// What the losses over one labelled batch share: their arguments and the checks of them, their result.
import { checkLabels, checkMatrix, checkMemory, checkOptions, type LabelRules, type Labels } from '../checks.js';
import { type CrossBatchMemory, checkCrossBatchMemory } from '../cross-batch-memory.js';
import type { Matrix } from '../matrix.js';
import { type GradientOptions, gradientOutputs } from './outputs.js';

export interface BatchLossOptions extends GradientOptions<'gradEmbeddings'> {
  /** Rows of earlier batches, constants that every row of x is compared with besides the others; of the same dimension. */
  readonly memory?: CrossBatchMemory;
}

export interface BatchLossResult {
  readonly loss: number;
  /** ∂loss/∂x, [B, D]. */
  readonly gradEmbeddings: Matrix;
}

/** Of a batch loss that is a mean over rows. */
export interface RowLossResult extends BatchLossResult {
  /** The term of every row, [B]; 0 for a row that does not count. */
  readonly perExample: Float32Array;
}

interface More {
  /** Other arguments that hold memory, for the check of aliasing. */
  readonly inputs?: Readonly<Record<string, Float32Array>>;
  readonly rules?: LabelRules;
}

/** Checks embeddings, options, labels and memory in the order of every op; `read` checks the loss's own options. */
export function resolveBatch<Options extends BatchLossOptions, Own extends object>(
  x: Matrix,
  labels: Labels,
  options: Options,
  known: readonly Exclude<keyof Options & string, keyof BatchLossOptions>[],
  read: (options: Options) => Own,
  { inputs = {}, rules = {} }: More = {},
) {
  x = checkMatrix('x', x);
  const given = checkOptions(options, [...known, 'memory', 'gradients', 'out']);
  const [n, d] = x.shape;
  const { gradients, memory: outputs } = gradientOutputs(given, { gradEmbeddings: x.shape });
  const memory = checkCrossBatchMemory('options.memory', given.memory, d);
  const own = read(given);
  const checked = checkLabels('labels', labels, n, rules);
  checkMemory(outputs, { x, labels: checked, ...inputs });
  return { op: { x: x.data, labels: checked, n, d, memory, ...own, gradX: gradients.gradEmbeddings?.data }, ...gradients };
}
