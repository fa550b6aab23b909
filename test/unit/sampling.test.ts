import { describe, expect, it } from 'vitest';
import { balancedBatches, createRandom, matrix, OfflineMiner, samplePairs, takeRows } from '../../lib/index.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';

describe('createRandom', () => {
  it('repeats from its seed and differs between seeds', () => {
    const draw = (seed: number): number[] => Array.from({ length: 5 }, createRandom(seed).next);
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });
  it('is uniform to a χ² test in every residue, low bits included', () => {
    const random = createRandom(7);
    const bins = new Int32Array(64);
    const count = 64_000;
    for (let i = 0; i < count; i++) {
      const bin = random.integer(64);
      bins[bin] = (bins[bin] as number) + 1;
    }
    const chi2 = bins.reduce((sum, b) => sum + (b - count / 64) ** 2 / (count / 64), 0);
    // 63 degrees of freedom: mean 63, standard deviation 11.2
    expect(chi2).toBeGreaterThan(20);
    expect(chi2).toBeLessThan(130);
  });
  it('draws normals of mean 0 and variance 1', () => {
    const random = createRandom(3);
    const values = Float64Array.from({ length: 20_000 }, () => random.normal());
    const mean = values.reduce((a, b) => a + b) / values.length;
    const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(values.length));
    expect(Math.abs(variance - 1)).toBeLessThan(5 * Math.sqrt(2 / values.length));
  });
});

describe('samplePairs', () => {
  const labels = cyclicLabels(30, 5);
  it('holds to count, share and truth, and repeats from its seed', () => {
    const { pairs, same } = samplePairs(labels, { count: 40, positiveShare: 0.25, seed: 9 });
    expect(pairs.shape).toEqual([40, 2]);
    expect(same.reduce((a, b) => a + b, 0)).toBe(10);
    for (let i = 0; i < 40; i++) {
      const [a, b] = pairs.data.subarray(2 * i, 2 * i + 2) as unknown as [number, number];
      expect(a).not.toBe(b);
      expect(labels[a] === labels[b]).toBe(same[i] === 1);
    }
    expect(samplePairs(labels, { count: 40, positiveShare: 0.25, seed: 9 })).toEqual({ pairs, same });
  });
  it('finds the one row of another class among many, and draws every partner alike', () => {
    const lopsided = new Int32Array(200_001);
    lopsided[77] = 1;
    const { pairs } = samplePairs(lopsided, { count: 500, positiveShare: 0 });
    for (let i = 0; i < 500; i++) expect([...pairs.data.subarray(2 * i, 2 * i + 2)]).toContain(77);
    const few = samplePairs([4, 9, 4, 9, 4], { count: 12_000, positiveShare: 0.5, seed: 1 });
    const seen = new Map<string, number>();
    for (let i = 0; i < 12_000; i++) {
      const key = few.pairs.data.subarray(2 * i, 2 * i + 2).join();
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    expect(seen.size).toBe(20);
    // A positive pair of the class of three: 6000 · 1/5 · 1/2 times, a standard deviation of 23; five of them either way.
    for (const key of ['0,2', '0,4', '2,0', '4,2']) expect(Math.abs((seen.get(key) as number) - 600)).toBeLessThan(116);
  });
  it('says so when there is no such pair', () => {
    expect(() => samplePairs([1, 2, 3], { count: 4 })).toThrowError(/labels/);
    expect(() => samplePairs([1, 1, 1], { count: 4 })).toThrowError(/labels/);
    expect(samplePairs([1, 1, 1], { count: 4, positiveShare: 1 }).same).toEqual(Uint8Array.of(1, 1, 1, 1));
  });
});

it('balancedBatches gives P classes of K rows each, without repeats where a class has enough', () => {
  const labels = cyclicLabels(60, 6);
  const batches = balancedBatches(labels, { classes: 3, perClass: 4, seed: 2 });
  for (let b = 0; b < 20; b++) {
    const rows = batches.next().value as Int32Array;
    expect(new Set(rows).size).toBe(12);
    const counts = new Map<number, number>();
    for (const row of rows) counts.set(labels[row] as number, (counts.get(labels[row] as number) ?? 0) + 1);
    expect([...counts.values()]).toEqual([4, 4, 4]);
  }
});

it('balancedBatches repeats the rows of small classes, all of them alike', () => {
  const batches = balancedBatches([1, 0, 1, 1, 0], { classes: 2, perClass: 10, seed: 5 });
  const counts = new Float64Array(5);
  for (let b = 0; b < 300; b++) for (const row of batches.next().value) counts[row] = (counts[row] as number) + 1;
  // 3000 draws of a class: 1000 each of three rows, 1500 each of two, standard deviations of 26 and 27; five of them either way.
  for (const row of [0, 2, 3]) expect(Math.abs((counts[row] as number) - 1000)).toBeLessThan(130);
  for (const row of [1, 4]) expect(Math.abs((counts[row] as number) - 1500)).toBeLessThan(137);
});

it('takeRows copies the rows asked for and refuses others', () => {
  const x = matrix(Float32Array.of(1, 2, 3, 4, 5, 6), 2);
  expect(takeRows(x, [2, 0, 2]).data).toEqual(Float32Array.of(5, 6, 1, 2, 5, 6));
  expect(() => takeRows(x, [3])).toThrowError(/indices/);
});

describe('OfflineMiner', () => {
  const labels = cyclicLabels(90, 9);
  const data = normalMatrix(90, 3, 4);
  const create = (): OfflineMiner =>
    new OfflineMiner({ labels, every: 50, subset: 36, strategy: 'violating', margin: 0.5, seed: 1, maxTriplets: 200 });
  it('is due every n steps from the first', () => {
    const miner = create();
    expect([0, 1, 49, 50, 51, 100].map((step) => miner.due(step))).toEqual([true, false, false, true, false, true]);
  });
  it('embeds a bounded subset with the newest network and returns rows of the data set', async () => {
    const seen: number[] = [];
    const miner = create();
    const embed = (rows: Int32Array) => {
      seen.push(rows.length);
      return takeRows(data, rows);
    };
    const triplets = await miner.refresh(embed);
    expect(Math.max(...seen)).toBeLessThanOrEqual(36);
    expect(triplets.shape[0]).toBeGreaterThan(0);
    expect(triplets.shape[0]).toBeLessThanOrEqual(200);
    for (let t = 0; t < triplets.data.length; t += 3) {
      const [a, p, n] = triplets.data.subarray(t, t + 3) as unknown as [number, number, number];
      expect(a).not.toBe(p);
      expect(labels[a]).toBe(labels[p]);
      expect(labels[a]).not.toBe(labels[n]);
    }
    expect(await create().refresh((rows) => takeRows(data, rows))).toEqual(triplets);
  });
  it('refuses embeddings of another number of rows', async () => {
    await expect(create().refresh(() => data)).rejects.toThrowError(/embed/);
  });
  it('refuses an embed that is none, and bad options at once', async () => {
    await expect(create().refresh(undefined as never)).rejects.toMatchObject({ code: 'ERR_TYPE', argument: 'embed' });
    const options = { labels, every: 1, subset: 4 };
    for (const bad of [{ strategy: 'none' }, { margin: -1 }, { distance: 'none' }, { normalize: 1 }])
      expect(() => new OfflineMiner({ ...options, ...(bad as object) })).toThrowError(new RegExp(`options.${Object.keys(bad)[0]}`));
  });
  it('has defaults for options that are undefined', async () => {
    const [given, plain] = [{ strategy: undefined, margin: undefined, seed: undefined }, {}].map(
      (options) => new OfflineMiner({ labels, every: 1, subset: 60, ...(options as object) }),
    ) as [OfflineMiner, OfflineMiner];
    const explicit = new OfflineMiner({ labels, every: 1, subset: 60, strategy: 'faceNetSemiHard', margin: 0.2, seed: 0 });
    const triplets = await explicit.refresh((rows) => takeRows(data, rows));
    expect(triplets.shape[0]).toBeGreaterThan(0);
    for (const miner of [given, plain]) expect(await miner.refresh((rows) => takeRows(data, rows))).toEqual(triplets);
  });
  it('blames the subset where a rule selects more than can be held', async () => {
    const two = cyclicLabels(660, 2);
    const miner = new OfflineMiner({ labels: two, every: 1, subset: 660, strategy: 'all', maxTriplets: 10 });
    const error = miner.refresh((rows) => matrix(new Float32Array(rows.length), 1));
    await expect(error).rejects.toMatchObject({ code: 'ERR_OUT_OF_MEMORY', argument: 'options.subset' });
  });
});

describe("OfflineMiner's subset", () => {
  /** Rows of a number of selections over classes of these sizes. */
  async function draw(sizes: readonly number[], subset: number, times: number) {
    const labels = sizes.flatMap((size, c) => new Array<number>(size).fill(c));
    const miner = new OfflineMiner({ labels, every: 1, subset, strategy: 'batchHard', seed: 6 });
    const drawn: Int32Array[] = [];
    for (let t = 0; t < times; t++) {
      await miner.refresh((rows) => {
        drawn.push(rows);
        return matrix(new Float32Array(rows.length), 1);
      });
    }
    const classes = drawn.map((rows) => sizes.map((_, c) => rows.filter((row) => labels[row] === c).length));
    return { drawn, classes };
  }
  it.each([
    [[1, 1, 1000], 100, [1, 1, 98]],
    [[3, 1000, 10], 100, [3, 87, 10]],
    [[50, 50, 50], 100, [33, 33, 34]],
    [[5, 5], 100, [5, 5]],
    [[4, 1], 2, [1, 1]],
  ])('of classes of %j and %i rows is shared evenly', async (sizes, subset, expected) => {
    const { drawn, classes } = await draw(sizes, subset, 5);
    for (const rows of drawn) expect(new Set(rows).size).toBe(rows.length);
    for (const counts of classes) {
      if (new Set(sizes).size === 1) counts.sort((a, b) => a - b);
      expect(counts).toEqual(expected);
    }
  });
  it('lets in as many classes as can pair, each with two rows at least, and all of them in turn', async () => {
    const { classes } = await draw(new Array(50).fill(4), 20, 100);
    const present = new Float64Array(50);
    for (const counts of classes) {
      expect(counts.filter((count) => count > 0)).toEqual(new Array(10).fill(2));
      counts.forEach((count, c) => (present[c] = (present[c] as number) + Math.sign(count)));
    }
    // 100 times one in five: 20, a standard deviation of 4; five of them either way.
    for (const times of present) expect(Math.abs(times - 20)).toBeLessThanOrEqual(20);
    expect(Math.min(...present)).toBeGreaterThan(0);
  });
  it('takes every row of a class alike', async () => {
    const { drawn } = await draw([30, 30], 20, 200);
    const counts = new Float64Array(60);
    for (const rows of drawn) for (const row of rows) counts[row] = (counts[row] as number) + 1;
    // 200 times one in three: 66.7, a standard deviation of 6.7; five of them either way.
    for (const times of counts) expect(Math.abs(times - 200 / 3)).toBeLessThan(34);
  });
  it('hands out a uniform sample of the triplets', async () => {
    const miner = new OfflineMiner({ labels: cyclicLabels(12, 2), every: 1, subset: 12, strategy: 'all', maxTriplets: 30, seed: 2 });
    const anchors = new Float64Array(12);
    for (let t = 0; t < 200; t++) {
      let rows: Int32Array = new Int32Array(0);
      const { data, shape } = await miner.refresh((drawn) => {
        rows = drawn;
        return matrix(new Float32Array(12), 1);
      });
      expect(shape).toEqual([30, 3]);
      // By place in the subset, which is the order of the triplets.
      for (let i = 0; i < data.length; i += 3) {
        const place = rows.indexOf(data[i] as number);
        anchors[place] = (anchors[place] as number) + 1;
      }
    }
    // 6000 anchors over 12 places: 500 each, a standard deviation of 21; five of them either way.
    for (const count of anchors) expect(Math.abs(count - 500)).toBeLessThan(107);
  });
});
