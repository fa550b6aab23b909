// Every head over a linear layer. For one row at a time: the dots u·v with all rows of weights, merged to one value a class, a logit
// of each (the target's with its margin), the loss, and back the same way. u and v are the rows of x and w, raw or unit as the
// margin wants; gradients go through the normalisations at the end, once per row, and what acts along a norm is added after.
import { failure } from '../errors.js';
import { centersOf, columnMargin } from '../margins/columns.js';
import type { ColumnMargin } from '../margins/types.js';
import type { MarginSoftmaxOp, MarginSoftmaxResult } from '../ops/softmax.js';
import { classify, type EntryLoss, eachEntry, eachRow } from './classification.js';
import { sigmoid, softplus } from './log-sum.js';
import { batchOf, classOf, regularizerOf } from './margin-batch.js';
import { otherLogits, poolOf } from './margin-columns.js';
import { spaceOf, type TargetLogit, targetLogit } from './margins.js';
import { addScaled, dot, throughNormalization, unitRows } from './rows.js';
import { takenRows, updateRows } from './weight-update.js';

export function marginSoftmax(op: MarginSoftmaxOp): MarginSoftmaxResult {
  const { x, n, d, classes, bias, logits, gradX, gradWeights, gradBias, update, exchange } = op;
  // `op.margin` says how many rows a class has and how they become one value; this one what becomes of that.
  const margin = columnMargin(op.margin);
  const entry = entryLossOf(margin);
  if (exchange && (entry || margin.kind === 'curricularFace')) {
    throw failure('ERR_OPTION_RANGE', 'options.margin', 'a margin that shards can share', `'${margin.kind}'`);
  }
  if (exchange && op.classWeights) throw failure('ERR_OPTION_RANGE', 'options.classWeights', 'none on a shard', 'class weights');
  const k = centersOf(op.margin);
  const pool = poolOf(op.margin);
  const space = spaceOf(margin);
  const weights = takenRows(op, k);
  const rows = unitRows(x, n, d);
  const columns = unitRows(weights, classes * k, d);
  const u = space.unitX ? rows.unit : x;
  const v = space.unitW ? columns.unit : weights;

  // Of the row at hand, from its forward to its backward pass.
  const dots = new Float64Array(classes * k);
  const merged = new Float64Array(classes);

  const mergeDots = (i: number): void => {
    for (let r = 0; r < classes * k; r++) dots[r] = dot(u, i * d, v, r * d, d);
    pool.merge(dots, merged);
  };
  const cosineTo = (i: number, y: number): number => {
    const cos = space.unitX && space.unitW ? (merged[y] as number) : dot(rows.unit, i * d, columns.unit, y * d, d);
    return Math.max(-1, Math.min(1, cos));
  };
  const batch = batchOf(op, rows.norms, (i) => {
    mergeDots(i);
    return cosineTo(i, classOf(op, i));
  });
  const targetOf = (i: number, y: number): TargetLogit =>
    targetLogit(margin, {
      dot: merged[y] as number,
      cos: cosineTo(i, y),
      normX: rows.norms[i] as number,
      normW: columns.norms[y] as number,
      quality: batch.quality?.[i] ?? 0,
    });
  const othersOf = (i: number, y: number) => otherLogits(margin, y < 0 ? 1 : cosineTo(i, y), batch.t);
  const biasOf = (c: number): number => (bias ? (bias[bias.length === 1 ? 0 : c] as number) : 0);

  const fill = (i: number, z: Float64Array): void => {
    mergeDots(i);
    const y = classOf(op, i);
    const others = othersOf(i, y);
    for (let c = 0; c < classes; c++) z[c] = (c === y ? targetOf(i, y).value : others.value(merged[c] as number)) + biasOf(c);
  };
  if (logits) eachRow(n, classes, fill, (i, z) => logits.set(z, i * classes));

  const regularizer = regularizerOf(op, rows.norms);
  const wanted = exchange?.phase !== 'forward' && (gradX || gradWeights || gradBias || update);
  if (wanted) gradX?.fill(0);
  const gradU = new Float64Array(d);
  const gradV = wanted && (gradWeights || update) ? new Float64Array(classes * k * d) : undefined;
  const alongW = new Float64Array(classes);
  const sumBias = new Float64Array(gradBias?.length ?? 0);
  // The authors' layer of A-Softmax trains unit weights as if nothing depended on their length and the target had no margin.
  const plainWeights = margin.kind === 'aSoftmax' && margin.gradient === 'caffe';

  const use = (i: number, g: Float64Array): void => {
    const y = classOf(op, i);
    const others = othersOf(i, y);
    const target = y < 0 ? undefined : targetOf(i, y);
    for (let c = 0; c < classes; c++) {
      const slope = c === y && target ? target.alongDot : others.slope(merged[c] as number);
      merged[c] = (g[c] as number) * slope;
      if (gradBias) sumBias[c % sumBias.length] = (sumBias[c % sumBias.length] as number) + (g[c] as number);
    }
    pool.share(merged, dots);
    gradU.fill(0);
    for (let r = 0; r < classes * k; r++) {
      addScaled(gradU, 0, v, r * d, d, dots[r] as number);
      if (gradV) addScaled(gradV, r * d, u, i * d, d, plainWeights ? (g[r] as number) : (dots[r] as number));
    }
    if (space.unitX) throughNormalization(gradU, 0, rows.unit.subarray(i * d, i * d + d), rows.norms[i] as number, d);
    if (target) {
      const along = (g[y] as number) * target.alongX + (regularizer?.slope(i) ?? 0);
      if (along !== 0) addScaled(gradU, 0, rows.unit, i * d, d, along);
      alongW[y] = (alongW[y] as number) + (g[y] as number) * target.alongW;
    }
    gradX?.set(gradU, i * d);
  };
  const weight = lossWeight(margin, classes);
  const loss = entry ? eachEntry(op, entry, fill, wanted ? use : undefined, weight) : classify(op, fill, wanted ? use : undefined, weight);

  if (gradV) {
    for (let r = 0; r < classes * k; r++) {
      if (space.unitW && !plainWeights) throughNormalization(gradV, r * d, columns.unit, columns.norms[r] as number, d);
      if (k === 1 && alongW[r] !== 0) addScaled(gradV, r * d, columns.unit, r * d, d, alongW[r] as number);
    }
    gradWeights?.set(gradV);
    updateRows(op, k, gradV);
  }
  if (wanted) gradBias?.set(sumBias);
  if (exchange?.phase === 'forward') return { loss: 0, regularizer: 0, state: batch.state };
  const added = regularizer?.value ?? 0;
  const lambda = margin.kind === 'magFace' ? margin.lambdaG : 0;
  return { loss: loss + lambda * added, regularizer: added, state: batch.state };
}

/** What the reduced loss is multiplied by. */
function lossWeight(margin: ColumnMargin, classes: number): number {
  if (margin.kind === 'sphereFaceR') return margin.lossWeight / margin.s;
  if (margin.kind === 'sphereFace2') return margin.lossWeight / margin.r;
  return margin.kind === 'p2sGrad' ? 1 / classes : 1;
}

/** The loss of margins that judge every class by itself: binary cross-entropy, or the squared error of the cosine. */
function entryLossOf(margin: ColumnMargin): EntryLoss | undefined {
  if (margin.kind === 'sphereFace2') {
    const { alpha } = margin;
    return {
      value: (z, isTarget) => (isTarget ? alpha * softplus(-z) : (1 - alpha) * softplus(z)),
      slope: (z, isTarget) => (isTarget ? -alpha * sigmoid(-z) : (1 - alpha) * sigmoid(z)),
    };
  }
  if (margin.kind === 'p2sGrad') {
    return { value: (z, isTarget) => (z - Number(isTarget)) ** 2, slope: (z, isTarget) => 2 * (z - Number(isTarget)) };
  }
  return undefined;
}
