import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, describe, expect, it } from 'vitest';
import { alloc, createRandom, type Matrix, type MineTripletsOfflineOptions, matrix, mineTripletsOffline } from '../../lib/index.js';
import { notBelow } from '../../lib/offline-pairs.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';
import { onBothBackends } from '../helpers/native.js';
import { npyBytes } from '../helpers/npy.js';
import { pairsOf } from '../helpers/offline.js';

const column = (...values: number[]): Matrix => matrix(Float32Array.from(values), 1);
const plain = { normalize: false, distance: 'euclidean', candidates: 1 } as const;
const mined = async (x: Matrix, labels: number[], options: MineTripletsOfflineOptions) => [
  ...(await mineTripletsOffline(x, labels, { ...plain, ...options })).triplets.data,
];

const folder = mkdtempSync(join(tmpdir(), 'hypersphere-offline-'));
afterAll(() => rmSync(folder, { recursive: true }));

onBothBackends('mineTripletsOffline', () => {
  it('by hand: the nearest negative between the positive and the margin', async () => {
    // Anchor 0 at 0, its positive at 2; negatives at 1 (harder), 2 (as far), 2.5 and 2.25 (in the band), 3 (at its end), 9.
    const x = column(0, 2, 1, 2, 2.5, 2.25, 3, 9);
    const labels = [5, 5, -1, -2, -3, -4, -5, -6];
    const { triplets, ...counts } = await mineTripletsOffline(x, labels, { ...plain, margin: 1 });
    // From 1, at 2: negatives at 1, 0, 0.5, 0.25, 1, 7; in (2, 3) there is none.
    expect([...triplets.data]).toEqual([0, 1, 5]);
    expect(counts).toEqual({ anchors: 2, pairs: 2, withoutPositive: 6, withoutNegative: 1 });
    expect(await mined(x, labels, { strategy: 'hardest', margin: 1 })).toEqual([0, 1, 2, 1, 0, 3]);
    const drawn = new Set<number>();
    for (let seed = 0; seed < 30; seed++) drawn.add((await mined(x, labels, { margin: 1, candidates: 9, seed }))[2] as number);
    expect([...drawn].sort()).toEqual([4, 5]);
  });

  it('squared distances of unit rows by default, as FaceNet has it', async () => {
    const x = normalMatrix(60, 4, 3);
    const labels = cyclicLabels(60, 9);
    const found = await mineTripletsOffline(x, labels, { candidates: 1, positivesPerAnchor: 'all' });
    const rule = { strategy: 'faceNetSemiHard', distance: 'squaredEuclidean', normalize: true, margin: 0.2 } as const;
    const expected = [...pairsOf(x, labels, rule)].flatMap(({ a, p, admitted }) => (admitted.length > 0 ? [a, p, admitted[0]] : []));
    expect([...found.triplets.data]).toEqual(expected);
    expect(expected.length).toBeGreaterThan(300);
  });

  it('hardest takes what violates the margin and nothing else', async () => {
    const x = column(0, 1, 5, 6.5);
    expect(await mined(x, [0, 0, 1, 1], { strategy: 'hardest', margin: 2 })).toEqual([]);
    expect(await mined(x, [0, 0, 1, 1], { strategy: 'hardest', margin: 3.5 })).toEqual([1, 0, 2, 2, 3, 1]);
  });

  it('ties go to the lowest row, also across blocks', async () => {
    const x = column(0, 1, 1.5, 1.5, -1.5, 1.25, 1.25, -1.25);
    for (const workspaceBytes of [1, 32, 64, 4096]) {
      expect((await mined(x, [0, 0, 1, 2, 3, 4, 5, 6], { margin: 1, workspaceBytes })).slice(0, 3)).toEqual([0, 1, 5]);
    }
  });

  it('a pair with NaN has no triplet, and NaN is no negative', async () => {
    const labels = [0, 0, 0, 1, 2];
    const x = column(0, 1, Number.NaN, Number.NaN, 1.5);
    const found = await mineTripletsOffline(x, labels, { ...plain, margin: 1, positivesPerAnchor: 'all' });
    expect([...found.triplets.data]).toEqual([0, 1, 4]);
    expect(found).toMatchObject({ pairs: 6, withoutNegative: 5 });
    expect(await mined(x, labels, { strategy: 'hardest', margin: 9, positivesPerAnchor: 'all' })).toEqual([0, 1, 4, 1, 0, 4]);
    // Infinity beside infinity is NaN too; beyond float32 every number admits what is nearer.
    expect(await mined(column(0, 3e38, -1, 7), [0, 0, 1, 2], { strategy: 'hardest', distance: 'squaredEuclidean' })).toEqual(
      expect.arrayContaining([0, 1, 2]),
    );
  });

  it('spreads the anchors over the classes, without repeats, and draws positives without repeats', async () => {
    const random = createRandom(9);
    // Classes of 1, 2, 3, …, 12 rows, shuffled.
    const labels = random.shuffle(Int32Array.from({ length: 78 }, (_, i) => Math.floor((Math.sqrt(8 * i + 1) - 1) / 2)));
    const x = normalMatrix(78, 3, 5);
    // Everything is admitted, so every pair shows.
    const all = { ...plain, strategy: 'hardest', margin: 1e6 } as const;
    for (const seed of [0, 1, 2]) {
      const { triplets, ...counts } = await mineTripletsOffline(x, labels, { ...all, anchors: 30, positivesPerAnchor: 3, seed });
      const positives = new Map<number, Set<number>>();
      for (let t = 0; t < triplets.data.length; t += 3) {
        const [a, p, n] = triplets.data.subarray(t, t + 3) as unknown as [number, number, number];
        expect([labels[p], a === p, labels[n] === labels[a]]).toEqual([labels[a], false, false]);
        positives.set(a, (positives.get(a) ?? new Set()).add(p));
      }
      expect(positives.size).toBe(30);
      const perClass = Array.from({ length: 12 }, (_, c) => [...positives.keys()].filter((a) => labels[a] === c).length);
      // 30 over eleven classes of two rows and more: the smallest gives its 2, the others 2 or 3.
      expect(perClass.slice(0, 2)).toEqual([0, 2]);
      for (const count of perClass.slice(2)) expect([2, 3]).toContain(count);
      for (const [a, of] of positives) expect(of.size).toBe(Math.min(3, labels[a] as number));
      expect(counts).toMatchObject({ anchors: 30, withoutPositive: 1, pairs: triplets.shape[0], withoutNegative: 0 });
    }
    const rows = async (seed: number) => (await mineTripletsOffline(x, labels, { ...all, anchors: 30, seed })).triplets.data;
    expect(await rows(1)).toEqual(await rows(1));
    expect(await rows(1)).not.toEqual(await rows(2));
    expect((await mineTripletsOffline(x, labels, { ...all, anchors: 1000 })).anchors).toBe(77);
  });

  it('has nothing to select from one class, lone rows or no rows, and says so', async () => {
    const progress: number[] = [];
    const onProgress = ({ fraction }: { fraction: number }): void => void progress.push(fraction);
    const empty = { data: new Int32Array(0), shape: [0, 3] };
    expect(await mineTripletsOffline(column(1, 2, 3), [4, 4, 4], { onProgress })).toEqual({
      triplets: empty,
      anchors: 3,
      pairs: 3,
      withoutPositive: 0,
      withoutNegative: 3,
    });
    const lone = { triplets: empty, anchors: 0, pairs: 0, withoutNegative: 0 };
    expect(await mineTripletsOffline(column(1, 2, 3), [1, 2, 3], { onProgress })).toEqual({ ...lone, withoutPositive: 3 });
    expect(await mineTripletsOffline([], [], { onProgress })).toEqual({ ...lone, withoutPositive: 0 });
    expect(await mineTripletsOffline(column(1, 2, 3, 4), [1, 1, 2, 2], { anchors: 0, onProgress })).toEqual({
      ...lone,
      withoutPositive: 0,
    });
    expect(progress).toEqual([1, 1, 1, 1]);
  });

  it('tells how far it is, rising to 1, and leaves the loop free', async () => {
    const progress: number[] = [];
    let turns = 0;
    const turning = setInterval(() => turns++, 0);
    await mineTripletsOffline(normalMatrix(300, 8, 1), cyclicLabels(300, 30), {
      workspaceBytes: 20_000,
      onProgress: ({ fraction }) => void progress.push(fraction),
    });
    clearInterval(turning);
    expect(progress.length).toBeGreaterThan(10);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(progress.at(-1)).toBe(1);
    expect(turns).toBeGreaterThan(0);
    const stop = new Error('stop');
    const thrown = mineTripletsOffline(normalMatrix(30, 8, 1), cyclicLabels(30, 3), {
      onProgress: () => {
        throw stop;
      },
    });
    await expect(thrown).rejects.toBe(stop);
  });

  it('waits for a progress that is a promise, and ends with what it rejects with', async () => {
    const stop = new Error('stop');
    for (const labels of [cyclicLabels(30, 3), cyclicLabels(30, 1)]) {
      let [begun, ended] = [0, 0];
      const onProgress = async (): Promise<void> => {
        expect(begun++).toBe(ended);
        await new Promise((resolve) => setTimeout(resolve, 2));
        ended++;
      };
      await mineTripletsOffline(normalMatrix(30, 8, 1), labels, { onProgress, workspaceBytes: 2000 });
      expect(ended).toBeGreaterThan(0);
      expect(ended).toBe(begun);
      const rejected = mineTripletsOffline(normalMatrix(30, 8, 1), labels, { onProgress: () => Promise.reject(stop) });
      await expect(rejected).rejects.toBe(stop);
    }
  });

  it('stops at an abort, and ends the source that was being read', async () => {
    const reason = new Error('enough');
    const [x, labels] = [normalMatrix(300, 8, 1), cyclicLabels(300, 30)];
    await expect(mineTripletsOffline(x, labels, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    let [started, ended] = [0, 0];
    const source = async function* () {
      started++;
      try {
        for (let row = 0; row < 300; row += 50) yield matrix(x.data.slice(row * 8, (row + 50) * 8), 8);
      } finally {
        ended++;
      }
    };
    const onProgress = (): void => controller.abort(reason);
    await expect(mineTripletsOffline(source, labels, { workspaceBytes: 6400, onProgress, signal: controller.signal })).rejects.toBe(reason);
    expect([started, ended]).toEqual([2, 2]);
    // A chunk that never comes, and an abort with nothing to search.
    const waiting = new AbortController();
    const never = async function* () {
      yield matrix(x.data.slice(0, 80), 8);
      setTimeout(() => waiting.abort(reason));
      await new Promise(() => {});
    };
    await expect(mineTripletsOffline(never, labels, { signal: waiting.signal })).rejects.toBe(reason);
    const late = new AbortController();
    const alone = mineTripletsOffline(x, new Int32Array(300), { signal: late.signal });
    late.abort(reason);
    await expect(alone).rejects.toBe(reason);
  });

  it('copies labels at the call; a source that goes away is an error, never its old rows', async () => {
    const [x, labels] = [normalMatrix(60, 4, 3), cyclicLabels(60, 9)];
    const expected = await mineTripletsOffline(x, labels);
    const changing = labels.slice();
    const promise = mineTripletsOffline(x, changing);
    changing.fill(0);
    expect(await promise).toEqual(expected);
    const shared = alloc(60, 4);
    shared.data.set(x.data);
    expect(await mineTripletsOffline(shared, labels)).toEqual(expected);
    const going = matrix(x.data.slice(), 4);
    let left = 2;
    const onProgress = (): void => {
      if (--left === 0) structuredClone(going.data.buffer, { transfer: [going.data.buffer as ArrayBuffer] });
    };
    const gone = mineTripletsOffline(going, labels, { onProgress, workspaceBytes: 2000 });
    await expect(gone).rejects.toMatchObject({ code: 'ERR_DETACHED', argument: 'source.data' });
  });
});

describe('mineTripletsOffline refuses', () => {
  const [x, labels] = [normalMatrix(6, 3, 1), [0, 0, 0, 1, 1, 1]];
  const path = join(folder, 'six.npy');
  writeFileSync(path, npyBytes(x.data, 3));
  const halves = [matrix(x.data.slice(0, 9), 3), matrix(x.data.slice(9), 3)];
  const cases: [name: string, code: string, argument: string, run: () => Promise<unknown>][] = [
    ['no source', 'ERR_TYPE', 'source', () => mineTripletsOffline(undefined as never, labels)],
    ['a number', 'ERR_TYPE', 'source', () => mineTripletsOffline(5 as never, labels)],
    ['an iterator that can be read once', 'ERR_TYPE', 'source', () => mineTripletsOffline(halves.values(), labels)],
    ['a stream of Node', 'ERR_TYPE', 'source', () => mineTripletsOffline(Readable.from(halves) as never, labels)],
    ['a stream of the web', 'ERR_TYPE', 'source', () => mineTripletsOffline(new ReadableStream() as never, labels)],
    ['a function that gives no chunks', 'ERR_TYPE', 'source()', () => mineTripletsOffline((() => 5) as never, labels)],
    [
      'a function that always gives one iterator',
      'ERR_SHAPE',
      'source',
      () => {
        const once = halves.values();
        return mineTripletsOffline(() => once, labels);
      },
    ],
    ['a chunk that is none', 'ERR_TYPE', 'source[1]', () => mineTripletsOffline([halves[0], 7] as never, labels)],
    ['chunks of different widths', 'ERR_SHAPE', 'source[1]', () => mineTripletsOffline([halves[0] as Matrix, column(1, 2, 3)], labels)],
    ['too few rows', 'ERR_SHAPE', 'source', () => mineTripletsOffline([halves[0] as Matrix], labels)],
    ['too many rows', 'ERR_SHAPE', 'source', () => mineTripletsOffline([...halves, ...halves], labels)],
    ['labels of another number', 'ERR_SHAPE', 'labels', () => mineTripletsOffline(x, [0, 0, 1])],
    ['labels of another number than the file has rows', 'ERR_SHAPE', 'labels', () => mineTripletsOffline(path, [0, 0, 1])],
    ['a bad label', 'ERR_LABEL_RANGE', 'labels[1]', () => mineTripletsOffline(x, [0, 0.5, 0, 1, 1, 1])],
    ['no labels', 'ERR_TYPE', 'labels', () => mineTripletsOffline(x, undefined as never)],
    ['an option it does not know', 'ERR_OPTION_RANGE', 'options.anchor', () => mineTripletsOffline(x, labels, { anchor: 1 } as never)],
    ['a signal that is none', 'ERR_TYPE', 'options.signal', () => mineTripletsOffline(x, labels, { signal: 1 as never })],
    ['a progress that is no function', 'ERR_TYPE', 'options.onProgress', () => mineTripletsOffline(x, labels, { onProgress: 1 as never })],
    [
      'more pairs than may be',
      'ERR_OUT_OF_MEMORY',
      'options.maxTriplets',
      () => mineTripletsOffline(x, labels, { positivesPerAnchor: 'all', maxTriplets: 11 }),
    ],
  ];
  it("a path where nothing is, with Node's own error, as hypersphere/files does", async () => {
    const none = join(folder, 'none.npy');
    await expect(mineTripletsOffline(none, labels)).rejects.toMatchObject({ code: 'ENOENT', path: none });
  });
  it.each(cases)('%s', async (_, code, argument, run) => {
    await expect(run()).rejects.toMatchObject({ code, argument });
  });

  const ranges: Record<string, unknown[]> = {
    strategy: ['batchHard', 1],
    distance: ['manhattan'],
    margin: [-0.1, Number.NaN, Infinity],
    anchors: [-1, 1.5],
    positivesPerAnchor: [0, 1.5],
    candidates: [0, 1025, 2.5],
    workspaceBytes: [0, 1.5],
    maxTriplets: [-1, 1.5],
    seed: [-1, 2 ** 32],
  };
  it.each(Object.entries(ranges))('a bad %s', async (option, bad) => {
    for (const value of bad) {
      const argument = `options.${option}`;
      await expect(mineTripletsOffline(x, labels, { [option]: value } as never)).rejects.toMatchObject({
        code: 'ERR_OPTION_RANGE',
        argument,
      });
    }
  });

  it('nothing when there are as many pairs as may be', async () => {
    expect((await mineTripletsOffline(x, labels, { positivesPerAnchor: 'all', maxTriplets: 12 })).pairs).toBe(12);
  });
});

it('the least float32 not below a number', () => {
  const next = (value: number): number =>
    new Float32Array(Int32Array.of((new Int32Array(Float32Array.of(value).buffer)[0] as number) + 1).buffer)[0] as number;
  for (const value of [0, 1, -1, 0.5, 2 ** -149, 3.4e38]) expect(notBelow(Math.fround(value))).toBe(Math.fround(value));
  expect(notBelow(1 + 2 ** -40)).toBe(next(1));
  expect(notBelow(-1 - 2 ** -40)).toBe(-1);
  expect(notBelow(-1 + 2 ** -40)).toBe(-(1 - 2 ** -24));
  expect(notBelow(1e-50)).toBe(2 ** -149);
  expect(notBelow(-1e-50)).toBe(-0);
  expect(notBelow(1e39)).toBe(Infinity);
});
