// The native search between bounds: exactly what is left of the sorted `distances` of the same level, at any number of threads.
import { expect, it } from 'vitest';
import { backend } from '../../lib/backend.js';
import { createRandom, distances, type Matrix, matrix, setThreads, toBfloat16 } from '../../lib/index.js';
import { type Metric, metrics, type SearchOp } from '../../lib/ops/distances.js';
import { reference } from '../../lib/reference/index.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';
import { describeLevels, describeNative } from '../helpers/native.js';
import { bitsOf } from '../helpers/tolerance.js';

const none = new Int32Array(0);

interface Bounds {
  readonly beyond: Float32Array | undefined;
  readonly within: Float32Array | undefined;
}

interface Wanted extends Bounds {
  readonly metric: Metric;
  readonly k: number;
  readonly excludeSelf?: boolean;
  /** Of rows and of the gallery; those of another label are wanted. */
  readonly labels?: readonly [Int32Array, Int32Array] | undefined;
}

type Found = Pick<SearchOp, 'indices'> & { readonly distances: Float32Array };

const unfilled = (length: number): Found => ({
  indices: new Int32Array(length).fill(-1),
  distances: new Float32Array(length).fill(Number.NaN),
});

/** By the definition, of all distances [n, m]. */
function leftOf({ data: all, shape: [n, m] }: Matrix, { metric, k, excludeSelf, labels, beyond, within }: Wanted): Found {
  const sign = metric === 'dot' || metric === 'cosineSimilarity' ? -1 : 1;
  const before = (a: number, b: number): boolean => a < b || (Number.isNaN(b) && !Number.isNaN(a));
  const found = unfilled(n * k);
  for (let i = 0; i < n; i++) {
    const key = (j: number): number => sign * (all[i * m + j] as number);
    const left: number[] = [];
    for (let j = 0; j < m; j++) {
      if (excludeSelf && i === j) continue;
      if (labels && labels[0][i] === labels[1][j]) continue;
      if (beyond && !before(sign * (beyond[i] as number), key(j))) continue;
      if (within && !before(key(j), sign * (within[i] as number))) continue;
      left.push(j);
    }
    left.sort((a, b) => (before(key(a), key(b)) ? -1 : before(key(b), key(a)) ? 1 : a - b));
    left.slice(0, k).forEach((j, r) => {
      found.indices[i * k + r] = j;
      found.distances[i * k + r] = all[i * m + j] as number;
    });
  }
  return found;
}

function expectSame(found: Found, expected: Found, what: string): void {
  expect(found.indices, what).toEqual(expected.indices);
  expect(bitsOf(found.distances), what).toEqual(bitsOf(expected.distances));
}

describeLevels('nearest between bounds', () => {
  it.each(metrics)('%s', (metric) => {
    for (const [n, m, d, k] of [
      [1, 300, 5, 4],
      [17, 130, 16, 3],
      [60, 90, 7, 1],
    ] as const) {
      const [x, y] = [normalMatrix(n, d, 1), normalMatrix(m, d, 2)];
      y.data.copyWithin(d, 0, d); // a tie
      const all = distances(x, y, { metric });
      const random = createRandom(3);
      const bound = () => Float32Array.from({ length: n }, (_, i) => all.data[i * m + random.integer(m)] as number);
      const own = [cyclicLabels(n, 3), cyclicLabels(m, 4)] as const;
      for (const [beyond, within] of [
        [bound(), undefined],
        [undefined, bound()],
        [bound(), bound()],
        [new Float32Array(n).fill(Number.NaN), undefined],
        [undefined, new Float32Array(n).fill(Number.NaN)],
      ]) {
        for (const labels of [undefined, own]) {
          const expected = leftOf(all, { metric, k, labels, beyond, within });
          const op = { x: x.data, gallery: y.data, n, m, d, metric, k, excludeSelf: false, beyond, within };
          const filter = labels ? ('different' as const) : undefined;
          for (const threads of [1, 2, 5]) {
            setThreads(threads);
            const found = unfilled(n * k);
            backend().nearest({ ...op, filter, labels: labels?.[0] ?? none, galleryLabels: labels?.[1] ?? none, ...found });
            expectSame(found, expected, `${n} × ${m}`);
          }
        }
      }
    }
  });

  it('the reference has the same rule', () => {
    const [x, gallery] = [Float64Array.of(0), Float64Array.of(1, -2, 2, 3, Number.NaN, -3)];
    const base = { x, gallery, n: 1, m: 6, d: 1, k: 3, excludeSelf: false, filter: undefined, labels: none, galleryLabels: none };
    const search = (metric: 'euclidean' | 'dot', beyond?: number, within?: number): number[] => {
      const indices = new Int32Array(3);
      const bounds = {
        beyond: beyond === undefined ? beyond : Float64Array.of(beyond),
        within: within === undefined ? within : Float64Array.of(within),
      };
      reference.nearest({ ...base, ...bounds, metric, indices, distances: new Float64Array(3) });
      const kept = new Int32Array(3);
      reference
        .packGallery({ gallery, m: 6, d: 1, metric, labels: undefined })
        .search({ ...base, ...bounds, indices: kept, distances: new Float64Array(3) });
      expect(kept).toEqual(indices);
      return [...indices];
    };
    expect(search('euclidean')).toEqual([0, 1, 2]);
    expect(search('euclidean', 1)).toEqual([1, 2, 3]);
    expect(search('euclidean', 2)).toEqual([3, 5, 4]);
    expect(search('euclidean', 1, 3)).toEqual([1, 2, -1]);
    expect(search('euclidean', 3, Number.NaN)).toEqual([-1, -1, -1]);
    expect(search('euclidean', Number.NaN)).toEqual([-1, -1, -1]);
    x[0] = 1;
    expect(search('dot')).toEqual([3, 2, 0]);
    expect(search('dot', 3, -2)).toEqual([2, 0, -1]);
  });
});

/** Sizes at which the level that has a coarse pass runs it. It may rule out what is nearer than the lower bound, and what is beyond the upper one. */
describeNative('nearest between bounds in galleries large enough for a coarse pass', () => {
  /** Plain rows, copies and near copies of a few, or with what the pass has no bound for. */
  function galleryOf(kind: 'plain' | 'clusters' | 'nasty', m: number, d: number): Matrix {
    const rows = normalMatrix(m, d, 7);
    if (kind === 'clusters')
      for (let i = 9 * d; i < rows.data.length; i++) rows.data[i] = (rows.data[i % (9 * d)] as number) * (1 + 1e-4 * ((i / d) & 3));
    const odd = [Number.NaN, Infinity, 1e19, 1e-30, 0, 1e6];
    if (kind === 'nasty')
      for (let i = 0; i < m; i += 25) rows.data.fill(odd[(i / 25) % odd.length] as number, i * d, i * d + (i % 2 ? 1 : d));
    return rows;
  }

  it.each(['plain', 'clusters', 'nasty'] as const)('%s rows', (kind) => {
    const [m, d, n] = [4517, 37, 61];
    const gallery = galleryOf(kind, m, d);
    const x = matrix(gallery.data.slice(0, n * d), d);
    const halves = toBfloat16(gallery.data);
    const widened = matrix(
      Float32Array.from(halves, (half) => new Float32Array(Uint32Array.of(half << 16).buffer)[0] as number),
      d,
    );
    const galleryLabels = cyclicLabels(m, 5);
    const labels = [galleryLabels.slice(0, n), galleryLabels] as const;
    for (const metric of metrics.filter((name) => name !== 'manhattan' && name !== 'snr')) {
      const [all, ofHalves] = [distances(x, gallery, { metric }), distances(x, widened, { metric })];
      const sign = metric === 'dot' || metric === 'cosineSimilarity' ? -1 : 1;
      // Half of the gallery is nearer than the first, and the second admits a tenth of it; some of both tie with a row, some have no number.
      const ranked = Array.from({ length: n }, (_, i) => all.data.slice(i * m, (i + 1) * m).sort((a, b) => sign * (a - b)));
      const bound = (share: number) =>
        Float32Array.from(
          ranked,
          (row, i) => (i % 20 === 19 ? [Number.NaN, Infinity, -Infinity][(i / 20) | 0] : row[(m * share) | 0]) as number,
        );
      const both = { beyond: bound(0.5), within: bound(0.6) };
      const base = { d, metric, m, galleryLabels };
      for (const [name, rows, bounds, k, own, filtered] of [
        ['many rows', n, both, 5, false, false],
        ['a lower bound', n, { beyond: both.beyond, within: undefined }, 17, false, false],
        ['an upper bound', n, { beyond: undefined, within: bound(0.01) }, 5, false, true],
        ['a filter', n, both, 5, false, true],
        ['slices', 30, both, 3, false, false],
        ['one query', 1, both, 5, false, true],
        ['self search', n, both, 3, true, false],
      ] as const) {
        const { beyond, within } = { beyond: bounds.beyond?.slice(0, rows), within: bounds.within?.slice(0, rows) };
        const wanted = { metric, k, excludeSelf: own, labels: filtered ? labels : undefined, beyond, within };
        const cut = ({ data }: Matrix): Matrix => matrix(data.subarray(0, rows * m), m);
        const filter = filtered ? ('different' as const) : undefined;
        const some = { x: x.data.subarray(0, rows * d), n: rows, labels: galleryLabels.subarray(0, rows) };
        const op = { ...base, ...some, k, excludeSelf: own, filter, beyond, within };
        const what = `${name}, ${metric}`;
        const [expected, expectedOfHalves] = [leftOf(cut(all), wanted), leftOf(cut(ofHalves), wanted)];
        const searched = (search: (found: Found) => void): Found => {
          const found = unfilled(rows * k);
          search(found);
          return found;
        };
        for (const threads of [1, 3]) {
          setThreads(threads);
          const rowsOf = (data: Float32Array | Uint16Array) => searched((found) => backend().nearest({ ...op, gallery: data, ...found }));
          expectSame(rowsOf(gallery.data), expected, what);
          expectSame(rowsOf(halves), expectedOfHalves, `bfloat16, ${what}`);
        }
        if (own) continue;
        const kept = (data: Float32Array | Uint16Array): Found => {
          const packed = backend().packGallery({ gallery: data, m, d, metric, labels: galleryLabels });
          const found = searched((to) => packed.search({ ...op, ...to }));
          packed.dispose();
          return found;
        };
        expectSame(kept(gallery.data), expected, `kept, ${what}`);
        expectSame(kept(halves), expectedOfHalves, `kept bfloat16, ${what}`);
      }
    }
  });
});
