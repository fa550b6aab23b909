// Neighbours worked out by hand, on both backends.
import { describe, expect, it } from 'vitest';
import {
  distanceChunks,
  distances,
  Gallery,
  type Matrix,
  matrix,
  nearest,
  type SearchOptions,
  setBackend,
  toBfloat16,
} from '../../lib/index.js';
import { metrics } from '../../lib/ops/distances.js';
import { normalMatrix } from '../helpers/data.js';
import { describeNative, onBothBackends } from '../helpers/native.js';

const points = (...values: number[]): Matrix => matrix(Float32Array.from(values), 1);

onBothBackends('nearest', () => {
  it('finds the best, best first, ties to the lowest index', () => {
    const { indices, distances: found } = nearest(points(0, 10), points(3, -1, 1, 9, -3), { k: 4 });
    expect(indices).toEqual({ data: Int32Array.of(1, 2, 0, 4, 3, 0, 2, 1), shape: [2, 4] });
    expect(found).toEqual({ data: Float32Array.of(1, 1, 9, 9, 1, 49, 81, 121), shape: [2, 4] });
  });

  it('takes the greatest of similarities, and −0 for 0', () => {
    const { indices, distances: found } = nearest(points(1), points(0, -0, 2, -0, 3), { k: 5, metric: 'dot' });
    expect([...indices.data]).toEqual([4, 2, 0, 1, 3]);
    expect([...found.data].map(Math.abs)).toEqual([3, 2, 0, 0, 0]);
  });

  it('leaves the own row out when x searches itself, not its copies', () => {
    const { indices, distances: found } = nearest(points(5, 5, 0, 5), { k: 2, metric: 'euclidean' });
    expect([...indices.data]).toEqual([1, 3, 0, 3, 0, 1, 0, 1]);
    expect([...found.data]).toEqual([0, 0, 0, 0, 5, 5, 0, 0]);
  });

  it('filters by class, and fills up what is missing', () => {
    const [x, gallery] = [points(0, 0), points(1, 2, 3, 4)];
    const labels = { labels: [7, -1], galleryLabels: Int32Array.of(-1, 7, 7, 8) };
    expect([...nearest(x, gallery, { k: 3, filter: 'same', ...labels }).indices.data]).toEqual([1, 2, -1, 0, -1, -1]);
    const other = nearest(x, gallery, { k: 3, filter: 'different', ...labels });
    expect([...other.indices.data]).toEqual([0, 3, -1, 1, 2, 3]);
    expect([...other.distances.data]).toEqual([1, 16, Number.NaN, 4, 9, 16]);
    const self = nearest(points(0, 1, 5, 7), { k: 2, filter: 'same', labels: [0, 0, 0, 1] });
    expect([...self.indices.data]).toEqual([1, 2, 0, 2, 1, 0, -1, -1]);
  });

  it('reads bfloat16 galleries as the numbers they are', () => {
    const gallery = { data: toBfloat16(Float32Array.of(1.00390625, 1.01, 3)), shape: [3, 1] as const };
    const { indices, distances: found } = nearest(points(1), gallery, { k: 3, metric: 'manhattan' });
    expect([...indices.data]).toEqual([0, 1, 2]);
    expect([...found.data]).toEqual([0, 2 ** -7, 2]);
  });

  it('fills the out it was given', () => {
    const out = { indices: { data: new Int32Array(2), shape: [2, 1] as const }, distances: matrix(new Float32Array(2), 1) };
    const found = nearest(points(0, 4), points(1, 3), { out });
    expect(found.indices).toBe(out.indices);
    expect(found.distances).toBe(out.distances);
    expect([...out.indices.data, ...out.distances.data]).toEqual([0, 1, 1, 1]);
  });

  it('of no rows are none', () => {
    const none = nearest(matrix(new Float32Array(0), 3), normalMatrix(4, 3, 1), { k: 2 });
    expect(none.indices).toEqual({ data: new Int32Array(0), shape: [0, 2] });
  });

  it('equal the sorted distances, whatever k', () => {
    const [x, gallery] = [normalMatrix(9, 5, 1), normalMatrix(1500, 5, 2)];
    for (const metric of metrics) {
      const all = distances(x, gallery, { metric }).data;
      const sign = metric === 'dot' || metric === 'cosineSimilarity' ? -1 : 1;
      const found = nearest(x, gallery, { k: 1500, metric });
      for (let i = 0; i < 9; i++) {
        const row = all.slice(i * 1500, (i + 1) * 1500);
        const order = Array.from(row, (_, j) => j).sort((a, b) => sign * ((row[a] as number) - (row[b] as number)) || a - b);
        // The reference compares in float64, where fewer numbers tie.
        expect([...found.distances.data.slice(i * 1500, (i + 1) * 1500)]).toEqual(order.map((j) => row[j]));
      }
    }
  });

  describe('refuses', () => {
    const [x, gallery] = [normalMatrix(4, 3, 1), normalMatrix(6, 3, 2)];
    const labels = [0, 1, 0, 1];
    const galleryLabels = [0, 1, 2, 0, 1, 2];
    it.each([
      ['labels without a filter', { labels }, 'options.labels'],
      ['a filter without labels', { filter: 'same' as const }, 'options.labels'],
      ['a filter without the labels of the gallery', { filter: 'same' as const, labels }, 'options.galleryLabels'],
      ['labels of the gallery alone', { galleryLabels }, 'options.galleryLabels'],
      ['an unknown filter', { filter: 'other' as never, labels, galleryLabels }, 'options.filter'],
      ['k of 0', { k: 0 }, 'options.k'],
      ['k beyond the gallery', { k: 7 }, 'options.k'],
    ])('%s', (_name, options, argument) => {
      expect(() => nearest(x, gallery, options)).toThrow(expect.objectContaining({ code: 'ERR_OPTION_RANGE', argument }));
    });
    it('labels of the wrong length or kind, an out over its input', () => {
      const filter = 'same' as const;
      expect(() => nearest(x, gallery, { filter, labels: [1], galleryLabels })).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
      expect(() => nearest(x, gallery, { filter, labels: [0, 1, 0.5, 1], galleryLabels })).toThrow(
        expect.objectContaining({ code: 'ERR_LABEL_RANGE', argument: 'options.labels[2]' }),
      );
      expect(() => nearest(x, gallery, { filter, labels, galleryLabels: [1n, 2, 3, 4, 5, 6] as never })).toThrow(
        expect.objectContaining({ code: 'ERR_LABEL_RANGE', argument: 'options.galleryLabels[0]' }),
      );
      const memory = new Int32Array(4);
      const out = { indices: { data: memory, shape: [4, 1] as const } };
      expect(() => nearest(x, { filter, labels: memory, out })).toThrow(expect.objectContaining({ code: 'ERR_ALIAS' }));
    });
  });
});

onBothBackends('a gallery', () => {
  const x = normalMatrix(7, 6, 1);
  const rows = normalMatrix(300, 6, 2);
  const labels = Int32Array.from({ length: 300 }, (_, i) => i % 4);

  it('gives the bits of nearest, and keeps its own copy', () => {
    for (const metric of metrics) {
      for (const given of [rows, { data: toBfloat16(rows.data), shape: rows.shape }]) {
        const copy = { ...given, data: given.data.slice() } as Matrix;
        const gallery = new Gallery(copy, { metric, labels });
        copy.data.fill(0);
        expect(gallery).toMatchObject({ size: 300, dim: 6, metric });
        const searches: SearchOptions[] = [{}, { k: 10 }, { k: 300 }, { k: 90, filter: 'same', labels: [0, 1, 2, 3, 4, 5, 0] }];
        for (const options of searches) {
          const more = options.filter ? { galleryLabels: labels } : {};
          expect(gallery.search(x, options)).toEqual(nearest(x, given as Matrix, { metric, ...options, ...more }));
        }
        gallery.dispose();
      }
    }
  });

  it('once disposed throws, and may be disposed again', () => {
    const gallery = new Gallery(rows);
    gallery[Symbol.dispose]();
    gallery.dispose();
    expect(() => gallery.search(x)).toThrow(expect.objectContaining({ code: 'ERR_DETACHED', argument: 'gallery' }));
    expect(gallery.size).toBe(300);
  });

  it('refuses what it cannot do', () => {
    const gallery = new Gallery(rows);
    expect(() => gallery.search(normalMatrix(2, 5, 1))).toThrow(expect.objectContaining({ code: 'ERR_SHAPE', argument: 'x' }));
    expect(() => gallery.search(x, { k: 301 })).toThrow(expect.objectContaining({ code: 'ERR_OPTION_RANGE' }));
    expect(() => gallery.search(x, { metric: 'dot' } as never)).toThrow(expect.objectContaining({ argument: 'options.metric' }));
    const filtered: SearchOptions = { filter: 'same', labels: new Int32Array(7) };
    expect(() => gallery.search(x, filtered)).toThrow(expect.objectContaining({ code: 'ERR_OPTION_RANGE', argument: 'options.filter' }));
    expect(() => new Gallery(matrix(new Float32Array(0), 3))).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    expect(() => new Gallery(rows, { labels: [1] })).toThrow(expect.objectContaining({ code: 'ERR_SHAPE', argument: 'options.labels' }));
  });
});

onBothBackends('distance chunks', () => {
  it('are the rows of distances, one buffer for all', () => {
    const [x, y] = [normalMatrix(10, 4, 1), normalMatrix(6, 4, 2)];
    for (const metric of metrics) {
      for (const other of [undefined, y]) {
        const whole = other ? distances(x, other, { metric }) : distances(x, { metric });
        const m = whole.shape[1];
        for (const workspaceBytes of [1, m * 4 * 3, 2 ** 30]) {
          const options = { metric, workspaceBytes };
          const buffers = new Set<ArrayBufferLike>();
          let next = 0;
          for (const { start, distances: part } of other ? distanceChunks(x, other, options) : distanceChunks(x, options)) {
            expect(start).toBe(next);
            next += part.shape[0];
            expect(part.data).toEqual(whole.data.subarray(start * m, next * m));
            buffers.add(part.data.buffer);
          }
          expect(next).toBe(10);
          expect(buffers.size).toBe(1);
        }
      }
    }
    expect([...distanceChunks(matrix(new Float32Array(0), 4), y)]).toEqual([]);
    expect([...distanceChunks(x, matrix(new Float32Array(0), 4))].map(({ distances: { shape } }) => shape)).toEqual([[10, 0]]);
  });

  it('check at the call, and again at each step', () => {
    const x = normalMatrix(3, 4, 1);
    expect(() => distanceChunks(x, normalMatrix(3, 5, 1))).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    expect(() => distanceChunks(x, { workspaceBytes: 0 })).toThrow(expect.objectContaining({ argument: 'options.workspaceBytes' }));
    const steps = distanceChunks(x, { workspaceBytes: 1 });
    const first = steps.next().value as { distances: Matrix };
    structuredClone(first.distances.data.buffer, { transfer: [first.distances.data.buffer as ArrayBuffer] });
    expect(() => steps.next()).toThrow(expect.objectContaining({ code: 'ERR_DETACHED' }));
  });
});

describeNative('the memory of a gallery', () => {
  const rows = normalMatrix(4000, 500, 1);
  const all = 100 * rows.data.byteLength;

  // What V8 calls external in its statistics is other memory; that it knows of this shows in its collecting in time.
  it.each(['disposed', 'dropped'])('goes when %s', async (way) => {
    setBackend('native');
    const before = process.memoryUsage().rss;
    let most = 0;
    for (let i = 0; i < 100; i++) {
      const gallery = new Gallery(rows);
      if (way === 'disposed') gallery.dispose();
      else await new Promise((resolve) => setImmediate(resolve));
      most = Math.max(most, process.memoryUsage().rss - before);
    }
    expect(most).toBeLessThan(all / 2);
  });
});
