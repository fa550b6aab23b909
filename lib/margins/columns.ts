// What a margin is to each column of logits. Two margins have several rows of weights a class, which become one column first: what
// bends that column is `columnMargin`, how many rows there are `centersOf`.
import type { ColumnMargin, Margin } from './types.js';

/** The most rows a class may have: the columns of a class stay in one block of the native softmax (`kSoftmaxCols` in native/api.h). */
export const mostCenters = 256;

/** Rows of weights a class. */
export function centersOf(margin: Margin): number {
  return margin.kind === 'subCenters' || margin.kind === 'softTriple' ? margin.k : 1;
}

/** The margin on a class's one value: that inside sub-centers, any other itself. */
export function columnMargin(margin: Margin): ColumnMargin {
  return margin.kind === 'subCenters' ? margin.margin : margin;
}

/**
 * The margin with what a batch has made of its statistics, or undefined where it has none. A batch of non-finite rows leaves no trace
 * in it: its loss already says so.
 */
export function movedOn(margin: Margin, [first, second]: readonly [number, number]): Margin | undefined {
  if (!Number.isFinite(first) || !Number.isFinite(second)) return undefined;
  if (margin.kind === 'adaFace') return Object.freeze({ ...margin, batchMean: first, batchStd: second });
  if (margin.kind === 'curricularFace') return Object.freeze({ ...margin, t: first });
  if (margin.kind !== 'subCenters') return undefined;
  const inner = movedOn(margin.margin, [first, second]);
  return inner && Object.freeze({ ...margin, margin: inner as typeof margin.margin });
}
