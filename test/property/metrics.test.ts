// The metrics against their definitions: full rankings, every threshold.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { matrix, retrieval, roc, verification } from '../../lib/index.js';

fc.configureGlobal({ seed: 20201109, numRuns: 200 });

// Few values, so that ties are the rule; NaN and infinities among them.
const coordinate = fc.constantFrom(0, -0, 1, 2, 3, 0.5, Number.NaN, Infinity, -Infinity);
const labelled = fc.array(fc.tuple(coordinate, fc.integer({ min: 0, max: 2 })), { minLength: 1, maxLength: 24 });

/** NaN after everything, ties in the order given. */
const ascending = (a: number, b: number): number => (a < b ? -1 : a > b ? 1 : Number(Number.isNaN(a)) - Number(Number.isNaN(b)));

it.each(['squaredEuclidean', 'dot'] as const)('retrieval by %s has the figures of the full ranking', (metric) => {
  fc.assert(
    fc.property(labelled, (rows) => {
      const labels = rows.map(([, label]) => label);
      const x = matrix(
        Float32Array.from(rows, ([value]) => value),
        1,
      );
      const likeness = (a: number, b: number): number => (metric === 'dot' ? -a * b : (a - b) ** 2);
      const sums = { numQueries: 0, precisionAt1: 0, rPrecision: 0, mapAtR: 0, meanAveragePrecision: 0, mrr: 0, recallAt3: 0 };
      rows.forEach(([value, label], i) => {
        const others = rows.map((_, j) => j).filter((j) => j !== i);
        const relevant = others.filter((j) => labels[j] === label).length;
        if (relevant === 0) return;
        const at = (j: number): number => likeness(value, (rows[j] as [number, number])[0]);
        const hits = others.sort((a, b) => ascending(at(a), at(b))).map((j) => labels[j] === label);
        const precisions = hits.map((_, k) => hits.slice(0, k + 1).filter(Boolean).length / (k + 1));
        const sum = (of: number): number => precisions.slice(0, of).reduce((total, p, k) => total + (hits[k] ? p : 0), 0);
        sums.numQueries++;
        sums.precisionAt1 += Number(hits[0]);
        sums.rPrecision += precisions[relevant - 1] as number;
        sums.mapAtR += sum(relevant) / relevant;
        sums.meanAveragePrecision += sum(hits.length) / relevant;
        sums.mrr += 1 / (hits.indexOf(true) + 1);
        sums.recallAt3 += Number(hits.slice(0, 3).includes(true));
      });
      const { recallAtK, ...found } = retrieval(x, labels, { metric, recallAt: [3] });
      for (const [name, value] of Object.entries({ ...found, recallAt3: recallAtK[0] as number })) {
        const wanted = sums[name as keyof typeof sums];
        expect(value, name).toBeCloseTo(name === 'numQueries' ? wanted : wanted / Math.max(sums.numQueries, 1), 12);
      }
    }),
  );
});

it('roc has a point for every distinct score, with its shares of pairs at or above it', () => {
  const scores = fc.array(fc.tuple(fc.constantFrom(-Infinity, -1, -0, 0, 0.25, 7, Infinity), fc.integer({ min: 0, max: 1 })), {
    maxLength: 30,
  });
  fc.assert(
    fc.property(scores, (pairs) => {
      const { thresholds, tpr, fpr } = roc(
        Float32Array.from(pairs, ([score]) => score),
        pairs.map(([, label]) => label),
      );
      const distinct = [...new Set(pairs.map(([score]) => score))].sort((a, b) => b - a);
      expect([...thresholds].map((t) => t + 0)).toEqual(distinct.map((t) => t + 0));
      const share = (kind: number, threshold: number): number => {
        const scoresOf = pairs.filter(([, label]) => label === kind).map(([score]) => score);
        return scoresOf.filter((score) => score >= threshold).length / Math.max(scoresOf.length, 1);
      };
      expect([...tpr]).toEqual([0, ...distinct.map((t) => share(1, t))]);
      expect([...fpr]).toEqual([0, ...distinct.map((t) => share(0, t))]);
    }),
  );
});

it('verification accepts below every threshold what lies below it', () => {
  const distances = fc.array(fc.constantFrom(0, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 2, Number.NaN, Infinity), { minLength: 2, maxLength: 12 });
  fc.assert(
    fc.property(distances, fc.constantFrom(0.01, 0.04, 0.09, 1 / 3), (rows, thresholdStep) => {
      const [x1, x2] = [matrix(Float32Array.from(rows), 1), matrix(new Float32Array(rows.length), 1)];
      const numThresholds = 40;
      const { tpr } = verification(x1, x2, new Int32Array(rows.length).fill(1), { folds: rows.length, thresholdStep, numThresholds });
      for (let t = 0; t < numThresholds; t++) {
        const accepted = [...x1.data].filter((value) => value * value < t * thresholdStep).length;
        expect(tpr[t], `threshold ${t}`).toBeCloseTo(accepted / rows.length, 12);
      }
    }),
  );
});
