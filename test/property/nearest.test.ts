// What holds for any search: order of the gallery, parts of it, k, filters.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Gallery, matrix, nearest, takeRows } from '../../lib/index.js';
import { metrics } from '../../lib/ops/distances.js';
import { normalMatrix } from '../helpers/data.js';
import { onBothBackends } from '../helpers/native.js';

const searches = fc.record({
  n: fc.integer({ min: 1, max: 60 }),
  m: fc.integer({ min: 2, max: 120 }),
  d: fc.integer({ min: 1, max: 40 }),
  seed: fc.integer({ min: 1, max: 1e6 }),
  metric: fc.constantFrom(...metrics.filter((metric) => metric !== 'snr')),
  part: fc.double({ min: 0, max: 1, noNaN: true }),
});

onBothBackends('properties of nearest', () => {
  const holds = (
    property: (of: { n: number; m: number; d: number; seed: number; part: number; metric: (typeof metrics)[number] }) => void,
  ) => fc.assert(fc.property(searches, property), { numRuns: 60 });

  it('a smaller k gives the beginning', () => {
    holds(({ n, m, d, seed, metric, part }) => {
      const [x, y] = [normalMatrix(n, d, seed), normalMatrix(m, d, seed + 1)];
      const k = 1 + Math.floor(part * (m - 1));
      const [few, all] = [nearest(x, y, { k, metric }), nearest(x, y, { k: m, metric })];
      for (let i = 0; i < n; i++) {
        expect(few.indices.data.slice(i * k, i * k + k)).toEqual(all.indices.data.slice(i * m, i * m + k));
        expect([...all.indices.data.slice(i * m, i * m + m)].sort((a, b) => a - b)).toEqual(Array.from({ length: m }, (_, j) => j));
      }
    });
  });

  it('a turned gallery gives the same distances', () => {
    holds(({ n, m, d, seed, metric, part }) => {
      const [x, y] = [normalMatrix(n, d, seed), normalMatrix(m, d, seed + 1)];
      const k = 1 + Math.floor(part * (m - 1));
      const turned = takeRows(
        y,
        Array.from({ length: m }, (_, j) => m - 1 - j),
      );
      expect(nearest(x, turned, { k, metric }).distances).toEqual(nearest(x, y, { k, metric }).distances);
    });
  });

  it('a row depends on itself alone, and a gallery changes nothing', () => {
    holds(({ n, m, d, seed, metric, part }) => {
      const [x, y] = [normalMatrix(n, d, seed), normalMatrix(m, d, seed + 1)];
      const k = 1 + Math.floor(part * (m - 1));
      const all = nearest(x, y, { k, metric });
      const i = Math.floor(part * (n - 1));
      const one = nearest(matrix(x.data.slice(i * d, i * d + d), d), y, { k, metric });
      expect(one.indices.data).toEqual(all.indices.data.slice(i * k, i * k + k));
      expect(one.distances.data).toEqual(all.distances.data.slice(i * k, i * k + k));
      expect(new Gallery(y, { metric }).search(x, { k })).toEqual(all);
    });
  });

  it('same and different share the candidates out', () => {
    holds(({ n, m, d, seed, metric }) => {
      const [x, y] = [normalMatrix(n, d, seed), normalMatrix(m, d, seed + 1)];
      const [labels, galleryLabels] = [Array.from({ length: n }, (_, i) => i % 3), Array.from({ length: m }, (_, j) => (j * 7) % 4)];
      const of = (filter: 'same' | 'different') => nearest(x, y, { k: m, metric, filter, labels, galleryLabels }).indices.data;
      const [same, different] = [of('same'), of('different')];
      for (let i = 0; i < n; i++) {
        const found = [...same.slice(i * m, i * m + m), ...different.slice(i * m, i * m + m)].filter((index) => index >= 0);
        expect(found.sort((a, b) => a - b)).toEqual(Array.from({ length: m }, (_, j) => j));
      }
    });
  });
});
