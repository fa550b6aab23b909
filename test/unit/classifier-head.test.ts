import { describe, expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { ClassifierHead, type ClassifierHeadOptions, type Margin, type Matrix } from '../../lib/index.js';
import { normalMatrix } from '../helpers/data.js';
import { onBothBackends } from '../helpers/native.js';

const [classes, dim] = [13, 5];
const x = normalMatrix(6, dim, 1);
const labels = Int32Array.of(0, 12, 3, 3, -100, 7);
const base = { classes, dim, margin: hs.cosFace({ s: 8, m: 0.2 }), seed: 3 } as const;
const make = (options: Partial<ClassifierHeadOptions> = {}): ClassifierHead => new ClassifierHead({ ...base, ...options });
const floats = (head: ClassifierHead): Float32Array => head.weights.data as Float32Array;
const wide = (head: ClassifierHead): Float32Array =>
  head.weights.data instanceof Uint16Array ? hs.fromBfloat16(head.weights.data) : head.weights.data;

describe('initial weights', () => {
  it('are N(0, 0.01²) where the margin normalises, and uniform to ±√(3/D) where it does not', () => {
    const of = (margin: Margin): Float64Array => Float64Array.from(floats(new ClassifierHead({ classes: 4000, dim: 25, margin })));
    const moment = (values: Float64Array, power: number): number => values.reduce((sum, v) => sum + v ** power, 0) / values.length;
    const normal = of(hs.arcFace());
    // 10⁵ draws: a mean within 6σ/√n, a variance within 6σ²√(2/n), a kurtosis of 3 within 6√(24/n).
    expect(Math.abs(moment(normal, 1))).toBeLessThan(0.06 / Math.sqrt(1e5));
    expect(Math.abs(moment(normal, 2) / 1e-4 - 1)).toBeLessThan(6 * Math.sqrt(2e-5));
    expect(Math.abs(moment(normal, 4) / moment(normal, 2) ** 2 - 3)).toBeLessThan(6 * Math.sqrt(24e-5));
    for (const margin of [hs.lSoftmax(), hs.aSoftmax()]) {
      const uniform = of(margin);
      const bound = Math.sqrt(3 / 25);
      expect(uniform.every((v) => Math.abs(v) <= Math.fround(bound))).toBe(true);
      expect(Math.abs(moment(uniform, 2) / (bound ** 2 / 3) - 1)).toBeLessThan(0.02);
    }
  });

  it('belong to the seed and the class: growth adds the rows that a larger head has', () => {
    const small = make({ classes: 5, dim: 3, margin: hs.subCenters(2, hs.arcFace()) });
    const large = make({ classes: 9, dim: 3, margin: hs.subCenters(2, hs.arcFace()) });
    expect(floats(small)).toEqual(floats(large).subarray(0, 30));
    small.grow(9);
    expect(floats(small)).toEqual(floats(large));
    expect(floats(make({ seed: 4 }))).not.toEqual(floats(make()));
    expect(new Set(floats(make())).size).toBe(classes * dim);
  });

  it('in bfloat16 are those of float32, rounded', () => {
    // More rows than one block of conversion.
    const options = { classes: 150, precision: 'bfloat16' } as const;
    expect(make(options).weights.data).toEqual(hs.toBfloat16(floats(make({ classes: 150 }))));
  });
});

/** PyTorch's rules in float64, as the optimizers' docstrings have them. */
function moved(
  w: Float32Array,
  gradient: Float32Array,
  state: Float64Array,
  optimizer: hs.Optimizer,
  learningRate = optimizer.learningRate,
) {
  return Float64Array.from(w, (value, i) => {
    const g = (gradient[i] as number) + optimizer.weightDecay * value;
    if (optimizer.kind === 'sgd') {
      state[i] = optimizer.momentum * (state[i] as number) + g;
      return value - learningRate * (state[i] as number);
    }
    state[i] = (state[i] as number) + g * g;
    return value - (learningRate * g) / (Math.sqrt(state[i] as number) + optimizer.eps);
  });
}

/** Within a few roundings of float32 of the size of what was added up. */
function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, scale: number): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < actual.length; i++) {
    expect(Math.abs((actual[i] as number) - (expected[i] as number)), `[${i}]`).toBeLessThan(64 * 2 ** -24 * scale);
  }
}

onBothBackends('a head', () => {
  const optimizers = [
    hs.sgd({ learningRate: 0.3, momentum: 0.9, weightDecay: 0.01 }),
    hs.sgd({ learningRate: 0.3, momentum: 0, weightDecay: 0.1 }),
    hs.adaGrad({ learningRate: 0.02, weightDecay: 0.01, eps: 1e-6 }),
  ];

  it('has the loss and gradients of marginSoftmax, and moves nothing for them', () => {
    const head = make();
    const before = floats(head).slice();
    const out = { gradEmbeddings: hs.alloc(6, dim), gradWeights: hs.alloc(classes, dim) };
    const result = head.forwardBackward(x, labels, { out });
    const expected = hs.marginSoftmax(x, head.weights as Matrix, labels, { margin: base.margin });
    expect(result).toMatchObject({ loss: expected.loss, perExample: expected.perExample });
    expect(result.gradEmbeddings.data).toEqual(expected.gradEmbeddings.data);
    expect(result.gradWeights.data).toEqual(expected.gradWeights.data);
    expect([result.gradEmbeddings.data, result.gradWeights.data]).toEqual([out.gradEmbeddings.data, out.gradWeights.data]);
    expect(result.gradWeights.data).toBe(out.gradWeights.data);
    expect(floats(head)).toEqual(before);
    expect(head.steps).toBe(0);
  });

  it.each(optimizers)('steps as PyTorch does: %o', (optimizer) => {
    const head = make({ optimizer });
    const state = new Float64Array(classes * dim);
    for (let step = 0; step < 4; step++) {
      const before = floats(head).slice();
      const whole = head.forwardBackward(x, labels);
      const learningRate = step === 2 ? 0.07 : undefined;
      const result = head.step(x, labels, learningRate === undefined ? {} : { learningRate });
      expectClose([result.loss], [whole.loss], 8);
      expectClose(result.perExample, whole.perExample, 16);
      expectClose(result.gradEmbeddings.data, whole.gradEmbeddings.data, 8);
      expectClose(floats(head), moved(before, whole.gradWeights.data, state, optimizer, learningRate), 2);
      expect(head.steps).toBe(step + 1);
      expect(result.sampledClasses).toBe(classes);
    }
  });

  it('learns: separable rows end with a small loss and the right classes', () => {
    for (const margin of [hs.arcFace({ s: 16, m: 0.3 }), hs.lSoftmax({ m: 2 }), hs.subCenters(3, hs.cosFace({ s: 16, m: 0.2 }))]) {
      const head = make({ margin, optimizer: hs.sgd({ learningRate: 0.2 }) });
      const first = head.step(x, labels).loss;
      let last = first;
      for (let step = 0; step < 300; step++) last = head.step(x, labels).loss;
      expect(last, margin.kind).toBeLessThan(first / 4);
      const { classes: best } = head.predict(x);
      [0, 1, 2, 5].forEach((i) => expect(best.data[i], margin.kind).toBe(labels[i]));
    }
  });

  it('samples: exactly so many classes, the others untouched to the bit, their momentum too', () => {
    const [many, sampleRate] = [200, 0.1];
    const head = make({ classes: many, sampleRate, optimizer: hs.sgd({ learningRate: 0.1, weightDecay: 0.1 }) });
    const touched = new Set<number>();
    for (let step = 0; step < 3; step++) {
      const before = floats(head).slice();
      const { sampledClasses } = head.step(x, labels);
      expect(sampledClasses).toBe(20);
      const changed = Array.from({ length: many }, (_, c) => c).filter((c) =>
        floats(head)
          .subarray(c * dim, (c + 1) * dim)
          .some((v, j) => v !== before[c * dim + j]),
      );
      // A class that was drawn before and is not now would move by its momentum, were it not left alone.
      expect(changed.length).toBe(20);
      for (const c of [0, 12, 3, 7]) expect(changed).toContain(c);
      for (const c of changed) touched.add(c);
    }
    expect(touched.size).toBeGreaterThan(20);
  });

  it('samples: the step is the one of a head that has the sampled classes only', () => {
    const [many, sampleRate] = [40, 0.25];
    const optimizer = hs.sgd({ learningRate: 0.1, momentum: 0.5, weightDecay: 0.05 });
    const head = make({ classes: many, sampleRate, optimizer });
    const before = floats(head).slice();
    const result = head.step(x, labels);
    const sampled = Array.from({ length: many }, (_, c) => c).filter((c) => floats(head)[c * dim] !== before[c * dim]);
    const weights = hs.takeRows(hs.matrix(before, dim), sampled);
    const places = labels.map((label) => (label < 0 ? label : sampled.indexOf(label)));
    const expected = hs.marginSoftmax(x, weights, places, { margin: base.margin });
    expectClose([result.loss], [expected.loss], 8);
    expectClose(result.gradEmbeddings.data, expected.gradEmbeddings.data, 8);
    const after = hs.takeRows(head.weights as Matrix, sampled).data;
    expectClose(after, moved(weights.data, expected.gradWeights.data, new Float64Array(after.length), optimizer), 1);
  });

  it('samples: the positives alone where they are more, and everything at a rate that leaves none out', () => {
    const few = make({ sampleRate: 0.1 });
    expect(few.step(x, labels).sampledClasses).toBe(4);
    const [full, rounded] = [make(), make({ sampleRate: 0.97 })];
    for (let step = 0; step < 3; step++) {
      const [a, b] = [full.step(x, labels), rounded.step(x, labels)];
      expect(b).toEqual(a);
    }
    expect(floats(rounded)).toEqual(floats(full));
  });

  it('is reproducible, sampled and rounded at random too', () => {
    const options = { precision: 'bfloat16', sampleRate: 0.5, optimizer: hs.adaGrad() } as const;
    const [a, b, other] = [make(options), make(options), make({ ...options, seed: 4 })];
    other.weights.data.set(a.weights.data as never);
    for (let step = 0; step < 5; step++) {
      const result = a.step(x, labels);
      expect(b.step(x, labels)).toEqual(result);
      other.step(x, labels);
    }
    expect(b.weights.data).toEqual(a.weights.data);
    expect(other.weights.data).not.toEqual(a.weights.data);
  });

  it('in bfloat16 moves by the float32 rule and rounds to a neighbour, the nearest if so asked', () => {
    for (const rounding of ['nearest', 'stochastic'] as const) {
      const optimizer = hs.sgd({ learningRate: 0.1, momentum: 0, weightDecay: 0.01 });
      const head = make({ precision: 'bfloat16', rounding, optimizer });
      const before = wide(head).slice();
      const { gradWeights } = head.forwardBackward(x, labels);
      head.step(x, labels);
      const exact = moved(before, gradWeights.data, new Float64Array(before.length), optimizer);
      wide(head).forEach((value, i) => {
        const target = exact[i] as number;
        // bfloat16 has 8 bits: neighbours are 2⁻⁷ of the power of two apart. The float32 sums behind it get their own share.
        const gap = 2 ** (Math.floor(Math.log2(Math.max(Math.abs(target), 1e-30))) - 7);
        expect(Math.abs(value - target), `${rounding} [${i}]`).toBeLessThanOrEqual((rounding === 'nearest' ? 0.5 : 1) * gap + 1e-6);
      });
    }
  });

  it('anneals λ by the step, as the Caffe layers do', () => {
    const lambdaSchedule = { base: 100, gamma: 1, power: 1, lambdaMin: 3 };
    for (const factory of [hs.lSoftmax, hs.aSoftmax]) {
      const head = make({ margin: factory({ m: 2 }), lambdaSchedule });
      for (let step = 1; step <= 3; step++) {
        const lambda = hs.annealedLambda(step, lambdaSchedule);
        expect(head.margin).toMatchObject({ lambda });
        const expected = hs.marginSoftmax(x, head.weights as Matrix, labels, { margin: factory({ m: 2, lambda }) });
        expect(head.forwardBackward(x, labels).loss).toBe(expected.loss);
        expectClose([head.step(x, labels).loss], [expected.loss], 8);
      }
    }
    expect(make({ margin: hs.lSoftmax({ m: 2, lambda: 7 }) }).margin).toMatchObject({ lambda: 7 });
  });

  it.each([
    { name: 'alone', over: (inner: hs.CosineMargin): Margin => inner },
    { name: 'over sub-centers', over: (inner: hs.CosineMargin): Margin => hs.subCenters(2, inner) },
  ])('carries the state of AdaFace and CurricularFace from step to step, and only steps move it: $name', ({ over }) => {
    const ada = make({ margin: over(hs.adaFace({ tAlpha: 0.5 })) });
    const curricular = make({ margin: over(hs.curricularFace({ momentum: 0.5 })) });
    const start = [ada.margin, curricular.margin];
    ada.forwardBackward(x, labels);
    curricular.forwardBackward(x, labels);
    curricular.logits(x);
    expect([ada.margin, curricular.margin]).toEqual(start);
    const expected = hs.marginSoftmax(x, ada.weights as Matrix, labels, { margin: ada.margin });
    const t = hs.marginSoftmax(x, curricular.weights as Matrix, labels, { margin: curricular.margin });
    ada.step(x, labels);
    curricular.step(x, labels);
    expect(ada.margin).toEqual(expected.margin);
    expect(curricular.margin).not.toEqual(start[1]);
    expect(curricular.margin).toEqual(t.margin);
  });
});
