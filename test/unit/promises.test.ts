import { expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { alloc, Gallery, type Matrix } from '../../lib/index.js';
import {
  centerLoss,
  distances,
  distancesGradient,
  linearCrossEntropy,
  marginSoftmax,
  matmul,
  nearest,
  normalize,
  normalizeGradient,
  search,
  softmaxCrossEntropy,
} from '../../lib/promises.js';
import { normalMatrix } from '../helpers/data.js';
import { describeNative, onBothBackends } from '../helpers/native.js';

const x = normalMatrix(20, 7, 1);
const y = normalMatrix(30, 7, 2);
const gradOutput = normalMatrix(20, 30, 3);
const shared = ({ data, shape }: Matrix): Matrix => {
  const copy = alloc(...shape);
  copy.data.set(data);
  return copy;
};

onBothBackends('promises', () => {
  it('give the bits of the synchronous functions', async () => {
    expect(await matmul(x, y, { transposeB: true })).toEqual(hs.matmul(x, y, { transposeB: true }));
    expect(await distances(x, y, { metric: 'manhattan' })).toEqual(hs.distances(x, y, { metric: 'manhattan' }));
    expect(await distances(x, { metric: 'cosineDistance' })).toEqual(hs.distances(x, { metric: 'cosineDistance' }));
    expect(await distancesGradient(x, y, gradOutput)).toEqual(hs.distancesGradient(x, y, gradOutput));
    expect(await nearest(x, { k: 3 })).toEqual(hs.nearest(x, { k: 3 }));
    const labels = Int32Array.from({ length: 30 }, (_, i) => i % 3);
    const options = { k: 5, filter: 'different', labels: labels.subarray(0, 20), galleryLabels: labels } as const;
    const half = { data: hs.toBfloat16(y.data), shape: y.shape };
    expect(await nearest(x, half, options)).toEqual(hs.nearest(x, half, options));
    const square = normalMatrix(20, 20, 4);
    expect(await distancesGradient(x, square, { metric: 'dot' })).toEqual(hs.distancesGradient(x, square, { metric: 'dot' }));
  });

  it('give the losses and gradients of the synchronous functions', async () => {
    const labels = Int32Array.from({ length: 20 }, (_, i) => (i * i) % 30);
    for (const options of [{}, { gradCenters: true }, { gradients: false }, { reduction: 'mean' }] as const) {
      expect(await centerLoss(x, labels, y, options)).toEqual(hs.centerLoss(x, labels, y, options));
    }
    const out = { gradEmbeddings: alloc(20, 7), gradCenters: { data: new Float32Array(210), shape: [30, 7] as const } };
    const expected = hs.centerLoss(x, labels, y, { gradCenters: true });
    const changing = Int32Array.from(labels);
    const promise = centerLoss(x, changing, y, { gradCenters: true, out });
    changing.fill(-1);
    const got = await promise;
    expect(got.loss).toBe(expected.loss);
    expect([...out.gradEmbeddings.data]).toEqual([...(expected.gradEmbeddings?.data ?? [])]);
    expect(out.gradCenters.data).toEqual(expected.gradCenters?.data);
    expect(got.gradCenters?.data).toBe(out.gradCenters.data);
    expect(await normalize(x)).toEqual(hs.normalize(x));
    const gradient = normalMatrix(20, 7, 5);
    expect(await normalizeGradient(x, gradient)).toEqual(hs.normalizeGradient(x, gradient));
    const plain = alloc(20, 7);
    expect(await normalize(x, { out: plain })).toBe(plain);
    const reason = new Error('enough');
    await expect(centerLoss(x, labels, y, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const growable = { data: new Float32Array(new SharedArrayBuffer(840, { maxByteLength: 1680 })), shape: [30, 7] as const };
    await expect(centerLoss(x, labels, growable)).rejects.toMatchObject({ code: 'ERR_TYPE', argument: 'centers' });
  });

  it('give the softmax losses of the synchronous functions', async () => {
    const labels = Int32Array.from({ length: 20 }, (_, i) => (i * i) % 30);
    const [classWeights, bias] = [Float32Array.from({ length: 30 }, (_, i) => i % 4), Float32Array.from({ length: 30 }, (_, i) => i / 30)];
    const logits = hs.matmul(x, y, { transposeB: true });
    for (const options of [{}, { classWeights }, { gradients: false }, { reduction: 'none', labelSmoothing: 0.1 }] as const) {
      expect(await softmaxCrossEntropy(logits, labels, options)).toEqual(hs.softmaxCrossEntropy(logits, labels, options));
      expect(await linearCrossEntropy(x, y, labels, { ...options, bias })).toEqual(
        hs.linearCrossEntropy(x, y, labels, { ...options, bias }),
      );
      const withMargin = { ...options, margin: hs.magFace(), logits: true };
      expect(await marginSoftmax(x, y, labels, withMargin)).toEqual(hs.marginSoftmax(x, y, labels, withMargin));
    }
    const out = { gradEmbeddings: alloc(20, 7), gradWeights: { data: new Float32Array(210), shape: [30, 7] as const } };
    const expected = hs.marginSoftmax(x, y, labels, { margin: hs.arcFace() });
    const changing = Int32Array.from(labels);
    const promise = marginSoftmax(x, y, changing, { margin: hs.arcFace(), out });
    changing.fill(-1);
    expect((await promise).gradWeights.data).toBe(out.gradWeights.data);
    expect(out.gradWeights.data).toEqual(expected.gradWeights.data);
    expect([...out.gradEmbeddings.data]).toEqual([...expected.gradEmbeddings.data]);
    const reason = new Error('enough');
    await expect(linearCrossEntropy(x, y, labels, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it('copy ordinary labels at the call', async () => {
    const labels = Int32Array.from({ length: 20 }, (_, i) => i % 2);
    const expected = hs.nearest(x, { filter: 'same', labels });
    const promise = nearest(x, { filter: 'same', labels });
    labels.fill(0, 0, 10);
    expect(await promise).toEqual(expected);
  });

  it('copy ordinary inputs at the call', async () => {
    const [a, b] = [normalMatrix(20, 7, 1), normalMatrix(30, 7, 2)];
    const expected = hs.distances(a, b);
    const promise = distances(a, b);
    a.data.fill(9);
    structuredClone(b.data.buffer, { transfer: [b.data.buffer as ArrayBuffer] });
    expect(await promise).toEqual(expected);
  });

  it('use shared memory in place, and return the out they were given', async () => {
    const out = alloc(20, 30);
    expect(await distances(shared(x), shared(y), { out })).toBe(out);
    expect(out.data).toEqual(new Float32Array(hs.distances(x, y).data));
    const indices = { data: new Int32Array(new SharedArrayBuffer(160)), shape: [20, 2] as const };
    const found = await nearest(shared(x), shared(y), { k: 2, out: { indices } });
    expect(found.indices).toBe(indices);
    expect([...indices.data]).toEqual([...hs.nearest(x, y, { k: 2 }).indices.data]);
    const plain = { data: new Float32Array(600), shape: [20, 30] as const };
    expect(await distances(x, y, { out: plain })).toBe(plain);
    expect(plain.data).toEqual(hs.distances(x, y).data);
  });

  it('search a gallery, which may be disposed meanwhile', async () => {
    const labels = Int32Array.from({ length: 30 }, (_, i) => i % 3);
    const half = { data: hs.toBfloat16(y.data), shape: y.shape };
    for (const rows of [y, half]) {
      const gallery = new Gallery(rows, { labels, metric: 'euclidean' });
      const options = { k: 5, filter: 'same', labels: labels.slice(0, 20) } as const;
      const expected = gallery.search(x, options);
      expect(await search(gallery, x, options)).toEqual(expected);
      const indices = { data: new Int32Array(new SharedArrayBuffer(400)), shape: [20, 5] as const };
      const found = await search(gallery, shared(x), { ...options, out: { indices } });
      expect(found.indices).toBe(indices);
      expect([...indices.data]).toEqual([...expected.indices.data]);
      const input = { ...x, data: x.data.slice() };
      const promise = search(gallery, input, options);
      input.data.fill(9);
      options.labels.fill(7);
      gallery.dispose();
      expect(await promise).toEqual(expected);
      await expect(search(gallery, x)).rejects.toMatchObject({ code: 'ERR_DETACHED', argument: 'gallery' });
    }
    const gallery = new Gallery(y);
    const reason = new Error('enough');
    await expect(search(gallery, x, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await expect(search(gallery, y, { k: 31 })).rejects.toMatchObject({ code: 'ERR_OPTION_RANGE', argument: 'options.k' });
    await expect(search({} as never, x)).rejects.toMatchObject({ code: 'ERR_TYPE', argument: 'gallery' });
    await expect(search(undefined as never, x)).rejects.toMatchObject({ code: 'ERR_TYPE', argument: 'gallery' });
    const out = { indices: { data: new Int32Array(20), shape: [20, 1] as const } };
    const searching = search(gallery, x, { out });
    structuredClone(out.indices.data.buffer, { transfer: [out.indices.data.buffer] });
    await expect(searching).rejects.toMatchObject({ code: 'ERR_DETACHED', argument: 'options.out.indices.data' });
  });

  it('refuse growable shared memory', async () => {
    const growable = { data: new Float32Array(new SharedArrayBuffer(560, { maxByteLength: 1120 })), shape: [20, 7] as const };
    await expect(distances(growable, y)).rejects.toMatchObject({ code: 'ERR_TYPE', argument: 'x' });
    await expect(distances(x, growable)).rejects.toMatchObject({ code: 'ERR_TYPE', argument: 'y' });
    const out = { data: new Float32Array(new SharedArrayBuffer(2400, { maxByteLength: 4800 })), shape: [20, 30] as const };
    await expect(distances(x, y, { out })).rejects.toMatchObject({ code: 'ERR_TYPE', argument: 'options.out' });
  });

  it('reject when out went away meanwhile', async () => {
    const out = { data: new Float32Array(600), shape: [20, 30] as const };
    const promise = distances(x, y, { out });
    structuredClone(out.data.buffer, { transfer: [out.data.buffer] });
    await expect(promise).rejects.toMatchObject({ code: 'ERR_DETACHED', argument: 'options.out.data' });
    const indices = { data: new Int32Array(20), shape: [20, 1] as const };
    const searching = nearest(x, y, { out: { indices } });
    structuredClone(indices.data.buffer, { transfer: [indices.data.buffer] });
    await expect(searching).rejects.toMatchObject({ code: 'ERR_DETACHED', argument: 'options.out.indices.data' });
    const buffer = new ArrayBuffer(2400, { maxByteLength: 2400 });
    const shrinking = distances(x, y, { out: { data: new Float32Array(buffer), shape: [20, 30] } });
    buffer.resize(4);
    await expect(shrinking).rejects.toMatchObject({ code: 'ERR_SHAPE', argument: 'options.out' });
  });

  it('reject with what the synchronous functions throw', async () => {
    await expect(matmul(x, y)).rejects.toMatchObject({ code: 'ERR_SHAPE', argument: 'b' });
    await expect(distances(x, y, { metric: 'cosine' as never })).rejects.toMatchObject({ code: 'ERR_OPTION_RANGE' });
    await expect(distances(x, y, { metrc: 'dot' } as never)).rejects.toMatchObject({ argument: 'options.metrc' });
    await expect(distances(x, y, null as never)).rejects.toMatchObject({ code: 'ERR_TYPE', argument: 'options' });
    await expect(distances(x, { signal: 1 as never })).rejects.toMatchObject({ code: 'ERR_TYPE', argument: 'options.signal' });
  });

  it('reject with the reason of the signal, before they start and while they wait', async () => {
    const reason = new Error('enough');
    await expect(matmul(x, y, { transposeB: true, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const promise = distances(x, y, { signal: controller.signal });
    controller.abort(reason);
    await expect(promise).rejects.toBe(reason);
    // A bad argument is reported before an abort.
    await expect(matmul(x, y, { signal: AbortSignal.abort(reason) })).rejects.toMatchObject({ code: 'ERR_SHAPE' });
  });
});

describeNative('promises off the loop', () => {
  // Slow enough on any level for a timer to fire in between: over 2·10¹⁰ operations.
  const big = alloc(2200, 2200);
  big.data.fill(0.5);
  const start = (signal?: AbortSignal) => matmul(big, big, signal ? { signal } : {});

  it('let timers run', async () => {
    hs.setBackend('native');
    let ticks = 0;
    const timer = setInterval(() => ticks++, 10);
    const begun = performance.now();
    await start();
    clearInterval(timer);
    const turns = (performance.now() - begun) / 10;
    expect(turns).toBeGreaterThan(2);
    expect(ticks).toBeGreaterThan(1);
  });

  it('stop a running op between blocks, and take a waiting one out of the queue', async () => {
    const begun = performance.now();
    await start();
    const whole = performance.now() - begun;

    const running = new AbortController();
    const aborted = performance.now();
    const promise = start(running.signal);
    setTimeout(() => running.abort('stop'), whole / 10);
    await expect(promise).rejects.toBe('stop');
    expect(performance.now() - aborted).toBeLessThan(0.7 * whole);

    // libuv runs four at a time: the tenth waits.
    const others = Array.from({ length: 9 }, () => new AbortController());
    const busy = others.map(({ signal }) => start(signal));
    const waiting = new AbortController();
    const queued = start(waiting.signal);
    let settled = 0;
    for (const other of busy)
      other.then(
        () => settled++,
        () => {},
      );
    waiting.abort('never mind');
    await expect(queued).rejects.toBe('never mind');
    expect(settled).toBe(0);
    for (const other of others) other.abort('stop');
    expect((await Promise.allSettled(busy)).every(({ status }) => status === 'rejected')).toBe(true);
  });

  it('stop a running search; a gallery that was disposed meanwhile goes with it', async () => {
    const rows = alloc(20_000, 400);
    rows.data.fill(0.5);
    const gallery = new Gallery(rows, { metric: 'dot' });
    const queries = { data: rows.data.subarray(0, 2000 * 400), shape: [2000, 400] as const };
    const begun = performance.now();
    await search(gallery, queries);
    const whole = performance.now() - begun;
    const controller = new AbortController();
    const promise = search(gallery, queries, { signal: controller.signal });
    gallery.dispose();
    setTimeout(() => controller.abort('stop'), whole / 10);
    await expect(promise).rejects.toBe('stop');
  });

  it('serve many at once', async () => {
    const expected = hs.distances(x, y).data;
    const results = await Promise.all(Array.from({ length: 64 }, () => distances(x, y)));
    for (const { data } of results) expect(data).toEqual(expected);
  });
});
