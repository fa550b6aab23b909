// Miners against brute force over every pair and triplet, written from the definitions and not from the reference's walk.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Matrix, matrix, minePairs, mineTriplets, setBackend } from '../../lib/index.js';
import { easyHardChoices, miningStrategies, pairStrategies } from '../../lib/ops/pairs.js';
import { Sfc32 } from '../../lib/random.js';
import { normalMatrix } from '../helpers/data.js';

setBackend('ts');

const batches = fc.integer({ min: 1, max: 14 }).chain((n) =>
  fc.record({
    // Components on a coarse grid: ties are common.
    x: fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 3 * n, maxLength: 3 * n }).map((v) => matrix(Float32Array.from(v), 3)),
    labels: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: n, maxLength: n }),
    seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  }),
);

/** Squared distances: exact on the grid, and ordered as distances are. */
function squared({ data, shape: [, d] }: Matrix) {
  return (i: number, j: number): number => {
    let sum = 0;
    for (let k = 0; k < d; k++) sum += ((data[i * d + k] as number) - (data[j * d + k] as number)) ** 2;
    return sum;
  };
}
const tuples = (data: Int32Array, size: number): number[][] =>
  Array.from({ length: data.length / size }, (_, t) => [...data.subarray(t * size, (t + 1) * size)]);

describe('subsample', () => {
  it('of pairs is a sorted, reproducible part of either kind, of exactly that size, drawn evenly', () => {
    fc.assert(
      fc.property(
        batches,
        fc.constantFrom(...pairStrategies),
        fc.integer({ min: 0, max: 40 }),
        ({ x, labels, seed }, strategy, subsample) => {
          const whole = minePairs(x, labels, { strategy });
          const part = minePairs(x, labels, { strategy, seed, subsample });
          expect(minePairs(x, labels, { strategy, seed, subsample })).toEqual(part);
          for (const kind of ['positivePairs', 'negativePairs'] as const) {
            const all = tuples(whole[kind].data, 2).map(String);
            const places = tuples(part[kind].data, 2).map((pair) => all.indexOf(String(pair)));
            expect(places).toHaveLength(Math.min(all.length, subsample));
            places.forEach((place, t) => expect(place).toBeGreaterThan(t === 0 ? -1 : (places[t - 1] as number)));
          }
        },
      ),
      { seed: 1, numRuns: 100 },
    );
    const x = normalMatrix(8, 3, 1);
    const labels = Int32Array.of(0, 0, 0, 0, 1, 1, 1, 1);
    const taken = new Map<string, number>();
    const options = { strategy: 'easyHard', positives: 'all', negatives: 'all', subsample: 4 } as const;
    for (let seed = 0; seed < 600; seed++) {
      const { positivePairs, negativePairs } = minePairs(x, labels, { ...options, seed });
      for (const pair of [...tuples(positivePairs.data, 2), ...tuples(negativePairs.data, 2)])
        taken.set(String(pair), (taken.get(String(pair)) ?? 0) + 1);
    }
    // 24 positive and 32 negative pairs, of which four are drawn 600 times: 100 and 75 each, within five deviations.
    expect(taken.size).toBe(24 + 32);
    for (const count of taken.values()) {
      expect(count).toBeGreaterThan(75 - 5 * Math.sqrt(75));
      expect(count).toBeLessThan(100 + 5 * Math.sqrt(100));
    }
  });
  it('is a sorted, reproducible part of the whole selection, of exactly that size', () => {
    fc.assert(
      fc.property(
        batches,
        fc.constantFrom(...miningStrategies),
        fc.integer({ min: 0, max: 60 }),
        ({ x, labels, seed }, strategy, subsample) => {
          const all = tuples(mineTriplets(x, labels, { strategy, seed }).data, 3);
          const some = tuples(mineTriplets(x, labels, { strategy, seed, subsample }).data, 3);
          expect(some.length).toBe(Math.min(all.length, subsample));
          const order = new Map(all.map((triplet, at) => [String(triplet), at]));
          const places = some.map((triplet) => order.get(String(triplet)) ?? Number.NaN);
          for (let t = 0; t < places.length; t++) expect(places[t]).toBeGreaterThan(t === 0 ? -1 : (places[t - 1] as number));
          expect(tuples(mineTriplets(x, labels, { strategy, seed, subsample }).data, 3)).toEqual(some);
        },
      ),
      { seed: 1, numRuns: 100 },
    );
  });
});

describe('easyHard', () => {
  it('selects what the definition selects', () => {
    const rules = easyHardChoices
      .flatMap((positives) => easyHardChoices.map((negatives) => ({ positives, negatives })))
      .filter(({ positives, negatives }) => !(positives === 'semiHard' && /semiHard|all/.test(negatives)))
      .filter(({ positives, negatives }) => !(negatives === 'semiHard' && /semiHard|all/.test(positives)));
    expect(rules.length).toBe(13);
    fc.assert(
      fc.property(batches, fc.constantFrom(...rules), ({ x, labels }, rule) => {
        const apart = squared(x);
        const [positive, negative]: [number[][], number[][]] = [[], []];
        const rows = labels.map((_, i) => i);
        for (const a of rows) {
          // Stable sorts: ties stay in index order, closest first and farthest first.
          const near = (list: number[]) => [...list].sort((i, j) => apart(a, i) - apart(a, j));
          const far = (list: number[]) => [...list].sort((i, j) => apart(a, j) - apart(a, i));
          const own = rows.filter((i) => i !== a && labels[i] === labels[a]);
          const other = rows.filter((i) => labels[i] !== labels[a]);
          const easyOrHard = {
            p: { easy: near(own)[0], hard: far(own)[0], semiHard: undefined, all: undefined }[rule.positives],
            k: { easy: far(other)[0], hard: near(other)[0], semiHard: undefined, all: undefined }[rule.negatives],
          };
          let { p, k } = easyOrHard;
          if (rule.positives === 'semiHard' && k !== undefined) p = far(own.filter((i) => apart(a, i) < apart(a, k as number)))[0];
          if (rule.negatives === 'semiHard' && p !== undefined) k = near(other.filter((i) => apart(a, i) > apart(a, p as number)))[0];
          const single = (i: number | undefined): number[] => (i === undefined ? [] : [i]);
          const both = p !== undefined && k !== undefined;
          const anyAll = rule.positives === 'all' || rule.negatives === 'all';
          for (const i of rule.positives === 'all' ? own : both || anyAll ? single(p) : []) positive.push([a, i]);
          for (const i of rule.negatives === 'all' ? other : both || anyAll ? single(k) : []) negative.push([a, i]);
        }
        const mined = minePairs(x, labels, { strategy: 'easyHard', distance: 'squaredEuclidean', normalize: false, ...rule });
        expect(tuples(mined.positivePairs.data, 2)).toEqual(positive);
        expect(tuples(mined.negativePairs.data, 2)).toEqual(negative);
      }),
      { seed: 2, numRuns: 300 },
    );
  });
});

describe('distanceWeighted', () => {
  // Points of the unit circle at these angles from the anchor, whose positive sits a hair away; chord lengths 2·sin(angle / 2).
  const angles = [0, 0.01, 0.2, 0.6, 1, 1.4, 1.6];
  const x = (d: number): Matrix => {
    const data = new Float32Array(angles.length * d);
    for (const [i, angle] of angles.entries()) data.set([Math.cos(angle), Math.sin(angle)], i * d);
    return matrix(data, d);
  };
  const labels = [0, 0, 1, 2, 3, 4, 5];
  it.each([3, 4, 6])('draws negatives in proportion to their weights, D = %i', (d) => {
    const weights = angles.map((angle, i) => {
      const chord = Math.max(2 * Math.sin(angle / 2), 0.5);
      return i < 2 || chord >= 1.4 ? 0 : chord ** (2 - d) * (1 - chord ** 2 / 4) ** ((3 - d) / 2);
    });
    const sum = weights.reduce((a, b) => a + b);
    const drawn = new Float64Array(angles.length);
    const times = 2000;
    for (let seed = 0; seed < times; seed++) {
      const [a, p, k] = mineTriplets(x(d), labels, { strategy: 'distanceWeighted', seed }).data as unknown as [number, number, number];
      expect([a, p]).toEqual([0, 1]);
      drawn[k] = (drawn[k] as number) + 1;
    }
    for (const [i, weight] of weights.entries()) {
      const share = weight / sum;
      // Five standard deviations of a binomial count; seeds are fixed.
      expect(Math.abs((drawn[i] as number) - times * share)).toBeLessThanOrEqual(5 * Math.sqrt(times * share * (1 - share)));
    }
  });
  it('selects one negative of each positive pair where any is within 1.4, and none elsewhere; other anchors change nothing', () => {
    fc.assert(
      fc.property(batches, ({ x, labels, seed }) => {
        const unit = Array.from(labels, (_, i) => {
          const row = [...x.data.subarray(3 * i, 3 * i + 3)];
          const norm = Math.hypot(...row);
          return row.map((v) => (norm > 0 ? v / norm : 0));
        });
        const apart = (i: number, j: number) =>
          Math.hypot(...(unit[i] as number[]).map((v, k) => v - ((unit[j] as number[])[k] as number)));
        const mined = tuples(mineTriplets(x, labels, { strategy: 'distanceWeighted', seed }).data, 3);
        const wanted: number[][] = [];
        for (const a of labels.keys()) {
          const inside = [...labels.keys()].filter((k) => labels[k] !== labels[a] && apart(a, k) < 1.4);
          for (const p of labels.keys()) {
            if (p === a || labels[p] !== labels[a] || inside.length === 0) continue;
            // From the definition, the draw of the pair's own stream among the sums of weights; D = 3 has weights 1/d.
            const weights = inside.map((k) => 1 / Math.max(apart(a, k), 0.5));
            let left = (new Sfc32(seed, a, p).bits() / 2 ** 32) * weights.reduce((u, v) => u + v);
            let at = 0;
            while (at < inside.length - 1 && left >= (weights[at] as number)) left -= weights[at++] as number;
            wanted.push([a, p, inside[at] as number]);
          }
        }
        expect(mined).toEqual(wanted);
      }),
      { seed: 3, numRuns: 200 },
    );
  });
  it('stays finite where weights overflow, and passes over rows of NaN', () => {
    const d = 2048;
    const rows = x(d);
    expect(mineTriplets(rows, labels, { strategy: 'distanceWeighted' }).data.subarray(0, 2)).toEqual(Int32Array.of(0, 1));
    rows.data.fill(Number.NaN, 2 * d, 3 * d);
    for (let seed = 0; seed < 50; seed++) {
      const { data } = mineTriplets(rows, labels, { strategy: 'distanceWeighted', seed });
      expect(data.length).toBe(6);
      expect([data[2], data[5]]).not.toContain(2);
    }
  });
});
