// Fast products through the public functions: who asks for them gets them on the device and nowhere else, within their bound; searches keep every bit; and a
// device that has no tensor cores, or does not load their kernels, says so.
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resetServed, servedBy } from '../../lib/backend.js';
import {
  arcFace,
  ClassifierHead,
  distances,
  Gallery,
  info,
  linearCrossEntropy,
  type Matrix,
  marginSoftmax,
  matmul,
  nearest,
  setBackend,
  setProductPrecision,
  sgd,
} from '../../lib/index.js';
import * as off from '../../lib/promises.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';
import { onDevice } from '../helpers/device.js';
import { bitsText } from '../helpers/tolerance.js';

beforeEach(() => setBackend('cuda'));
afterEach(() => setProductPrecision('reproducible'));
afterAll(() => setBackend('native'));

function fast<T>(run: () => T): T {
  setProductPrecision('fast');
  resetServed();
  const result = run();
  expect(servedBy()).toEqual(['cuda']);
  setProductPrecision('reproducible');
  return result;
}

const share = (depth: number): number => 2 ** -7 + 2 ** -16 + (depth + 8) * 2 ** -22;
const differ = (a: Float32Array, b: Float32Array): boolean => bitsText(a) !== bitsText(b);
const row = ({ data, shape: [, d] }: Matrix, i: number): Float32Array => data.subarray(i * d, i * d + d);
const squares = (values: Float32Array): number => values.reduce((sum, value) => sum + value * value, 0);

// A driver that is named may be a device without tensor cores for bfloat16.
const describeFast = describe.skipIf(!deviceHasFast());
function deviceHasFast(): boolean {
  setBackend('cuda');
  const { fast: has, name } = info().cuda;
  if (has !== true) console.warn(`not run: ${name} has no tensor cores for bfloat16`);
  return has === true;
}

describeFast('the precision', () => {
  it('is told by info, on the device alone', () => {
    expect(info()).toMatchObject({ productPrecision: 'reproducible', reproducible: true, cuda: { fast: true } });
    setProductPrecision('fast');
    expect(info()).toMatchObject({ productPrecision: 'fast', reproducible: false });
    for (const backend of ['native', 'ts'] as const) {
      setBackend(backend);
      const [x, y] = [normalMatrix(5, 7, 1), normalMatrix(6, 7, 2)];
      expect(info()).toMatchObject({ productPrecision: 'reproducible', reproducible: true });
      const allowed = distances(x, y);
      setProductPrecision('reproducible');
      expect(differ(allowed.data, distances(x, y).data)).toBe(false);
      setProductPrecision('fast');
    }
    expect(() => setProductPrecision('bfloat16' as never)).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION_RANGE', argument: 'precision' }),
    );
  });
  it('is what HYPERSPHERE_PRODUCT_PRECISION says, and each thread has its own', async () => {
    const told = await onDevice(
      `import { once } from 'node:events';
      import { Worker } from 'node:worker_threads';
      process.env.HYPERSPHERE_PRODUCT_PRECISION = 'fast';
      const first = hs.info().productPrecision;
      process.env.HYPERSPHERE_PRODUCT_PRECISION = 'wrong';
      const worker = new Worker("const hs = require('hypersphere'); let code; try { hs.info() } catch (error) { code = error.argument } require('worker_threads').parentPort.postMessage(code)", { eval: true, execArgv: [] });
      const [refused] = await once(worker, 'message');
      hs.setProductPrecision('reproducible');
      tell([first, refused, hs.info().productPrecision]);`,
    );
    expect(told).toEqual(['fast', 'HYPERSPHERE_PRODUCT_PRECISION', 'reproducible']);
  });
});

describeFast('fast products', () => {
  const [x, y] = [normalMatrix(19, 40, 3), normalMatrix(131, 40, 4)];
  it('of matmul are within their bound, and not the reproducible ones', () => {
    const [found, exact] = [fast(() => matmul(x, y, { transposeB: true })), matmul(x, y, { transposeB: true })];
    expect(differ(found.data, exact.data)).toBe(true);
    for (let i = 0; i < 19; i++) {
      for (let j = 0; j < 131; j++) {
        const magnitude = row(x, i).reduce((sum, value, k) => sum + Math.abs(value * y.data[j * 40 + k]!), 0);
        // The reproducible product has an error of its own: 40·2⁻²⁴ of the same.
        expect(Math.abs(found.data[i * 131 + j]! - exact.data[i * 131 + j]!)).toBeLessThanOrEqual((share(40) + 40 * 2 ** -24) * magnitude);
      }
    }
  });
  it('of distances too', () => {
    for (const [metric, scale] of [
      ['squaredEuclidean', (i: number, j: number) => squares(row(x, i)) + squares(row(y, j))],
      ['cosineSimilarity', () => 1],
      ['cosineDistance', () => 1],
    ] as const) {
      const [found, exact] = [fast(() => distances(x, y, { metric })), distances(x, y, { metric })];
      expect(differ(found.data, exact.data), metric).toBe(true);
      found.data.forEach((value, at) => {
        const limit = (share(40) + 2 * (10 * 40 + 160) * 2 ** -24) * scale(Math.floor(at / 131), at % 131);
        expect(Math.abs(value - exact.data[at]!), metric).toBeLessThanOrEqual(limit);
      });
    }
    expect(differ(fast(() => distances(x, y, { metric: 'snr' })).data, distances(x, y, { metric: 'snr' }).data)).toBe(false);
  });
  it('read nothing beyond their operands', () => {
    // [64, 256] fills a block of the device's memory to its end, which sanitizers watch.
    const [a, b] = [normalMatrix(64, 256, 5), normalMatrix(256, 64, 6)];
    for (const options of [{ transposeB: true }, { transposeA: true }]) {
      const operands = options.transposeA ? ([b, b] as const) : ([a, a] as const);
      const [found, exact] = [fast(() => matmul(...operands, options)), matmul(...operands, options)];
      expect(differ(found.data, exact.data)).toBe(true);
      expect(found.data.every(Number.isFinite)).toBe(true);
    }
  });
  it('off the event loop have the same bits', async () => {
    const [found, other] = [fast(() => distances(x, y)), fast(() => matmul(x, y, { transposeB: true }))];
    const started = fast(() => Promise.all([off.distances(x, y), off.matmul(x, y, { transposeB: true })]));
    const [later, product] = await started;
    expect([bitsText(later.data), bitsText(product.data)]).toEqual([bitsText(found.data), bitsText(other.data)]);
  });
});

describeFast('fast searches', () => {
  it('have the neighbours and distances of the CPU, to the bit', async () => {
    // The gallery is more than a block, which has 8192 rows: what comes after the first block is sifted.
    const [x, rows, few] = [normalMatrix(33, 2, 1), normalMatrix(8192 + 40, 2, 2), normalMatrix(150, 2, 3)];
    const found = fast(() => nearest(x, few, { k: 5 }));
    const kept = fast(() => new Gallery(rows));
    setBackend('native');
    expect(found).toEqual(nearest(x, few, { k: 5 }));
    expect(await off.search(kept, x, { k: 5 })).toEqual(nearest(x, rows, { k: 5 }));
  });
  it('filter past the first block, at once and in a gallery', () => {
    const [x, rows] = [normalMatrix(33, 2, 1), normalMatrix(8192 + 40, 2, 2)];
    // One class lies past the first block alone, one has fewer rows before it than are wanted.
    const galleryLabels = Int32Array.from({ length: 8232 }, (_, j) => (j % 4000 === 5 ? 5 : j >= 8192 && j % 4 === 0 ? 6 : j % 3));
    const labels = Int32Array.from({ length: 33 }, (_, i) => (i % 6 > 2 ? 2 + (i % 6) : i % 3));
    const found = fast(() => nearest(x, rows, { k: 5, filter: 'same', labels, galleryLabels }));
    const kept = fast(() => new Gallery(rows, { labels: galleryLabels }));
    setBackend('native');
    const expected = nearest(x, rows, { k: 5, filter: 'same', labels, galleryLabels });
    expect(found).toEqual(expected);
    // Of both sides of the block's end, and of fewer than are wanted.
    for (const some of [(j: number) => j >= 8192, (j: number) => j === -1]) expect(expected.indices.data.some(some)).toBe(true);
    const other = { k: 5, filter: 'different', labels } as const;
    expect(kept.search(x, other)).toEqual(nearest(x, rows, { ...other, galleryLabels }));
  });
});

describeFast('fast heads', () => {
  const [n, dim, classes] = [20, 40, 150];
  const [x, weights, labels] = [normalMatrix(n, dim, 1), normalMatrix(classes, dim, 2), cyclicLabels(n, classes)];
  const dot = (a: Float32Array, b: Float32Array, of: (value: number) => number): number =>
    a.reduce((sum, value, k) => sum + of(value * b[k]!), 0);
  /** By how much a logit of each row may be off: the greatest of its products' bounds. */
  const errors = Array.from({ length: n }, (_, i) =>
    Math.max(...Array.from({ length: classes }, (_, j) => share(dim) * dot(row(x, i), row(weights, j), Math.abs))),
  );

  it('lose no more of a loss than their logits have lost', () => {
    for (const run of [
      () => linearCrossEntropy(x, weights, labels),
      // Its logits are cosines, times 8.
      () => marginSoftmax(x, weights, labels, { margin: arcFace({ s: 8, m: 0.3 }) }),
    ]) {
      const [found, exact] = [fast(run), run()];
      expect(found.loss).not.toBe(exact.loss);
      const most = Math.max(...errors, 8 * share(dim));
      expect(Math.abs(found.loss - exact.loss)).toBeLessThanOrEqual(most);
    }
  });

  it('have gradients within what logits and products may be off', () => {
    const [found, exact] = [fast(() => linearCrossEntropy(x, weights, labels)), linearCrossEntropy(x, weights, labels)];
    const boundX = new Float64Array(n * dim);
    const boundW = new Float64Array(classes * dim);
    for (let i = 0; i < n; i++) {
      const scores = Array.from({ length: classes }, (_, j) => Math.exp(dot(row(x, i), row(weights, j), (value) => value)));
      const total = scores.reduce((sum, score) => sum + score, 0);
      for (let j = 0; j < classes; j++) {
        const likelihood = scores[j]! / total;
        // p·e^±2ε where no logit is off by more than ε; the product of the backward pass then loses its share of what it multiplies.
        const moved = (Math.exp(2 * errors[i]!) - 1) * likelihood;
        const gradient = Math.abs(likelihood - (labels[i] === j ? 1 : 0));
        for (let k = 0; k < dim; k++) {
          boundX[i * dim + k]! += ((moved + share(classes) * (gradient + moved)) * Math.abs(weights.data[j * dim + k]!)) / n;
          boundW[j * dim + k]! += ((moved + share(n) * (gradient + moved)) * Math.abs(x.data[i * dim + k]!)) / n;
        }
      }
    }
    for (const [values, others, bounds] of [
      [found.gradEmbeddings!.data, exact.gradEmbeddings!.data, boundX],
      [found.gradWeights!.data, exact.gradWeights!.data, boundW],
    ] as const) {
      expect(differ(values, others)).toBe(true);
      values.forEach((value, at) => {
        expect(Math.abs(value - others[at]!)).toBeLessThanOrEqual(bounds[at]!);
      });
    }
  });

  it('that keep their weights on the device follow the precision of each step, too', () => {
    const options = { classes: 30, dim, seed: 5, margin: arcFace({ s: 16, m: 0.2 }), optimizer: sgd({ learningRate: 0.05 }) };
    const steps = (head: ClassifierHead, first: <T>(run: () => T) => T, second: <T>(run: () => T) => T): Float32Array => {
      for (const run of [first, second]) run(() => head.step(x, cyclicLabels(n, 30)));
      const scores = first(() => head.logits(x));
      return Float32Array.of(...(head.weights.data as Float32Array), ...scores.data);
    };
    const plain = <T>(run: () => T): T => run();
    const kept = (first: typeof plain, second: typeof plain) => steps(new ClassifierHead({ ...options, device: 'cuda' }), first, second);
    expect(differ(kept(fast, plain), steps(new ClassifierHead(options), fast, plain))).toBe(false);
    expect(differ(kept(fast, plain), kept(plain, plain))).toBe(true);
    expect(differ(kept(fast, plain), kept(plain, fast))).toBe(true);
  });

  it('train', () => {
    const optimizer = sgd({ learningRate: 0.05 });
    const losses = fast(() => {
      const head = new ClassifierHead({ classes: 30, dim, seed: 5, margin: arcFace({ s: 16, m: 0.2 }), optimizer });
      return Array.from({ length: 4 }, () => head.step(x, cyclicLabels(n, 30)).loss);
    });
    for (let step = 1; step < 4; step++) expect(losses[step]!).toBeLessThan(losses[step - 1]!);
  });
});

describe('a device without', () => {
  it('tensor cores for bfloat16 goes on reproducibly, and says so', async () => {
    const told = await onDevice(
      `const x = rows(20, 40);
      hs.setProductPrecision('fast');
      const { productPrecision, reproducible, cuda } = hs.info();
      tell({ productPrecision, reproducible, fast: cuda.fast, right: same(hs.distances(x), on('native', () => hs.distances(x))) });`,
      { CAPABILITY: 75 },
    );
    expect(told).toEqual({ productPrecision: 'reproducible', reproducible: true, fast: false, right: true });
  });
  it('a compiler for them is an error with the reason, and reproducible products go on', async () => {
    const told = await onDevice(
      `const x = rows(20, 40);
      const before = hs.distances(x);
      hs.setProductPrecision('fast');
      const failures = [attempt(() => hs.distances(x)), attempt(() => hs.matmul(x, x, { transposeB: true }))];
      hs.setProductPrecision('reproducible');
      tell({ failures, right: same(hs.distances(x), before), available: hs.info().cuda.available });`,
      { REFUSE: 80 },
    );
    for (const failure of told.failures) {
      expect(failure).toMatchObject({
        code: 'ERR_NO_DEVICE',
        argument: 'device',
        received: 'the fast kernels do not load: cuModuleLoadData: CUDA_ERROR_NO_BINARY_FOR_GPU',
      });
    }
    expect(told).toMatchObject({ right: true, available: true });
  });
});
