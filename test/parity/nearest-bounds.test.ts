// The native search between bounds: exactly what is left of the sorted `distances` of the same level, at any number of threads.
import { expect, it } from 'vitest';
import { backend } from '../../lib/backend.js';
import { createRandom, distances, setThreads } from '../../lib/index.js';
import { metrics } from '../../lib/ops/distances.js';
import { reference } from '../../lib/reference/index.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';
import { describeLevels } from '../helpers/native.js';
import { bitsOf } from '../helpers/tolerance.js';

const none = new Int32Array(0);

describeLevels('nearest between bounds', () => {
  it.each(metrics)('%s', (metric) => {
    for (const [n, m, d, k] of [
      [1, 300, 5, 4],
      [17, 130, 16, 3],
      [60, 90, 7, 1],
    ] as const) {
      const [x, y] = [normalMatrix(n, d, 1), normalMatrix(m, d, 2)];
      y.data.copyWithin(d, 0, d); // a tie
      const all = distances(x, y, { metric }).data;
      const random = createRandom(3);
      const bound = () => Float32Array.from({ length: n }, (_, i) => all[i * m + random.integer(m)] as number);
      const [labels, galleryLabels] = [cyclicLabels(n, 3), cyclicLabels(m, 4)];
      for (const [beyond, within] of [
        [bound(), undefined],
        [undefined, bound()],
        [bound(), bound()],
        [new Float32Array(n).fill(Number.NaN), undefined],
        [undefined, new Float32Array(n).fill(Number.NaN)],
      ]) {
        for (const filter of [undefined, 'different'] as const) {
          const sign = metric === 'dot' || metric === 'cosineSimilarity' ? -1 : 1;
          const expected = { indices: new Int32Array(n * k).fill(-1), distances: new Float32Array(n * k).fill(Number.NaN) };
          for (let i = 0; i < n; i++) {
            const key = (j: number): number => sign * (all[i * m + j] as number);
            const left = Array.from({ length: m }, (_, j) => j)
              .filter((j) => filter === undefined || labels[i] !== galleryLabels[j])
              .filter((j) => (!beyond || key(j) > sign * (beyond[i] as number)) && (!within || !(key(j) >= sign * (within[i] as number))))
              .sort((a, b) => key(a) - key(b) || a - b);
            left.slice(0, k).forEach((j, r) => {
              expected.indices[i * k + r] = j;
              expected.distances[i * k + r] = all[i * m + j] as number;
            });
          }
          const op = { x: x.data, gallery: y.data, n, m, d, metric, k, excludeSelf: false, filter, labels: filter ? labels : none };
          const rest = { galleryLabels: filter ? galleryLabels : none, beyond, within };
          for (const threads of [1, 2, 5]) {
            setThreads(threads);
            const found = { indices: new Int32Array(n * k), distances: new Float32Array(n * k) };
            backend().nearest({ ...op, ...rest, ...found });
            expect(found.indices).toEqual(expected.indices);
            expect(bitsOf(found.distances)).toEqual(bitsOf(expected.distances));
          }
        }
      }
    }
  });

  it('the reference has the same rule', () => {
    const [x, gallery] = [Float64Array.of(0), Float64Array.of(1, -2, 2, 3, Number.NaN, -3)];
    const base = { x, gallery, n: 1, m: 6, d: 1, k: 3, excludeSelf: false, filter: undefined, labels: none, galleryLabels: none };
    const search = (metric: 'euclidean' | 'dot', beyond?: number, within?: number): number[] => {
      const indices = new Int32Array(3);
      const bounds = {
        beyond: beyond === undefined ? beyond : Float64Array.of(beyond),
        within: within === undefined ? within : Float64Array.of(within),
      };
      reference.nearest({ ...base, ...bounds, metric, indices, distances: new Float64Array(3) });
      return [...indices];
    };
    expect(search('euclidean')).toEqual([0, 1, 2]);
    expect(search('euclidean', 1)).toEqual([1, 2, 3]);
    expect(search('euclidean', 2)).toEqual([3, 5, 4]);
    expect(search('euclidean', 1, 3)).toEqual([1, 2, -1]);
    expect(search('euclidean', 3, Number.NaN)).toEqual([-1, -1, -1]);
    expect(search('euclidean', Number.NaN)).toEqual([-1, -1, -1]);
    x[0] = 1;
    expect(search('dot')).toEqual([3, 2, 0]);
    expect(search('dot', 3, -2)).toEqual([2, 0, -1]);
  });
});
