import { describe, expect, it } from 'vitest';
import { attachCollective, createCollectives } from '../../lib/index.js';
import { runRanks } from '../helpers/ranks.js';

describe('a group of one', () => {
  const [handle] = createCollectives(1, { slotBytes: 8 });
  const collective = attachCollective(handle as never);
  it('gives back what it gets, in parts too', () => {
    const data = Float64Array.of(1, -2, 3.5);
    collective.allReduce(data, 'sum');
    collective.allReduce(data, 'max');
    expect([...data]).toEqual([1, -2, 3.5]);
    expect(collective.allGather(Int32Array.of(4, 5, 6))).toEqual(Int32Array.of(4, 5, 6));
    expect(collective.reduceScatter(Float32Array.of(1, 2, 3))).toEqual(Float32Array.of(1, 2, 3));
    expect(collective.allGather(new Float32Array(0)).length).toBe(0);
  });
  it('refuses bad arguments', () => {
    expect(() => collective.allGather([1] as never)).toThrow(expect.objectContaining({ code: 'ERR_TYPE', argument: 'data' }));
    expect(() => attachCollective({} as never)).toThrow(expect.objectContaining({ code: 'ERR_TYPE', argument: 'handle' }));
    for (const size of [0, 1.5, 1025]) expect(() => createCollectives(size)).toThrow(expect.objectContaining({ code: 'ERR_OPTION_RANGE' }));
    for (const slotBytes of [0, 12, 1.5]) {
      expect(() => createCollectives(1, { slotBytes })).toThrow(
        expect.objectContaining({ code: 'ERR_OPTION_RANGE', argument: 'options.slotBytes' }),
      );
    }
    for (const timeoutMs of [0, -1, Number.NaN]) {
      expect(() => createCollectives(1, { timeoutMs })).toThrow(
        expect.objectContaining({ code: 'ERR_OPTION_RANGE', argument: 'options.timeoutMs' }),
      );
    }
  });
});

describe.each([2, 3, 5])('a group of %i', (size) => {
  it('sums, compares, gathers and scatters, many times in a row', async () => {
    // Slots of 16 bytes cut everything here into parts; 200 rounds meet many orders of arrival.
    const results = await runRanks<{ sum: number[]; max: number[]; all: number[]; block: number[]; single: number[] }>(
      size,
      `
      let last;
      for (let round = 0; round < 200; round++) {
        const sum = Float64Array.from({ length: 7 }, (_, i) => rank + i + round);
        const max = Float32Array.from({ length: 5 }, (_, i) => ((rank * 7 + i * 3 + round) % 11) - 20);
        collective.allReduce(sum, 'sum');
        collective.allReduce(max, 'max');
        const all = collective.allGather(Int32Array.of(rank, round, -rank));
        const block = collective.reduceScatter(Float32Array.from({ length: 3 * size }, (_, i) => i * (rank + 1)));
        const single = collective.reduceScatter(Float64Array.from({ length: size }, (_, i) => i + rank));
        last = { sum: [...sum], max: [...max], all: [...all], block: [...block], single: [...single] };
      }
      return last;
    `,
      { group: { slotBytes: 16 } },
    );
    const ranks = Array.from({ length: size }, (_, rank) => rank);
    const total = ranks.reduce((a, b) => a + b, 0);
    ranks.forEach((rank) => {
      const { sum, max, all, block, single } = results[rank] as (typeof results)[0];
      expect(sum).toEqual(Array.from({ length: 7 }, (_, i) => total + size * (i + 199)));
      expect(max).toEqual(Array.from({ length: 5 }, (_, i) => Math.max(...ranks.map((r) => ((r * 7 + i * 3 + 199) % 11) - 20))));
      expect(all).toEqual(ranks.flatMap((r) => [r, 199, -r]).map((v) => v + 0));
      expect(block).toEqual([0, 1, 2].map((i) => (3 * rank + i) * (total + size)));
      expect(single).toEqual([size * rank + total]);
    });
  });
});

it('folds in rank order: the same bits on every rank, and those of the sum from the left', async () => {
  const parts = [0.1, 1e16, -1e16, 0.3];
  const results = await runRanks<number[]>(
    4,
    `
    const sums = new Set();
    for (let round = 0; round < 50; round++) {
      const data = Float64Array.of(${JSON.stringify(parts)}[rank]);
      collective.allReduce(data, 'sum');
      sums.add(data[0]);
    }
    return [...sums];
  `,
  );
  const expected = parts.reduce((a, b) => a + b);
  expect(results).toEqual(Array.from({ length: 4 }, () => [expected]));
});

it('NaN of one rank reaches all, in sums and maxima', async () => {
  const results = await runRanks<string>(
    2,
    `
    const data = Float64Array.of(rank === 1 ? NaN : 5, 1);
    const max = data.slice();
    collective.allReduce(data, 'sum');
    collective.allReduce(max, 'max');
    return String([...data, ...max]);
  `,
  );
  expect(results).toEqual(['NaN,2,NaN,1', 'NaN,2,NaN,1']);
});

it('ranks that do different things all learn it, and the group lives on', async () => {
  const results = await runRanks<{ codes: string[]; after: number[] }>(
    3,
    `
    const codes = [];
    const attempt = (call) => { try { call(); codes.push('none'); } catch (error) { codes.push(error.code); } };
    attempt(() => collective.allGather(new Float64Array(rank === 2 ? 3 : 2)));
    attempt(() => rank === 0 ? collective.allGather(new Float64Array(2)) : collective.allReduce(new Float64Array(2), 'sum'));
    attempt(() => collective.allGather(rank === 1 ? new Int32Array(2) : new Float32Array(2)));
    attempt(() => collective.reduceScatter(new Float32Array(4)));
    return { codes, after: [...collective.allGather(Int32Array.of(rank))] };
  `,
  );
  for (const { codes, after } of results) {
    expect(codes).toEqual(['ERR_SHAPE', 'ERR_SHAPE', 'ERR_SHAPE', 'ERR_SHAPE']);
    expect(after).toEqual([0, 1, 2]);
  }
});

it('a rank that does not come ends the wait of all, now and later', async () => {
  const results = await runRanks<{ codes: string[] }>(
    3,
    `
    const codes = [];
    if (rank === 2) await new Promise((resolve) => setTimeout(resolve, 1500));
    for (let call = 0; call < 2; call++) {
      try { collective.allGather(new Float64Array(1)); codes.push('none'); } catch (error) { codes.push(error.code); }
    }
    return { codes };
  `,
    { group: { timeoutMs: 200 } },
  );
  for (const { codes } of results) expect(codes).toEqual(['ERR_ABORTED', 'ERR_ABORTED']);
});
