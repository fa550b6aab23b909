import fc from 'fast-check';
import { expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { ClassifierHead, type Margin } from '../../lib/index.js';
import { normalMatrix } from '../helpers/data.js';
import { onBothBackends } from '../helpers/native.js';

const margins: readonly Margin[] = [
  hs.softmaxMargin(),
  hs.lSoftmax({ m: 3 }),
  hs.cosFace({ s: 8 }),
  hs.arcFace({ s: 8 }),
  hs.curricularFace({ s: 8 }),
  hs.subCenters(2, hs.cosFace({ s: 8 })),
  hs.sphereFace2(),
];

// One seed for all runs: a failure is then the same tomorrow.
fc.configureGlobal({ seed: 20180409, numRuns: 40 });

const heads = fc.record({
  classes: fc.integer({ min: 1, max: 20 }),
  dim: fc.integer({ min: 1, max: 9 }),
  margin: fc.constantFrom(...margins),
  seed: fc.integer({ min: 0, max: 1000 }),
  precision: fc.constantFrom('float32' as const, 'bfloat16' as const),
  sampleRate: fc.constantFrom(1, 0.7, 0.2, 0.01),
  optimizer: fc.constantFrom(hs.sgd({ learningRate: 0.05 }), hs.sgd({ momentum: 0, weightDecay: 0.1 }), hs.adaGrad({ learningRate: 0.01 })),
});
const rows = 6;
const labelsOf = (classes: number, seed: number): Int32Array => {
  const random = hs.createRandom(seed);
  return Int32Array.from({ length: rows }, () => (random.next() < 0.1 ? -100 : random.integer(classes)));
};

onBothBackends('heads of any kind', () => {
  it('are reproducible, stay finite, and touch the classes they say', () => {
    fc.assert(
      fc.property(heads, (options) => {
        const [head, twin] = [new ClassifierHead(options), new ClassifierHead(options)];
        const { classes, dim, seed, sampleRate } = options;
        const [x, labels] = [normalMatrix(rows, dim, seed + 1), labelsOf(classes, seed)];
        const centers = head.weights.shape[0] / classes;
        for (let step = 0; step < 3; step++) {
          const before = head.weights.data.slice();
          const result = head.step(x, labels);
          expect(twin.step(x, labels)).toEqual(result);
          expect(Number.isFinite(result.loss)).toBe(true);
          expect(result.gradEmbeddings.data.every(Number.isFinite)).toBe(true);
          const positives = new Set(labels.filter((label) => label >= 0)).size;
          expect(result.sampledClasses).toBe(Math.max(positives, 1, Math.round(sampleRate * classes)));
          const size = centers * dim;
          const moved = Array.from({ length: classes }, (_, c) => c).filter((c) =>
            head.weights.data.subarray(c * size, (c + 1) * size).some((w, i) => w !== before[c * size + i]),
          );
          expect(moved.length).toBeLessThanOrEqual(result.sampledClasses);
        }
        expect(twin.weights.data).toEqual(head.weights.data);
        expect(hs.fromBfloat16(hs.toBfloat16(Float32Array.from(head.weights.data))).every(Number.isFinite)).toBe(true);
      }),
    );
  });

  it('do not care in which order a batch comes, nor how often it is asked', () => {
    fc.assert(
      fc.property(heads, fc.integer({ min: 1, max: 1000 }), (options, shuffle) => {
        const whole = { ...options, precision: 'float32', sampleRate: 1 } as const;
        const [head, twin] = [new ClassifierHead(whole), new ClassifierHead(whole)];
        const [x, labels] = [normalMatrix(rows, options.dim, options.seed + 1), labelsOf(options.classes, options.seed)];
        const order = hs.createRandom(shuffle).shuffle(Int32Array.from({ length: rows }, (_, i) => i));
        twin.forwardBackward(x, labels);
        twin.predict(x);
        const a = head.step(x, labels);
        const b = twin.step(
          hs.takeRows(x, order),
          order.map((i) => labels[i] as number),
        );
        // float32 sums over the batch in another order; losses here are below 64.
        expect(Math.abs(a.loss - b.loss)).toBeLessThan(256 * 2 ** -24 * Math.max(1, Math.abs(a.loss)));
        order.forEach((from, to) => {
          expect(Math.abs((b.perExample[to] as number) - (a.perExample[from] as number))).toBeLessThan(
            256 * 2 ** -24 * Math.max(1, Math.abs(a.perExample[from] as number)),
          );
        });
      }),
    );
  });
});

it('predictions are the greatest logits', () => {
  fc.assert(
    fc.property(heads, (options) => {
      const head = new ClassifierHead(options);
      const x = normalMatrix(rows, options.dim, options.seed + 2);
      const logits = head.logits(x).data;
      const { scores } = head.predict(x);
      for (let i = 0; i < rows; i++) {
        const best = Math.max(...logits.subarray(i * options.classes, (i + 1) * options.classes));
        expect(Math.abs((scores.data[i] as number) - best)).toBeLessThan(64 * 2 ** -24 * Math.max(1, Math.abs(best)));
      }
    }),
  );
});
