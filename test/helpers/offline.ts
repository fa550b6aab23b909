// The definition of offline mining over all distances, which it never holds.
import { backend } from '../../lib/backend.js';
import { info, type Matrix, normalize } from '../../lib/index.js';
import type { OfflineStrategy } from '../../lib/mine-offline.js';
import type { PairDistance } from '../../lib/ops/pairs.js';

export interface Rule {
  readonly strategy: OfflineStrategy;
  readonly distance: PairDistance;
  readonly normalize: boolean;
  readonly margin: number;
}

/** d(a, b) of all rows as the backend that serves computes them: float32 natively, float64 in TypeScript. */
export function apartOf(x: Matrix, { distance, normalize: unit }: Rule): (a: number, b: number) => number {
  const [n, d] = x.shape;
  const rows = unit && distance !== 'cosineSimilarity' ? normalize(x).data : x.data;
  const out = info().backend === 'native' ? new Float32Array(n * n) : new Float64Array(n * n);
  backend().distances({ x: rows, y: rows.slice(), n, m: n, d, metric: distance, out });
  const sign = distance === 'cosineSimilarity' ? -1 : 1;
  return (a, b) => sign * (out[a * n + b] as number);
}

/** Every ordered pair (a, p) with its admitted negatives, nearest first. */
export function* pairsOf(x: Matrix, labels: ArrayLike<number>, rule: Rule): Generator<{ a: number; p: number; admitted: number[] }> {
  const n = labels.length;
  const apart = apartOf(x, rule);
  for (let a = 0; a < n; a++) {
    for (let p = 0; p < n; p++) {
      if (a === p || labels[a] !== labels[p]) continue;
      const positive = apart(a, p);
      const admitted = Array.from({ length: n }, (_, j) => j).filter((j) => {
        const negative = apart(a, j);
        if (labels[j] === labels[a] || !(negative < positive + rule.margin)) return false;
        return rule.strategy === 'hardest' || negative > positive;
      });
      yield { a, p, admitted: admitted.sort((i, j) => apart(a, i) - apart(a, j) || i - j) };
    }
  }
}
