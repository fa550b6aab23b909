// All metrics between rows, from differences rather than ‖x‖² + ‖y‖² − 2xy: nothing cancels, duplicates are exactly 0.
import type { DistancesGradientOp, DistancesOp, Metric } from '../ops/distances.js';
import { shortest, type Values } from '../ops/types.js';
import { dot, length } from './rows.js';

interface Rows {
  readonly x: Values;
  readonly y: Values;
  readonly d: number;
}

export function distances({ x, y, n, m, d, metric, out }: DistancesOp): void {
  const value = measureOf(metric, { x, y, d });
  const self = x === y;
  const exactZero = self && (metric === 'cosineDistance' || metric === 'snr');
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) out[i * m + j] = exactZero && i === j ? 0 : value(i * d, j * d);
  }
}

type Value = (atX: number, atY: number) => number;

export function measureOf(metric: Metric, rows: Rows): Value {
  const { x, y, d } = rows;
  switch (metric) {
    case 'dot':
      return (p, q) => dot(x, p, y, q, d);
    case 'cosineSimilarity':
      return (p, q) => cosine(rows, p, q);
    case 'cosineDistance':
      return (p, q) => Math.max(0, 1 - cosine(rows, p, q));
    case 'squaredEuclidean':
      return (p, q) => squared(rows, p, q);
    case 'euclidean':
      return (p, q) => Math.sqrt(squared(rows, p, q));
    case 'manhattan':
      return (p, q) => {
        let sum = 0;
        for (let k = 0; k < d; k++) sum += Math.abs((x[p + k] as number) - (y[q + k] as number));
        return sum;
      };
    case 'snr':
      return (p, q) => {
        const { signal, noise } = variances(rows, p, q);
        return signal === 0 ? 0 : noise / signal;
      };
  }
}

function squared({ x, y, d }: Rows, p: number, q: number): number {
  let sum = 0;
  for (let k = 0; k < d; k++) {
    const diff = (x[p + k] as number) - (y[q + k] as number);
    sum += diff * diff;
  }
  return sum;
}

function cosine({ x, y, d }: Rows, p: number, q: number): number {
  return dot(x, p, y, q, d) / (Math.max(length(x, p, d), shortest) * Math.max(length(y, q, d), shortest));
}

/** Variances of x_i and of x_i − y_j over the D coordinates; the divisor D − 1 drops out of their ratio. */
function variances({ x, y, d }: Rows, p: number, q: number) {
  let [meanX, meanDiff] = [0, 0];
  for (let k = 0; k < d; k++) {
    meanX += (x[p + k] as number) / d;
    meanDiff += ((x[p + k] as number) - (y[q + k] as number)) / d;
  }
  let [signal, noise] = [0, 0];
  for (let k = 0; k < d; k++) {
    signal += ((x[p + k] as number) - meanX) ** 2;
    noise += ((x[p + k] as number) - (y[q + k] as number) - meanDiff) ** 2;
  }
  return { meanX, meanDiff, signal, noise };
}

export function distancesGradient({ x, y, n, m, d, metric, gradOutput, gradX, gradY }: DistancesGradientOp): void {
  const sumX = new Float64Array(n * d);
  const sumY = new Float64Array(m * d);
  const add = gradientOf(metric, { x, y, d }, sumX, sumY);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) {
      const g = gradOutput[i * m + j] as number;
      if (g !== 0) add(g, i * d, j * d);
    }
  }
  gradX.set(sumX);
  gradY.set(sumY);
}

/** Adds g·∂value/∂x_i and g·∂value/∂y_j. A Euclidean distance of exactly 0 has gradient 0, and sign(0) = 0. */
export function gradientOf(metric: Metric, rows: Rows, sumX: Values, sumY: Values): (g: number, p: number, q: number) => void {
  const { x, y, d } = rows;
  const add = (p: number, q: number, k: number, toX: number, toY: number): void => {
    sumX[p + k] = (sumX[p + k] as number) + toX;
    sumY[q + k] = (sumY[q + k] as number) + toY;
  };
  const difference = (factor: number, p: number, q: number): void => {
    for (let k = 0; k < d; k++) {
      const toX = factor * ((x[p + k] as number) - (y[q + k] as number));
      add(p, q, k, toX, -toX);
    }
  };
  const angular = (g: number, p: number, q: number): void => {
    const [normX, normY] = [length(x, p, d), length(y, q, d)];
    const [divisorX, divisorY] = [Math.max(normX, shortest), Math.max(normY, shortest)];
    const c = dot(x, p, y, q, d) / (divisorX * divisorY);
    // A divisor that is the constant does not move with its row: no radial part.
    const [radialX, radialY] = [normX > shortest ? c : 0, normY > shortest ? c : 0];
    for (let k = 0; k < d; k++) {
      const [unitX, unitY] = [(x[p + k] as number) / divisorX, (y[q + k] as number) / divisorY];
      const toX = normX === 0 ? 0 : (g * (unitY - radialX * unitX)) / divisorX;
      const toY = normY === 0 ? 0 : (g * (unitX - radialY * unitY)) / divisorY;
      add(p, q, k, toX, toY);
    }
  };
  switch (metric) {
    case 'dot':
      return (g, p, q) => {
        for (let k = 0; k < d; k++) add(p, q, k, g * (y[q + k] as number), g * (x[p + k] as number));
      };
    case 'cosineSimilarity':
      return angular;
    case 'cosineDistance':
      return (g, p, q) => angular(-g, p, q);
    case 'squaredEuclidean':
      return (g, p, q) => difference(2 * g, p, q);
    case 'euclidean':
      return (g, p, q) => {
        const distance = Math.sqrt(squared(rows, p, q));
        if (distance > 0) difference(g / distance, p, q);
      };
    case 'manhattan':
      return (g, p, q) => {
        for (let k = 0; k < d; k++) {
          const toX = g * Math.sign((x[p + k] as number) - (y[q + k] as number));
          add(p, q, k, toX, -toX);
        }
      };
    case 'snr':
      return (g, p, q) => {
        const { meanX, meanDiff, signal, noise } = variances(rows, p, q);
        if (signal === 0) return;
        for (let k = 0; k < d; k++) {
          const fromNoise = (2 * g * ((x[p + k] as number) - (y[q + k] as number) - meanDiff)) / signal;
          const fromSignal = (2 * g * noise * ((x[p + k] as number) - meanX)) / (signal * signal);
          add(p, q, k, fromNoise - fromSignal, -fromNoise);
        }
      };
  }
}
