// The short form of `npm run verify:long -- soak`.
import { beforeAll, expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { describeNative } from '../helpers/native.js';
import { judge, type Sample } from '../long/plateau.js';
import { allCases, checkAccounting, leaking, objectCases, soak } from '../long/soak.js';
import { soakCases } from '../long/soak-cases.js';

const mib = 2 ** 20;
// Memory beside the heap is exact at once. The heap still grows by compiled code, and what is resident by an allocator's steps.
// AddressSanitizer keeps what was freed for a while.
const allowed = { heap: 4 * mib, rss: (process.env['HYPERSPHERE_TEST_PATIENCE'] ? 1024 : 64) * mib };
const few = 6;

it('every function is among the cases', () => {
  const names = Object.keys(soakCases);
  const isFunction = (name: string): boolean => typeof (hs as Record<string, unknown>)[name] === 'function' && /^[a-z]/.test(name);
  // Plain records and settings: the margins, the optimizers, who computes.
  const records =
    /^(set(Backend|Isa|Threads|ProductPrecision)|sgd|adaGrad|annealedLambda|softmaxMargin|.*(Face|Face2|FaceR|Softmax|Margin|Grad|Triple|Centers))$/;
  const wanted = Object.keys(hs).filter(
    (name) => isFunction(name) && (!records.test(name) || name === 'updateCenters' || name === 'marginSoftmax'),
  );
  expect(wanted.length).toBeGreaterThan(50);
  expect(wanted.filter((name) => !names.some((each) => each.split(/\W/).includes(name)))).toEqual([]);
});

it('the checker tells a plateau from a leak, and needs enough samples', () => {
  const of = (rss: (i: number) => number, count = 12): Sample[] =>
    Array.from({ length: count }, (_, i) => ({ calls: 100 * i, heap: 5, external: 7, rss: rss(i) }));
  const bounds = { heap: 0, external: 0, rss: 50 };
  expect(
    judge(
      of((i) => 1000 + 100 * i),
      bounds,
    ).leaks,
  ).toEqual(['rss grew by 800 bytes where 50 are allowed']);
  // A peak, a late step of which the line sees little, noise.
  expect(
    judge(
      of((i) => (i === 8 ? 9000 : 1000)),
      bounds,
    ).leaks,
  ).toEqual([]);
  expect(
    judge(
      of((i) => (i === 11 ? 1500 : 1000)),
      bounds,
    ).leaks,
  ).toEqual([]);
  expect(
    judge(
      of((i) => 1000 + 40 * (i % 2)),
      bounds,
    ).leaks,
  ).toEqual([]);
  expect(() =>
    judge(
      of(() => 1, 5),
      bounds,
    ),
  ).toThrow('six at least');
});

describeNative('memory', () => {
  beforeAll(async () => {
    hs.setBackend('native');
    for (let i = 0; i < 3; i++) await allCases();
  });

  it('stays where it was, call by call', async () => {
    expect((await soak(allCases, 16, { ...allowed, external: 6 * 1024 }, few)).leaks).toEqual([]);
    expect((await soak(leaking(allCases), 16, { ...allowed, external: 6 * 1024 }, few)).leaks).toEqual([
      expect.stringMatching(/^external grew by /),
    ]);
  });

  it('stays where it was, object by object: made, used, and disposed or dropped', async () => {
    const all = (): void => Object.values(objectCases).forEach((run) => run());
    // Each holds 8 KiB and more.
    expect((await soak(all, 100, { ...allowed, external: 128 * 1024 }, few)).leaks).toEqual([]);
  });

  it('of an object is accounted as long as it is there', async () => {
    await checkAccounting();
  });
});
