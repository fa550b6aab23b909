import { describe, expect, it } from 'vitest';
import { distances, distancesGradient, type Matrix, matrix, nearest, retrieval } from '../../lib/index.js';
import { metrics } from '../../lib/ops/distances.js';
import { normalMatrix } from '../helpers/data.js';
import { onBothBackends } from '../helpers/native.js';

const line = (...positions: number[]): Matrix => matrix(Float32Array.from(positions), 1);

onBothBackends('distances of x alone', () => {
  it.each(metrics)('the gradient of %s sums both roles of a row', (metric) => {
    const [x, gradOutput] = [normalMatrix(5, 3, 1), normalMatrix(5, 5, 2)];
    // Off the diagonal alone: there a distance of a row to itself is 0 by definition, not by its formula.
    for (let i = 0; i < 5; i++) gradOutput.data[6 * i] = 0;
    const { gradX, gradY } = distancesGradient(x, normalMatrix(5, 3, 1), gradOutput, { metric });
    const sum = gradX.data.map((value, k) => value + (gradY.data[k] as number));
    expect(distancesGradient(x, gradOutput, { metric })).toEqual({ gradX: { data: sum, shape: [5, 3] } });
  });
  it('a row with an infinity is at no distance from itself', () => {
    const x = matrix(Float32Array.of(Infinity, 1, 2, 3), 2);
    for (const metric of metrics.slice(0, 3)) expect(distances(x, { metric }).data[0], metric).toBeNaN();
    for (const metric of ['cosineDistance', 'snr'] as const) expect(distances(x, { metric }).data[0], metric).toBe(0);
  });
});

onBothBackends('definitions', () => {
  it('a row shorter than 1e-12 is divided by 1e-12, which does not move with it', () => {
    const [short, y] = [matrix(Float32Array.of(0.5e-12, 0.2e-12), 2), matrix(Float32Array.of(3, 4), 2)];
    const gradOutput = line(1);
    const { gradX } = distancesGradient(short, y, gradOutput, { metric: 'cosineSimilarity' });
    expect(gradX.data[0]).toBeCloseTo(0.6e12, -6);
    expect(gradX.data[1]).toBeCloseTo(0.8e12, -6);
    const { gradY } = distancesGradient(y, short, gradOutput, { metric: 'cosineDistance' });
    expect(gradY.data[0]).toBeCloseTo(-0.6e12, -6);
    const zero = matrix(new Float32Array(2), 2);
    expect(distancesGradient(zero, y, gradOutput, { metric: 'cosineSimilarity' }).gradX.data).toEqual(zero.data);
  });
  it('snr of a row without variance is 0, of one with a NaN is NaN', () => {
    const x = matrix(Float32Array.of(1, 1, 1, Number.NaN), 2);
    const [flat, broken] = distances(x, matrix(Float32Array.of(3, 4), 2), { metric: 'snr' }).data;
    expect([flat, broken]).toEqual([0, Number.NaN]);
  });
});

describe('NaN among neighbours', () => {
  it('nearest puts it after infinities, in the order of the rows', () => {
    const gallery = line(Number.NaN, Infinity, 1, Number.NaN, 5);
    expect([...nearest(line(0), gallery, { k: 5 }).indices.data]).toEqual([2, 4, 1, 0, 3]);
    expect([...nearest(line(0), gallery, { k: 4 }).indices.data]).toEqual([2, 4, 1, 0]);
    expect([...nearest(line(1), line(Number.NaN, -Infinity, 1), { k: 3, metric: 'dot' }).indices.data]).toEqual([2, 1, 0]);
  });
  it('retrieval ranks it last too', () => {
    const reference = line(Number.NaN, Infinity, 1);
    const ranked = (label: number) =>
      retrieval(line(0), [7], { reference, referenceLabels: [0, 1, 2].map((i) => (i === label ? 7 : 0)) }).mrr;
    expect([0, 1, 2].map(ranked)).toEqual([1 / 3, 1 / 2, 1]);
  });
});
