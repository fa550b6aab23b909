// N-pairs: the softmax of anchors against all positives, and a regulariser on the lengths of both.
import type { NPairsOp } from '../ops/batch-losses.js';
import type { Values } from '../ops/types.js';
import { matched } from './matched-rows.js';
import { addScaled, type ComparedRows, comparedRows, deliver, dot } from './rows.js';

export function nPairsLoss({ anchors, positives, n, d, normalize, l2Reg, perExample, gradAnchors, gradPositives }: NPairsOp): number {
  const [a, p] = [comparedRows(anchors, n, d, normalize), comparedRows(positives, n, d, normalize)];
  const wanted = gradAnchors !== undefined || gradPositives !== undefined;
  const fromRows = matched({ from: a, to: p, n, d, temperature: 1, weight: 1, perExample, wanted });
  // Of the rows as given: of unit rows it would be a constant.
  const scale = l2Reg / Math.max(n, 1);
  const squared = (rows: Values): number => (scale === 0 ? 0 : scale * dot(rows, 0, rows, 0, n * d));
  const loss = fromRows + squared(anchors) + squared(positives);
  const withRegularizer = (compared: ComparedRows, given: Values) => () => {
    const gradient = compared.toGiven();
    if (scale !== 0) addScaled(gradient, 0, given, 0, n * d, 2 * scale);
    return gradient;
  };
  deliver(loss, gradAnchors, withRegularizer(a, anchors));
  deliver(loss, gradPositives, withRegularizer(p, positives));
  return loss;
}
