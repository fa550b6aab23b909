// Every rule of the native miners against the reference's rules over the same native distances: the selections are equal, row for row, at
// every level, and of all levels with FMA and any number of threads they are one. `distanceWeighted` sums weights that lie some
// 1e-12·D from those of JavaScript's logarithms and powers: a draw that close to a bound could fall on its other side, which none of these does.
import { describe, expect, it } from 'vitest';
import { backend, resetServed, servedBy } from '../../lib/backend.js';
import { HypersphereError, type Matrix, matrix, setThreads } from '../../lib/index.js';
import {
  type EasyHardChoice,
  easyHardChoices,
  type MinePairsOp,
  type MineTripletsOp,
  miningStrategies,
  pairDistances,
  pairStrategies,
} from '../../lib/ops/pairs.js';
import { minePairs, mineTriplets } from '../../lib/reference/mining.js';
import { normalMatrix } from '../helpers/data.js';
import { servedBlocks } from '../helpers/mining.js';
import { atEveryFmaLevel, describeLevels, describeNative } from '../helpers/native.js';

type Rows = Pick<MineTripletsOp, 'x' | 'labels' | 'n' | 'd'>;

function rowsOf({ data, shape: [n, d] }: Matrix, label: (i: number) => number): Rows {
  return { x: data, labels: Int32Array.from({ length: n }, (_, i) => label(i)), n, d };
}

/** Rows of few values, many of them alike: nearly every distance has ties, within a class and beyond it. */
function tied(n: number, d: number): Matrix {
  return matrix(
    normalMatrix(n, d, 5).data.map((value) => Math.round(value)),
    d,
  );
}

/** Some rows that are no numbers, infinite, without direction, or too long for a square in float32. */
function odd(): Matrix {
  const x = normalMatrix(40, 5, 6);
  x.data[12] = Number.NaN;
  x.data[71] = Infinity;
  x.data[83] = -Infinity;
  x.data.fill(0, 100, 110);
  for (const row of [25, 26, 30]) x.data.fill(row * 1e19, row * 5, row * 5 + 2);
  return x;
}

const batches: Record<string, Rows> = {
  none: rowsOf(matrix(new Float32Array(0), 3), () => 0),
  'one row': rowsOf(normalMatrix(1, 3, 1), () => 2),
  'two rows of one class': rowsOf(normalMatrix(2, 3, 1), () => -7),
  'rows without components': { x: new Float32Array(0), labels: Int32Array.of(0, 1, 0, 1), n: 4, d: 0 },
  'one class': rowsOf(normalMatrix(19, 4, 2), () => 5),
  'all distinct': rowsOf(normalMatrix(17, 4, 3), (i) => -i),
  'five classes in turn': rowsOf(normalMatrix(33, 17, 4), (i) => (i * 3) % 5),
  'one class and lone rows': rowsOf(normalMatrix(48, 6, 7), (i) => Math.max(0, i - 20)),
  'ties and duplicates': rowsOf(tied(45, 2), (i) => (i * 7) % 4),
  'ties in one large class': rowsOf(tied(70, 2), (i) => (i % 3 ? 1 : i)),
  'rows that are no numbers': rowsOf(odd(), (i) => i % 4),
  'a row that is a NaN alone': rowsOf(matrix(new Float32Array(15).fill(Number.NaN), 3), (i) => i % 2),
};

const forms = [...pairDistances.flatMap((distance) => [true, false].map((normalize) => ({ distance, normalize })))] as const;

function tripletOp(rows: Rows, options: Partial<MineTripletsOp>): MineTripletsOp {
  return { ...rows, distance: 'euclidean', normalize: true, strategy: 'all', margin: 0.2, seed: 0, maxTriplets: 2 ** 26, ...options };
}

function pairOp(rows: Rows, options: Partial<MinePairsOp>): MinePairsOp {
  const margins = { epsilon: 0.1, posMargin: 0.2, negMargin: 0.8 };
  const choices = { positives: 'easy', negatives: 'semiHard' } as const;
  const rule = { distance: 'euclidean', normalize: true, strategy: 'multiSimilarity' } as const;
  return { ...rows, ...rule, ...margins, ...choices, seed: 0, maxPairs: 2 ** 26, ...options };
}

/** Vitest walks long arrays element by element; only what differs is worth that. */
function expectSame<T extends Int32Array | readonly Int32Array[]>(got: T, wanted: T, what: string): void {
  const bytes = (arrays: T): Buffer => Buffer.concat([arrays].flat().map((array) => new Uint8Array(array.buffer, 0, array.byteLength)));
  if (!bytes(got).equals(bytes(wanted))) expect(got, what).toEqual(wanted);
}

function expectTriplets(op: MineTripletsOp, what: string): number {
  const wanted = mineTriplets(op, servedBlocks);
  expectSame(backend().mineTriplets(op), wanted, what);
  return wanted.length / 3;
}

function expectPairs(op: MinePairsOp, what: string): number {
  const [got, wanted] = [backend().minePairs(op), minePairs(op, servedBlocks)];
  expectSame(got.positivePairs, wanted.positivePairs, `positives, ${what}`);
  expectSame(got.negativePairs, wanted.negativePairs, `negatives, ${what}`);
  return (wanted.positivePairs.length + wanted.negativePairs.length) / 2;
}

/** Pairs of choices that `minePairs` lets through. */
const choices: [EasyHardChoice, EasyHardChoice][] = easyHardChoices.flatMap((positives) =>
  easyHardChoices
    .filter((negatives) => negatives !== 'semiHard' || positives === 'easy' || positives === 'hard')
    .filter((negatives) => positives !== 'semiHard' || negatives === 'easy' || negatives === 'hard')
    .map((negatives): [EasyHardChoice, EasyHardChoice] => [positives, negatives]),
);

describeLevels('rules of the native miners', () => {
  it.each(miningStrategies)('triplets: %s', (strategy) => {
    let found = 0;
    resetServed();
    for (const [name, rows] of Object.entries(batches)) {
      for (const form of forms) {
        if (strategy === 'distanceWeighted' && (form.distance !== 'euclidean' || !form.normalize)) continue;
        for (const margin of [0.3, 0, 3e38, 1e300]) {
          for (const subsample of margin === 0.3 ? [undefined, 0, 1, 57] : [undefined]) {
            const op = tripletOp(rows, { ...form, strategy, margin, seed: 9, subsample });
            found += expectTriplets(op, `${name}, ${JSON.stringify(form)}, margin ${margin}, subsample ${subsample}`);
          }
        }
      }
    }
    expect(found).toBeGreaterThan(300);
    expect(servedBy()).toEqual(['native']);
  });

  it.each(pairStrategies)('pairs: %s', (strategy) => {
    let found = 0;
    resetServed();
    for (const [name, rows] of Object.entries(batches)) {
      for (const form of forms) {
        for (const [epsilon, posMargin, negMargin] of [
          [0.1, 0.2, 0.8],
          [0, -0.3, 0.1],
          [1e39, 0, 3],
          [2, 1e300, -1e300],
        ] as const) {
          for (const [positives, negatives] of strategy === 'easyHard' ? choices : choices.slice(0, 1)) {
            for (const subsample of epsilon === 0.1 ? [undefined, 0, 13] : [undefined]) {
              const op = pairOp(rows, { ...form, strategy, epsilon, posMargin, negMargin, positives, negatives, seed: 4, subsample });
              found += expectPairs(op, `${name}, ${JSON.stringify({ ...form, positives, negatives, epsilon, subsample })}`);
            }
          }
        }
      }
    }
    expect(found).toBeGreaterThan(300);
    expect(servedBy()).toEqual(['native']);
  });

  it('one large class beside others, of which rules find few', () => {
    const rows = rowsOf(normalMatrix(151, 8, 21), (i) => (i % 3 ? 1 : i));
    for (const strategy of miningStrategies) {
      if (strategy === 'all' || strategy === 'violating' || strategy === 'easy') continue; // nearly all triplets
      const found = expectTriplets(tripletOp(rows, { strategy, margin: 1e-3, seed: 3, subsample: 2000 }), strategy);
      expect(found, strategy).toBeGreaterThan(50);
    }
  });
});

describeNative('native miners', () => {
  // Beyond 2048 rows there are more blocks than one, and distances are made twice.
  const large = rowsOf(normalMatrix(2100, 3, 22), (i) => i % 700);

  describe('more blocks than one', () => {
    it.each(['batchHard', 'faceNetSemiHard', 'semiHard'] as const)('triplets: %s', (strategy) => {
      const op = tripletOp(large, { strategy, distance: 'squaredEuclidean', normalize: false, margin: 1e-3, seed: 5 });
      expect(expectTriplets(op, strategy)).toBeGreaterThan(500);
      if (strategy === 'semiHard') expectTriplets({ ...op, subsample: 999 }, 'a sample');
    });
    it('pairs', () => {
      const op = pairOp(large, { distance: 'cosineSimilarity', strategy: 'multiSimilarity', epsilon: 0, seed: 5, subsample: 1e4 });
      expect(expectPairs(op, 'a sample')).toBeGreaterThan(1e4);
    });
  });

  it('select the same at every level with FMA on any number of threads', () => {
    const rows = rowsOf(normalMatrix(600, 24, 23), (i) => i % 150);
    const selections = atEveryFmaLevel(() => [
      ...miningStrategies
        .filter((strategy) => strategy !== 'all')
        .map((strategy) => backend().mineTriplets(tripletOp(rows, { strategy, margin: 0.1, seed: 8, subsample: 20_000 }))),
      ...pairStrategies.flatMap((strategy) => Object.values(backend().minePairs(pairOp(rows, { strategy, posMargin: 1.2, negMargin: 1 })))),
      ...[1, 2, 7].map((n) => backend().mineTriplets(tripletOp(large, { strategy: 'batchHard', seed: n, subsample: 100 * n }))),
    ]);
    for (const selection of selections) expectSame(selection, selections[0] as Int32Array[], 'a level and a number of threads');
    setThreads(2);
  });

  it('throw for what is more than the limit, as the reference does, and take what is not', () => {
    const rows = rowsOf(normalMatrix(30, 4, 24), (i) => i % 3);
    const thrown = (run: () => unknown): Partial<HypersphereError> => {
      try {
        run();
      } catch (error) {
        expect(error).toBeInstanceOf(HypersphereError);
        const { code, argument, expected, received, message } = error as HypersphereError;
        return { code, argument, expected, received, message };
      }
      return {};
    };
    for (const strategy of miningStrategies) {
      const op = tripletOp(rows, { strategy });
      const count = backend().mineTriplets(op).length / 3;
      expect(count, strategy).toBeGreaterThan(1);
      const less = { ...op, maxTriplets: count - 1 };
      expect(thrown(() => backend().mineTriplets(less))).toEqual(thrown(() => mineTriplets(less, servedBlocks)));
      expect(thrown(() => backend().mineTriplets(less)).code).toBe('ERR_OUT_OF_MEMORY');
      expect(backend().mineTriplets({ ...op, maxTriplets: count }).length).toBe(3 * count);
      expect(backend().mineTriplets({ ...less, subsample: count - 1 }).length).toBe(3 * (count - 1));
    }
    for (const [posMargin, negMargin] of [
      [0, 0.5],
      [1.2, 3],
    ] as const) {
      const op = pairOp(rows, { strategy: 'pairMargin', posMargin, negMargin });
      const { positivePairs, negativePairs } = backend().minePairs(op);
      const [least, most] = [positivePairs.length, negativePairs.length].sort((a, b) => a - b).map((length) => length / 2) as [
        number,
        number,
      ];
      for (const maxPairs of [0, least, most - 1, most]) {
        const bounded = { ...op, maxPairs };
        const error = thrown(() => backend().minePairs(bounded));
        expect(error).toEqual(thrown(() => minePairs(bounded, servedBlocks)));
        expect(error.code).toBe(maxPairs < most ? 'ERR_OUT_OF_MEMORY' : undefined);
      }
    }
  });

  it('say how many there are where no memory could hold them', () => {
    const rows = rowsOf(normalMatrix(4096, 2, 25), (i) => i % 2);
    const op = tripletOp(rows, { strategy: 'all' });
    // Each anchor has 2047 positives and 2048 negatives.
    expect(() => backend().mineTriplets(op)).toThrow(`${4096 * 2047 * 2048} triplets`);
    expect(() => backend().mineTriplets({ ...op, maxTriplets: 2 ** 50 })).toThrow(/options.maxTriplets: expected memory for/);
  });
});
