// One input, one result: the FMA levels and any number of threads give the same bits.
import { beforeAll, describe, expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import {
  centerLoss,
  distances,
  distancesGradient,
  Gallery,
  matmul,
  matrix,
  type Neighbours,
  nearest,
  normalize,
  normalizeGradient,
  setBackend,
  setIsa,
  setThreads,
  toBfloat16,
  updateCenters,
} from '../../lib/index.js';
import { metrics } from '../../lib/ops/distances.js';
import { normalMatrix } from '../helpers/data.js';
import { type Head, headOf, onNative, outputNames } from '../helpers/heads.js';
import { describeNative, levels } from '../helpers/native.js';
import { bitsOf, sameBytes } from '../helpers/tolerance.js';

const sizes = [1, 2, 13, 15, 16, 17, 31, 127, 255, 256, 257];
const shapes = sizes.flatMap((size): [number, number, number][] => [
  [size, 17, 257],
  [257, size, 16],
  [15, 256, size],
  [size, size, size],
]);
// The baseline level has no fused multiply-add and promises a tolerance only, but its bits do not depend on threads either.
const fused = levels.filter((isa) => isa !== 'baseline');
const groups = [...(fused.length > 0 ? [fused] : []), ['baseline' as const]];

function expectSameBits(isas: readonly (typeof levels)[number][], run: () => Float32Array): void {
  let first: Uint32Array | undefined;
  for (const isa of isas) {
    setIsa(isa);
    for (const threads of [1, 2, 3, 8]) {
      setThreads(threads);
      const bits = bitsOf(run());
      first ??= bits;
      if (sameBytes(bits, first)) continue;
      const at = bits.findIndex((value, i) => value !== first?.[i]);
      expect.fail(`first difference at ${isa}, ${threads} threads: [${at}] of ${bits.length}, ${first.length} expected`);
    }
  }
}

function joined(...parts: (Float32Array | undefined)[]): Float32Array {
  const all = new Float32Array(parts.reduce((length, part) => length + (part?.length ?? 0), 0));
  let at = 0;
  for (const part of parts) {
    all.set(part ?? [], at);
    at += part?.length ?? 0;
  }
  return all;
}

/** Indices are numbers as good as any for a comparison. */
function numbers({ indices, distances: found }: Neighbours): Float32Array {
  const all = new Float32Array(indices.data.length + found.data.length);
  all.set(indices.data);
  all.set(found.data, indices.data.length);
  return all;
}

/** Everything that a head gives. */
function headNumbers(head: Head): Float32Array {
  const outputs = onNative(head);
  return joined(...outputNames.map((name) => outputs[name]));
}

/** A step of bfloat16 weights, rounded at random. */
function steppedHalves(head: Head): Float32Array {
  const [weights, state] = [toBfloat16(head.weights), toBfloat16(head.weights.map(Math.abs))];
  const rule = { kind: 'adaGrad', learningRate: 0.5, weightDecay: 0.01, eps: 1e-3 } as const;
  const got = onNative({ ...head, weights: weights as never }, { gradWeights: undefined, update: { rule, state, seed: 7 } });
  return joined(got.gradX, Float32Array.from(weights), Float32Array.from(state));
}

// Cut by rows, by depth and by classes; the last with more than 64 chunks and work for several threads.
const heads: [n: number, d: number, classes: number][] = [
  [1, 1, 2],
  [17, 16, 257],
  [530, 19, 300],
  [3, 801, 900],
  [40, 9, 17100],
];

describeNative('bits', () => {
  beforeAll(() => setBackend('native'));
  describe.each(groups)('of %s and others of its kind', (...isas) => {
    it.each(shapes)('matmul %i × %i × %i', (rows, inner, cols) => {
      for (const transposeA of [false, true]) {
        for (const transposeB of [false, true]) {
          const a = transposeA ? normalMatrix(inner, rows, 1) : normalMatrix(rows, inner, 1);
          const b = transposeB ? normalMatrix(cols, inner, 2) : normalMatrix(inner, cols, 2);
          expectSameBits(isas, () => matmul(a, b, { transposeA, transposeB }).data);
        }
      }
    });
    it.each(shapes)('distances %i × %i × %i and their gradients', (n, d, m) => {
      const [x, y, gradOutput] = [normalMatrix(n, d, 1), normalMatrix(m, d, 2), normalMatrix(n, m, 3)];
      for (const metric of metrics) {
        expectSameBits(isas, () => distances(x, y, { metric }).data);
        expectSameBits(isas, () => distances(x, { metric }).data);
        if (n * m * d > 1e6) continue;
        expectSameBits(isas, () => {
          const { gradX, gradY } = distancesGradient(x, y, gradOutput, { metric });
          return Float32Array.of(...gradX.data, ...gradY.data);
        });
      }
    });
    it.each([1, 15, 16, 17, 255, 256, 257])('centers and normalisation of %i rows', (n) => {
      for (const d of [1, 3, 16, 17, 127, 128, 512]) {
        const [x, g] = [normalMatrix(n, d, 1), normalMatrix(n, d, 2)];
        expectSameBits(isas, () => joined(normalize(x).data, normalizeGradient(x, g).data));
        for (const classes of [1, 2, n]) {
          const labels = Int32Array.from({ length: n }, (_, i) => (i * 7919) % classes);
          const centers = normalMatrix(classes, d, 3);
          expectSameBits(isas, () => {
            const { loss, perExample, gradEmbeddings, gradCenters } = centerLoss(x, labels, centers, { gradCenters: true });
            const moved = updateCenters(x, labels, matrix(Float32Array.from(centers.data), d)).data;
            const high = new Float32Array(Float64Array.of(loss).buffer);
            return joined(high, perExample, gradEmbeddings?.data, gradCenters?.data, moved);
          });
        }
      }
    });
    it('many rows of one class, and rows of every size', () => {
      const [x, centers] = [normalMatrix(3000, 200, 1), normalMatrix(3, 200, 2)];
      x.data.set([Number.NaN, Infinity, -Infinity, 1e-40, 3e38, -0, 0, 1e19, 1e-30], 195);
      expectSameBits(isas, () => updateCenters(x, new Int32Array(3000).fill(2), matrix(Float32Array.from(centers.data), 200)).data);
      expectSameBits(isas, () => centerLoss(x, new Int32Array(3000), centers, { gradCenters: true }).gradCenters?.data as Float32Array);
      expectSameBits(isas, () => normalize(x).data);
      expectSameBits(isas, () => normalizeGradient(x, normalMatrix(3000, 200, 5)).data);
    });
    it.each(shapes)('nearest %i × %i × %i', (n, d, m) => {
      const [x, y] = [normalMatrix(n, d, 1), normalMatrix(m, d, 2)];
      y.data.copyWithin(d * (m >> 1), 0, d * (m >> 2));
      const half = { data: toBfloat16(y.data), shape: y.shape };
      for (const metric of metrics) {
        for (const k of [1, 10, 255].filter((count) => count <= m)) {
          expectSameBits(isas, () => numbers(nearest(x, y, { metric, k })));
          expectSameBits(isas, () => numbers(nearest(x, half, { metric, k })));
          expectSameBits(isas, () => numbers(new Gallery(half, { metric }).search(x, { k })));
        }
      }
    });
    it('nearest in large galleries, of one row and of many', () => {
      const y = normalMatrix(9973, 12, 2);
      for (const offset of [0, 100]) {
        const gallery = { ...y, data: y.data.map((value) => value + offset) };
        for (const n of [1, 5, 61]) {
          const x = normalMatrix(n, 12, 1);
          x.data.forEach((value, i) => (x.data[i] = value + offset));
          for (const metric of metrics) {
            for (const k of [1, 1024]) expectSameBits(isas, () => numbers(nearest(x, gallery, { metric, k })));
          }
        }
      }
    });
    it.each(heads)('heads of %i × %i × %i', (n, d, classes) => {
      const bias = normalMatrix(1, classes, 3).data;
      const classWeights = normalMatrix(1, classes, 4).data.map(Math.abs);
      for (const head of [
        headOf(n, d, classes, hs.softmaxMargin(), { bias, classWeights, labelSmoothing: 0.1 }),
        headOf(n, d, classes, hs.arcFace()),
        headOf(n, d, classes, hs.aSoftmax({ gradient: 'caffe' })),
        headOf(n, d, classes, hs.adaFace({ tAlpha: 0.5 })),
        headOf(n, d, classes, hs.curricularFace({ t: 0.2 }), { labelSmoothing: 0.1 }),
        headOf(n, d, classes, hs.sphereFaceR({ variant: 'v2' })),
        headOf(n, d, classes, hs.sphereFace2(), { bias: bias.slice(0, 1) }),
        headOf(n, d, Math.ceil(classes / 3), hs.subCenters(3, hs.cosFace())),
        headOf(n, d, Math.ceil(classes / 3), hs.softTriple({ k: 3 })),
      ]) {
        expectSameBits(isas, () => headNumbers(head));
      }
      expectSameBits(isas, () => steppedHalves(headOf(n, d, classes, hs.cosFace())));
    });
    it.each([1, 17, 256, 257, 1000, 17000])('softmax and cross-entropy of %i classes', (classes) => {
      const [logits, g] = [normalMatrix(40, classes, 1, 5), normalMatrix(40, classes, 2)];
      logits.data.set([Number.NaN, Infinity, -Infinity].slice(0, classes));
      const labels = Int32Array.from({ length: 40 }, (_, i) => (i * 7919) % classes);
      expectSameBits(isas, () => hs.softmax(logits).data);
      expectSameBits(isas, () => hs.softmaxGradient(logits, g, { temperature: 3 }).data);
      expectSameBits(isas, () => {
        const { loss, perExample, gradLogits } = hs.softmaxCrossEntropy(logits, labels, { labelSmoothing: 0.1 });
        return joined(new Float32Array(Float64Array.of(loss).buffer), perExample, gradLogits.data);
      });
    });
    it('NaN, infinities, denormals and near duplicates', () => {
      const x = normalMatrix(40, 33, 5);
      x.data.set([Number.NaN, Infinity, -Infinity, 1e-40, 3e38, -0, 0], 7);
      x.data.copyWithin(33 * 20, 33 * 2, 33 * 4);
      x.data[33 * 21] = (x.data[33 * 21] as number) * (1 + 2 ** -20);
      for (const metric of metrics) expectSameBits(isas, () => distances(x, { metric }).data);
      for (const metric of metrics) expectSameBits(isas, () => numbers(nearest(x, { metric, k: 39 })));
    });
  });
});
