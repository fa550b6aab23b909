// The plain loop that a TypeScript user would write: what a small call must not lose to.
import { createRandom } from '../../lib/index.js';

export function euclideanLoop(n: number, m: number, d: number): () => unknown {
  const random = createRandom(1);
  const [x, y] = [n, m].map((rows) => Float32Array.from({ length: rows * d }, () => random.normal())) as [Float32Array, Float32Array];
  const out = new Float32Array(n * m);
  return () => {
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < m; j++) {
        let sum = 0;
        for (let k = 0; k < d; k++) {
          const diff = (x[i * d + k] as number) - (y[j * d + k] as number);
          sum += diff * diff;
        }
        out[i * m + j] = Math.sqrt(sum);
      }
    }
    return out;
  };
}
