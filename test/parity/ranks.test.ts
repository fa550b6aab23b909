// Ranks of relevant rows: exact, so the addon has the reference's at every level, for few relevant rows and for so many that it sorts.
import { expect, it } from 'vitest';
import { backend } from '../../lib/backend.js';
import { setThreads } from '../../lib/index.js';
import { relevantRanks } from '../../lib/reference/ranks.js';
import { normalMatrix } from '../helpers/data.js';
import { describeLevels } from '../helpers/native.js';

/** Queries `own`, `own` + 1, … of m rows, whose class of `size` rows holds them all; many ties, some NaN and infinities. */
function caseOf(n: number, m: number, size: number, own: number, descending: boolean) {
  const values = normalMatrix(n, m, m + size).data.map((v) => Math.round(4 * v));
  for (let k = 0; k < values.length; k += 7) values[k] = [Number.NaN, Infinity, -Infinity, -0][k % 4] as number;
  const rows = Int32Array.from({ length: m }, (_, j) => (j + Math.max(own, 0)) % m);
  const [from, to] = [new Int32Array(n), new Int32Array(n).fill(size)];
  const ranks = new Int32Array(n * (size - (own < 0 ? 0 : 1)));
  return { values, n, m, descending, rows, from, to, own, ranks };
}

describeLevels('relevantRanks', () => {
  it.each([
    [1, 1, 1, -1],
    [1, 1, 1, 0],
    [5, 37, 9, -1],
    [5, 37, 9, 11],
    [9, 1031, 600, -1],
    [9, 1031, 600, 500],
    [3, 700, 512, 1],
    [3, 700, 513, 1],
  ])('%i × %i, %i relevant, own row %i', (n, m, size, own) => {
    for (const descending of [false, true]) {
      const expected = caseOf(n, m, size, own, descending);
      relevantRanks(expected);
      for (const threads of [1, 3]) {
        setThreads(threads);
        const found = caseOf(n, m, size, own, descending);
        backend().relevantRanks(found);
        expect(found.ranks).toEqual(expected.ranks);
      }
    }
  });
});
