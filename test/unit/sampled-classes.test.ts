import fc from 'fast-check';
import { expect, it } from 'vitest';
import { lowerBound, placeIn, sampleClasses } from '../../lib/heads/sampled-classes.js';

it('keeps the positives, the number and the order, whatever is asked for', () => {
  const cases = fc.integer({ min: 1, max: 200 }).chain((classes) =>
    fc.record({
      classes: fc.constant(classes),
      labels: fc.array(fc.oneof(fc.integer({ min: 0, max: classes - 1 }), fc.constant(-100)), { maxLength: 30 }),
      count: fc.integer({ min: 0, max: classes }),
      seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      step: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.constant(2 ** 40 + 3)),
    }),
  );
  fc.assert(
    fc.property(cases, ({ classes, labels, count, seed, step }) => {
      const positives = new Set(labels.filter((label) => label >= 0));
      const sample = sampleClasses(Int32Array.from(labels), classes, count, seed, step);
      expect(sample.length).toBe(Math.max(count, positives.size));
      expect(sample.every((c, i) => c >= 0 && c < classes && (i === 0 || c > (sample[i - 1] as number)))).toBe(true);
      for (const positive of positives) expect(placeIn(sample, positive)).toBeGreaterThanOrEqual(0);
      if (count <= positives.size) expect([...sample]).toEqual([...positives].sort((a, b) => a - b));
      expect(sampleClasses(Int32Array.from(labels), classes, count, seed, step)).toEqual(sample);
    }),
  );
});

it('draws others for another seed and for another step', () => {
  const of = (seed: number, step: number): string => sampleClasses(Int32Array.of(3), 1000, 100, seed, step).join();
  expect(new Set([of(1, 0), of(2, 0), of(1, 1), of(2, 1), of(1, 2 ** 32), of(0, 1)]).size).toBe(6);
});

it.each([10, 45])('chooses uniformly: %i of 50', (count) => {
  const [classes, rounds] = [50, 4000];
  const hits = new Float64Array(classes);
  for (let step = 0; step < rounds; step++)
    for (const c of sampleClasses(Int32Array.of(7), classes, count, 5, step)) hits[c] = (hits[c] as number) + 1;
  expect(hits[7]).toBe(rounds);
  // A class is in with probability p = (count − 1)/(classes − 1); six standard deviations of a binomial count.
  const p = (count - 1) / (classes - 1);
  const bound = 6 * Math.sqrt(rounds * p * (1 - p));
  for (let c = 0; c < classes; c++) if (c !== 7) expect(Math.abs((hits[c] as number) - rounds * p)).toBeLessThan(bound);
});

it('finds places', () => {
  const list = Int32Array.of(2, 5, 9);
  expect([0, 2, 3, 9, 10].map((value) => lowerBound(list, value))).toEqual([0, 0, 1, 2, 3]);
  expect([2, 3, 9, 10].map((value) => placeIn(list, value))).toEqual([0, -1, 2, -1]);
});
