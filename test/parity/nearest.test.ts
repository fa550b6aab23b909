// The native search: exactly the sorted `distances` of the same level, and the reference's neighbours wherever they do not tie.
import { afterAll, expect, it } from 'vitest';
import { distances, Gallery, type Isa, type Matrix, matrix, nearest, setBackend, setIsa, setThreads, toBfloat16 } from '../../lib/index.js';
import { type Metric, metrics } from '../../lib/ops/distances.js';
import { reference } from '../../lib/reference/index.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';
import { describeLevels, describeNative, levels } from '../helpers/native.js';
import { bitsOf, bitsText, expectSame, sameBytes } from '../helpers/tolerance.js';

const shapes: [n: number, m: number, d: number, k: number][] = [
  [1, 1, 1, 1],
  [1, 257, 17, 10],
  [15, 16, 3, 16],
  [16, 255, 64, 1],
  [17, 256, 31, 255],
  [61, 1031, 7, 10],
  [3, 5003, 16, 1024],
];
const grows = (metric: Metric): boolean => metric === 'dot' || metric === 'cosineSimilarity';

/** Sorted by distance, NaN after infinity, ties by index. */
function sorted(all: Matrix, withSelf: boolean, metric: Metric, k: number) {
  const [n, m] = all.shape;
  const found = { indices: new Int32Array(n * k), distances: new Float32Array(n * k) };
  for (let i = 0; i < n; i++) {
    const key = (j: number): number => (grows(metric) ? -1 : 1) * (all.data[i * m + j] as number);
    const candidates = Array.from({ length: m }, (_, j) => j).filter((j) => withSelf || j !== i);
    candidates.sort((a, b) => {
      const [p, q] = [key(a), key(b)];
      if (Number.isNaN(p) || Number.isNaN(q)) return Number(Number.isNaN(p)) - Number(Number.isNaN(q)) || a - b;
      return p === q ? a - b : p < q ? -1 : 1;
    });
    candidates.slice(0, k).forEach((j, rank) => {
      found.indices[i * k + rank] = j;
      found.distances[i * k + rank] = all.data[i * m + j] as number;
    });
  }
  return found;
}

/** Distances and what they gave when sorted: on any number of threads, and at most levels, they are the same bits again. */
const known = new Map<string, { readonly bits: Uint32Array; readonly found: ReturnType<typeof sorted> }>();

function expectSorted(x: Matrix, y: Matrix | undefined, metric: Metric, k: number): void {
  const all = y ? distances(x, y, { metric }) : distances(x, { metric });
  const [bits, asked] = [bitsOf(all.data), `${all.shape} ${y !== undefined} ${metric} ${k}`];
  let expected = known.get(asked);
  if (!expected || !sameBytes(bits, expected.bits)) {
    expected = { bits, found: sorted(all, y !== undefined, metric, k) };
    known.set(asked, expected);
  }
  const found = y ? nearest(x, y, { metric, k }) : nearest(x, { metric, k });
  expectSame(found.indices.data, expected.found.indices);
  expectSame(bitsOf(found.distances.data), bitsOf(expected.found.distances));
}

/** The reference's own neighbours, and for each whether its distance is clearly apart from those before and after. */
function expectReference(x: Matrix, gallery: Matrix, metric: Metric, k: number): void {
  const [n, d] = x.shape;
  const m = gallery.shape[0];
  const more = Math.min(k + 1, m);
  const none = new Int32Array(0);
  const wide = { x: Float64Array.from(x.data), gallery: Float64Array.from(gallery.data), n, m, d, metric };
  const [indices, values] = [new Int32Array(n * more), new Float64Array(n * more)];
  const rest = { excludeSelf: false, filter: undefined, labels: none, galleryLabels: none };
  reference.nearest({ ...wide, ...rest, k: more, indices, distances: values });
  const found = nearest(x, gallery, { metric, k });
  for (let i = 0; i < n; i++) {
    const row = values.subarray(i * more, (i + 1) * more);
    const slack = 1e-6 + 4e-5 * row.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const apart = (r: number): boolean => r < 0 || r + 1 >= more || Math.abs((row[r] as number) - (row[r + 1] as number)) > slack;
    for (let r = 0; r < k; r++) {
      expect(Math.abs((found.distances.data[i * k + r] as number) - (row[r] as number))).toBeLessThanOrEqual(slack);
      if (apart(r - 1) && apart(r)) expect(found.indices.data[i * k + r]).toBe(indices[i * more + r]);
    }
  }
}

/** What the TypeScript backend finds under a metric and a filter, once for all levels. */
const filtered = new Map<string, Int32Array>();

function onReference<T>(run: () => T): T {
  setBackend('ts');
  try {
    return run();
  } finally {
    setBackend('native');
  }
}

describeLevels('nearest against the reference', () => {
  it.each(metrics)('%s', (metric) => {
    for (const [n, m, d, k] of shapes) {
      // One coordinate has no variance, so the ratio of variances is 0 / 0 up to rounding: not a value to compare.
      if (metric === 'snr' && d === 1) continue;
      const [x, y] = [normalMatrix(n, d, 1), normalMatrix(m, d, 2)];
      expectReference(x, y, metric, k);
      for (const threads of [1, 2, 3, 8]) {
        setThreads(threads);
        expectSorted(x, y, metric, k);
        if (n > 1) expectSorted(x, undefined, metric, Math.min(k, n - 1));
      }
    }
  });
  it('copies, near copies and offset data', () => {
    for (const metric of metrics) {
      const y = normalMatrix(700, 33, 3);
      y.data.forEach((value, i) => (y.data[i] = 100 + (i < 330 ? 0 : value)));
      y.data.copyWithin(33 * 300, 33 * 100, 33 * 200);
      for (const n of [1, 5, 90]) expectSorted(matrix(y.data.slice(33 * 250, 33 * (250 + n)), 33), y, metric, 40);
      expectSorted(y, undefined, metric, 3);
    }
  });
  it('NaN after infinity, huge and tiny rows', () => {
    const y = normalMatrix(90, 5, 4);
    [Number.NaN, Infinity, -Infinity, 1e19, 3e38, 1e-30, 0].forEach((value, i) => y.data.fill(value, 35 * i, 35 * i + 3 + (i % 2) * 20));
    for (const metric of metrics) {
      for (const n of [1, 20, 90]) expectSorted(matrix(y.data.slice(0, 5 * n), 5), y, metric, 90);
    }
    const order = nearest(matrix(Float32Array.of(0), 1), matrix(Float32Array.of(Number.NaN, Infinity, 1), 1), { k: 3 });
    expect([...order.indices.data]).toEqual([2, 1, 0]);
  });
  it('filters as the reference does', () => {
    const [x, y] = [normalMatrix(70, 9, 1), normalMatrix(533, 9, 2)];
    const [labels, galleryLabels] = [cyclicLabels(70, 7), cyclicLabels(533, 6)];
    for (const metric of metrics) {
      for (const filter of ['same', 'different'] as const) {
        const options = { metric, filter, labels, galleryLabels, k: 100 };
        const found = nearest(x, y, options).indices.data;
        const expected = filtered.get(`${metric} ${filter}`) ?? onReference(() => nearest(x, y, options).indices.data);
        filtered.set(`${metric} ${filter}`, expected);
        // Distances that round apart may change places; what is missing may not.
        let differing = 0;
        found.forEach((index, i) => {
          expect(index < 0).toBe((expected[i] as number) < 0);
          if (index >= 0) expect(labels[Math.floor(i / 100)] === galleryLabels[index]).toBe(filter === 'same');
          if (index !== expected[i]) differing++;
        });
        expect(differing).toBeLessThan(found.length / 100);
      }
    }
  });
});

/** Sizes at which the level that has a coarse pass runs it, and those without it say what it must not change. */
describeNative('nearest in galleries large enough for a coarse pass', () => {
  afterAll(() => setIsa(levels.at(-1) as Isa));

  /** Plain rows, tight clusters, offset ones, and what no bound holds for: NaN, huge, tiny, zero and one outlying coordinate. */
  function galleryOf(kind: 'plain' | 'clusters' | 'offset' | 'nasty', m: number, d: number): Matrix {
    const rows = normalMatrix(m, d, 7);
    if (kind === 'plain') return rows;
    if (kind === 'offset')
      return matrix(
        rows.data.map((value) => 100 + value),
        d,
      );
    if (kind === 'clusters')
      return matrix(
        rows.data.map((value, i) => (rows.data[i % (9 * d)] as number) + 1e-4 * value),
        d,
      );
    const odd = [Number.NaN, Infinity, 1e19, 3e38, 1e-30, 0, -0, 1e6];
    for (let i = 0; i < m; i += 25) rows.data.fill(odd[(i / 25) % odd.length] as number, i * d, i * d + (i % 2 ? 1 : d));
    return rows;
  }

  it.each(['plain', 'clusters', 'offset', 'nasty'] as const)('%s rows have one result at every level with fused arithmetic', (kind) => {
    const [m, d] = [4517, 37];
    const gallery = galleryOf(kind, m, d);
    const few = matrix(gallery.data.slice(0, 61 * d), d);
    const labels = cyclicLabels(m, 5);
    const filter = { filter: 'different', labels: labels.slice(0, 61), galleryLabels: labels } as const;
    const half = { data: toBfloat16(gallery.data), shape: gallery.shape };
    for (const metric of metrics.filter((name) => name !== 'manhattan' && name !== 'snr')) {
      const runs = levels
        .filter((isa) => isa !== 'baseline')
        .map((isa) => {
          setIsa(isa);
          return [1, 3].flatMap((threads) => {
            setThreads(threads);
            const found = [
              nearest(few, gallery, { metric, k: 1 }),
              nearest(few, gallery, { metric, k: 17 }),
              nearest(few, half, { metric, k: 5 }),
              nearest(few, gallery, { metric, k: 5, ...filter }),
              nearest(matrix(few.data.subarray(0, 30 * d), d), gallery, { metric, k: 5 }),
              nearest(gallery, { metric, k: 3 }),
              ...[gallery, half].flatMap((rows) => {
                using kept = new Gallery(rows, { metric, labels });
                const { filter: different, labels: own } = filter;
                // In their order: the coarse pass, with a filter, rows as they are, and too many neighbours for the pass.
                return [
                  kept.search(few, { k: 17 }),
                  kept.search(few, { k: 5, filter: different, labels: own }),
                  kept.search(matrix(few.data.subarray(0, 3 * d), d), { k: 5 }),
                  kept.search(few, { k: 100 }),
                ];
              }),
            ];
            return found.map(({ indices, distances: values }) => [
              Buffer.from(indices.data.buffer).toString('base64'),
              bitsText(values.data),
            ]);
          });
        });
      for (const run of runs.slice(1)) expect(run, metric).toEqual(runs[0]);
    }
  });
});
