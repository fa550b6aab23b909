import { describe, it } from 'vitest';
import { metrics } from '../../lib/ops/distances.js';
import { distances, distancesGradient } from '../../lib/reference/distances.js';
import { normalize, normalizeGradient } from '../../lib/reference/normalize.js';
import { normals } from '../helpers/data.js';
import { expectGradient, weighted } from '../helpers/gradcheck.js';

const [n, m, d] = [4, 3, 5];

describe.each(metrics)('distances %s', (metric) => {
  it('has the gradient of both sides', () => {
    const gradOutput = normals(n * m, 1);
    expectGradient({ x: normals(n * d, 2), y: normals(m * d, 3) }, (v, g) => {
      const op = { x: v.x as Float64Array, y: v.y as Float64Array, n, m, d, metric };
      const out = new Float64Array(n * m);
      distances({ ...op, out });
      distancesGradient({ ...op, gradOutput, gradX: g.x as Float64Array, gradY: g.y as Float64Array });
      return weighted(out, gradOutput);
    });
  });
});

it('normalize', () => {
  const gradOutput = normals(n * d, 4);
  expectGradient({ x: normals(n * d, 5) }, (v, g) => {
    const op = { x: v.x as Float64Array, n, d, eps: 1e-12 };
    const out = new Float64Array(n * d);
    normalize({ ...op, out });
    normalizeGradient({ ...op, gradOutput, gradX: g.x as Float64Array });
    return weighted(out, gradOutput);
  });
});
