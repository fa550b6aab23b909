// Large-margin softmax: logits scale·u·v, the target's replaced by its margin, then cross-entropy. u and v are the
// rows of x and w, raw or unit as the margin wants; gradients go through the normalisations at the end, once per row.
import type { MarginSoftmaxOp } from '../ops/softmax.js';
import { classify } from './classification.js';
import { spaceOf, targetLogit } from './margins.js';
import { addScaled, dot, throughNormalization, unitRows } from './rows.js';
import { eachRow } from './softmax.js';

export function marginSoftmax(op: MarginSoftmaxOp): number {
  const { x, weights, labels, n, d, classes, margin, logits, gradX, gradWeights, ignoreIndex } = op;
  const space = spaceOf(margin);
  const rows = unitRows(x, n, d);
  const columns = unitRows(weights, classes, d);
  const u = space.unitX ? rows.unit : x;
  const v = space.unitW ? columns.unit : weights;

  const targetOf = (i: number, y: number) =>
    targetLogit(margin, {
      dot: dot(u, i * d, v, y * d, d),
      cos: Math.max(-1, Math.min(1, dot(rows.unit, i * d, columns.unit, y * d, d))),
      normU: space.unitX ? 1 : (rows.norms[i] as number),
      normV: space.unitW ? 1 : (columns.norms[y] as number),
    });
  const fill = (i: number, z: Float64Array): void => {
    for (let c = 0; c < classes; c++) z[c] = space.scale * dot(u, i * d, v, c * d, d);
    const y = labels[i] as number;
    if (y !== ignoreIndex) z[y] = targetOf(i, y).value;
  };
  if (logits) eachRow(n, classes, fill, (i, z) => logits.set(z, i * classes));

  gradX?.fill(0);
  const gradU = new Float64Array(d);
  const gradV = gradWeights && new Float64Array(classes * d);
  const use = (i: number, g: Float64Array): void => {
    const y = labels[i] as number;
    const target = targetOf(i, y);
    gradU.fill(0);
    for (let c = 0; c < classes; c++) {
      const factor = (g[c] as number) * (c === y ? target.alongDot : space.scale);
      addScaled(gradU, 0, v, c * d, d, factor);
      if (gradV) addScaled(gradV, c * d, u, i * d, d, factor);
    }
    addScaled(gradU, 0, rows.unit, i * d, d, (g[y] as number) * target.alongU);
    if (gradV) addScaled(gradV, y * d, columns.unit, y * d, d, (g[y] as number) * target.alongV);
    if (space.unitX) throughNormalization(gradU, 0, rows.unit.subarray(i * d, i * d + d), rows.norms[i] as number, d);
    gradX?.set(gradU, i * d);
  };
  const loss = classify(op, fill, gradX || gradV ? use : undefined);
  if (gradV) {
    if (space.unitW) for (let c = 0; c < classes; c++) throughNormalization(gradV, c * d, columns.unit, columns.norms[c] as number, d);
    gradWeights?.set(gradV);
  }
  return loss;
}
