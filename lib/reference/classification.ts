// The losses of one row of logits at a time: what every softmax head of the reference shares. Only one row of logits exists
// at any moment, so memory never grows with batch × classes.
import { type ClassificationOp, type Exchange, elsewhere } from '../ops/softmax.js';

type Row = Float64Array;

/** Writes the logits of row i. */
type Fill = (i: number, z: Row) => void;
/** Receives ∂loss/∂z of the row that was filled last, reduction included. */
type Use = (i: number, g: Row) => void;

/** What a row's loss needs to know of its other classes and its target: see `Exchange`. */
interface RowStatistics {
  readonly greatest: number;
  readonly sum: number;
  readonly gap: number;
  readonly target: number;
}

export interface SharedOp extends ClassificationOp {
  readonly exchange?: Exchange | undefined;
}

/**
 * Softmax cross-entropy, row by row. Ignored rows are passed over. ℓ = −(1−ε)v_y log p_y − (ε/C)Σ_c v_c log p_c; mean divides by Σv_y.
 * `weight` multiplies the loss and its gradients, not ℓ. In the forward phase of an exchange nothing but its statistics is written.
 */
export function classify(op: SharedOp, fill: Fill, use?: Use, weight = 1): number {
  const { labels, n, classes, reduction, labelSmoothing, ignoreIndex, classWeights, gradOutput, perExample, exchange } = op;
  const weightOf = (c: number): number => classWeights?.[c] ?? 1;
  let allWeights = exchange ? exchange.allClasses : 0;
  if (!exchange) for (let c = 0; c < classes; c++) allWeights += weightOf(c);
  let weightSum = 0;
  for (let i = 0; i < n; i++) if (labels[i] !== ignoreIndex) weightSum += weightOf(labels[i] as number);
  const common = reduction === 'mean' ? (weightSum > 0 ? 1 / weightSum : 0) : 1;
  const share = labelSmoothing / (exchange ? exchange.allClasses : classes);
  const soft = share * allWeights;
  const z = new Float64Array(classes);
  let loss = 0;
  for (let i = 0; i < n; i++) {
    const label = labels[i] as number;
    if (label === ignoreIndex) {
      if (exchange?.phase !== 'forward') perExample[i] = 0;
      continue;
    }
    fill(i, z);
    const y = exchange && label === elsewhere ? -1 : label;
    let row: RowStatistics;
    if (exchange?.phase === 'backward') row = readStatistics(exchange, i);
    else row = statisticsOf(z, y, weightOf);
    if (exchange?.phase === 'forward') {
      writeStatistics(exchange, i, row);
      continue;
    }
    const { greatest, sum, gap, target: targetLogit } = row;
    const top = targetLogit > greatest ? targetLogit : greatest;
    const [others, target] = [sum * power(greatest, top), power(targetLogit, top)];
    const total = others + target;
    const logOfTarget = targetLogit === top ? -Math.log1p(others) : targetLogit - top - Math.log(total);
    const hard = (1 - labelSmoothing) * weightOf(y);
    let value = weighted(hard, -logOfTarget);
    if (share > 0) {
      let otherWeights = exchange ? exchange.allClasses - 1 : 0;
      if (!exchange) for (let c = 0; c < classes; c++) if (c !== y) otherWeights += weightOf(c);
      const fromGreatest = Math.log(total) + difference(top, greatest);
      value += weighted(share * weightOf(y), -logOfTarget) + share * gap + weighted(share * otherWeights, fromGreatest);
    }
    const scale = weight * (reduction === 'none' ? (gradOutput?.[i] ?? 1) : common);
    perExample[i] = value;
    loss += weighted(scale, value);
    if (!use) continue;
    for (let c = 0; c < classes; c++) {
      if (c !== y) z[c] = scale * (((hard + soft) * power(z[c] as number, top)) / total - share * weightOf(c));
    }
    // 1 − p_y comes from the others' sum: p_y − 1 would cancel to 0 for a confident row.
    if (y >= 0) z[y] = scale * ((soft * target - hard * others) / total - share * weightOf(y));
    use(i, z);
  }
  return loss;
}

/** A loss of every entry of [n, classes] on its own. */
export interface EntryLoss {
  value(z: number, isTarget: boolean): number;
  slope(z: number, isTarget: boolean): number;
}

/** ℓ is the sum of the entries' losses over the classes; mean divides by the rows that count. `weight` as in `classify`. */
export function eachEntry(op: ClassificationOp, entry: EntryLoss, fill: Fill, use: Use | undefined, weight: number): number {
  const { labels, n, classes, reduction, ignoreIndex, gradOutput, perExample } = op;
  let count = 0;
  for (let i = 0; i < n; i++) if (labels[i] !== ignoreIndex) count++;
  const z = new Float64Array(classes);
  let loss = 0;
  for (let i = 0; i < n; i++) {
    const y = labels[i] as number;
    perExample[i] = 0;
    if (y === ignoreIndex) continue;
    fill(i, z);
    let value = 0;
    for (let c = 0; c < classes; c++) value += entry.value(z[c] as number, c === y);
    const scale = weight * (reduction === 'none' ? (gradOutput?.[i] ?? 1) : reduction === 'mean' ? 1 / count : 1);
    perExample[i] = value;
    loss += weighted(scale, value);
    if (!use) continue;
    for (let c = 0; c < classes; c++) z[c] = scale * entry.slope(z[c] as number, c === y);
    use(i, z);
  }
  return loss;
}

/** Logits asked for as a result belong to every row, ignored ones included. */
export function eachRow(n: number, classes: number, fill: Fill, store: (i: number, z: Row) => void): void {
  const z = new Float64Array(classes);
  for (let i = 0; i < n; i++) {
    fill(i, z);
    store(i, z);
  }
}

/** A term of weight 0 is not there, even where it is infinite: 0·∞ would be NaN. A NaN stays one. */
function weighted(weight: number, term: number): number {
  return weight === 0 && !Number.isNaN(term) ? 0 : weight * term;
}

/** Infinite logits count as equal to an equal maximum, so ∞ − ∞ never makes a NaN. */
function difference(max: number, z: number): number {
  return z === max ? 0 : max - z;
}

function power(z: number, max: number): number {
  return Math.exp(-difference(max, z));
}

/** y = −1: all classes are others. */
function statisticsOf(z: Row, y: number, weightOf: (c: number) => number): RowStatistics {
  let greatest = -Infinity;
  for (let c = 0; c < z.length; c++) if (c !== y && (z[c] as number) > greatest) greatest = z[c] as number;
  let [sum, gap] = [0, 0];
  for (let c = 0; c < z.length; c++) {
    if (c === y) continue;
    const below = difference(greatest, z[c] as number);
    sum += Math.exp(-below);
    gap += weighted(weightOf(c), below);
  }
  return { greatest, sum, gap, target: y < 0 ? Number.NaN : (z[y] as number) };
}

function readStatistics({ statistics }: Exchange, i: number): RowStatistics {
  const [greatest, sum, gap, target] = statistics.subarray(4 * i, 4 * i + 4) as unknown as [number, number, number, number];
  return { greatest, sum, gap, target };
}

function writeStatistics({ statistics }: Exchange, i: number, { greatest, sum, gap, target }: RowStatistics): void {
  statistics.set([greatest, sum, gap, target], 4 * i);
}
