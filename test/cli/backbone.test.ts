import { expect, it } from 'vitest';
import { Adam } from '../../lib/cli/adam.js';
import { Mlp } from '../../lib/cli/mlp.js';
import { createRandom, matrix } from '../../lib/index.js';
import { normalMatrix, normals } from '../helpers/data.js';

it('the MLP has the gradient of its outputs in every parameter', () => {
  const network = new Mlp([5, 6, 4, 3], createRandom(1));
  const x = normalMatrix(7, 5, 2);
  const weights = normals(7 * 3, 3);
  const value = (): number => network.forward(x).data.reduce((sum, v, i) => sum + v * (weights[i] as number), 0);
  value();
  const gradients = network.backward(matrix(Float32Array.from(weights), 3));
  network.parameters.forEach((parameter, p) => {
    const gradient = gradients[p] as Float32Array;
    expect(gradient).toHaveLength(parameter.length);
    for (let k = 0; k < parameter.length; k++) {
      const kept = parameter[k] as number;
      // float32 activations: the step trades their rounding (2⁻²⁴ over h) against curvature, and the PReLU's kinks stay out of reach.
      const h = 2 ** -7;
      parameter[k] = kept + h;
      const above = value();
      parameter[k] = kept - h;
      const below = value();
      parameter[k] = kept;
      expect(Math.abs((above - below) / (2 * h) - (gradient[k] as number)), `parameter ${p}[${k}]`).toBeLessThan(2e-2);
    }
  });
});

it('Adam takes the first steps of its paper', () => {
  const parameter = Float32Array.of(1, -2);
  const optimizer = new Adam([parameter], 0.1);
  optimizer.step([Float32Array.of(3, -0.5)]);
  // Algorithm 1 at t = 1: m̂ / √v̂ is the sign of the gradient.
  expect(parameter[0]).toBeCloseTo(0.9, 6);
  expect(parameter[1]).toBeCloseTo(-1.9, 6);
  optimizer.step([Float32Array.of(1, 0)]);
  const [m, v] = [(0.9 * 0.1 * 3 + 0.1) / (1 - 0.81), (0.999 * 0.001 * 9 + 0.001) / (1 - 0.999 ** 2)];
  expect(parameter[0]).toBeCloseTo(0.9 - (0.1 * m) / Math.sqrt(v), 6);
});
