// Miners on native distances, block by block, against the TypeScript backend: random rows have no ties that float32 cannot tell apart.
import { afterAll, expect, it } from 'vitest';
import { resetServed, servedBy } from '../../lib/backend.js';
import { type Isa, minePairs, mineTriplets, setBackend, setIsa, setThreads } from '../../lib/index.js';
import { miningStrategies, pairDistances, pairStrategies } from '../../lib/ops/pairs.js';
import { normalMatrix } from '../helpers/data.js';
import { describeNative, levels } from '../helpers/native.js';

const labelings: Record<string, (n: number) => Int32Array> = {
  'one class': (n) => new Int32Array(n).fill(5),
  'all distinct': (n) => Int32Array.from({ length: n }, (_, i) => -i),
  'five classes': (n) => Int32Array.from({ length: n }, (_, i) => (i * 3) % 5),
};

/** What the TypeScript backend selects, then what the native one does at every level, on 1 to 3 threads. */
function onEach<Result>(run: () => Result): { expected: Result; got: Result[] } {
  setBackend('ts');
  const expected = run();
  setBackend('native');
  const got = levels.map((isa, i) => {
    setIsa(isa);
    setThreads(i + 1);
    return run();
  });
  return { expected, got };
}

describeNative('mining', () => {
  afterAll(() => setIsa(levels.at(-1) as Isa));

  it.each(miningStrategies)('triplets: %s', (strategy) => {
    for (const [n, d] of [
      [1, 3],
      [16, 2],
      [33, 17],
    ] as const) {
      for (const labelsOf of Object.values(labelings)) {
        for (const distance of strategy === 'distanceWeighted' ? (['euclidean'] as const) : pairDistances) {
          const x = normalMatrix(n, d, 11);
          resetServed();
          const { expected, got } = onEach(() =>
            mineTriplets(x, labelsOf(n), { strategy, distance, margin: 0.3, seed: 7, subsample: 500 }),
          );
          expect(servedBy()).toContain('native');
          for (const found of got) expect(found, `${distance}, ${n} × ${d}`).toEqual(expected);
        }
      }
    }
  });

  it.each(pairStrategies)('pairs: %s', (strategy) => {
    for (const [n, d] of [
      [1, 3],
      [16, 2],
      [33, 17],
    ] as const) {
      for (const labelsOf of Object.values(labelings)) {
        for (const distance of pairDistances) {
          const x = normalMatrix(n, d, 12);
          const { expected, got } = onEach(() => minePairs(x, labelsOf(n), { strategy, distance }));
          for (const found of got) expect(found, `${distance}, ${n} × ${d}`).toEqual(expected);
        }
      }
    }
  });

  it('more blocks than one', () => {
    const n = 1600;
    const [x, labels] = [normalMatrix(n, 6, 13), Int32Array.from({ length: n }, (_, i) => i >> 2)];
    const triplets = onEach(() => mineTriplets(x, labels, { strategy: 'hardestViolating', distance: 'squaredEuclidean' }));
    const pairs = onEach(() => minePairs(x, labels, { strategy: 'batchHard' }));
    expect(triplets.expected.shape[0]).toBeGreaterThan(n / 2);
    expect(pairs.expected.positivePairs.shape[0]).toBe(n);
    for (const found of triplets.got) expect(found).toEqual(triplets.expected);
    for (const found of pairs.got) expect(found).toEqual(pairs.expected);
  });

  it('rows that are no numbers are in nothing', () => {
    const x = normalMatrix(20, 4, 14);
    x.data[9] = Number.NaN;
    const labels = Int32Array.from({ length: 20 }, (_, i) => i % 4);
    for (const strategy of ['violating', 'batchHard', 'semiHardClosest', 'faceNetSemiHard'] as const) {
      const { expected, got } = onEach(() => mineTriplets(x, labels, { strategy }));
      for (const found of got) expect(found, strategy).toEqual(expected);
    }
  });
});
