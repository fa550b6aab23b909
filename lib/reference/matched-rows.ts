// InfoNCE and N-pairs: a softmax of each row's dots with all rows of another matrix, where the right answer for row i is row i.
import type { Values } from '../ops/types.js';
import { classify } from './classification.js';
import { addScaled, type ComparedRows, dot } from './rows.js';

/** `weight` · mean cross-entropy of a_i·b_j / temperature, label i; gradients gather on both where they are wanted. */
interface Direction {
  readonly from: ComparedRows;
  readonly to: ComparedRows;
  readonly n: number;
  readonly d: number;
  readonly temperature: number;
  readonly weight: number;
  readonly perExample: Values;
  readonly wanted: boolean;
}

export function matched({ from, to, n, d, temperature, weight, perExample, wanted }: Direction): number {
  const labels = Int32Array.from({ length: n }, (_, i) => i);
  return classify(
    { labels, n, classes: n, reduction: 'mean', labelSmoothing: 0, ignoreIndex: -1, perExample },
    (i, z) => {
      for (let j = 0; j < n; j++) z[j] = dot(from.rows, i * d, to.rows, j * d, d) / temperature;
    },
    wanted
      ? (i, g) => {
          for (let j = 0; j < n; j++) {
            const slope = (g[j] as number) / temperature;
            addScaled(from.gradient, i * d, to.rows, j * d, d, slope);
            addScaled(to.gradient, j * d, from.rows, i * d, d, slope);
          }
        }
      : undefined,
    weight,
  );
}
