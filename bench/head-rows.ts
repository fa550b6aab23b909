// The classification heads: losses with every margin, and the steps of a head that owns its weights.

import * as hs from '../lib/index.js';
import {
  ClassifierHead,
  type ClassifierHeadOptions,
  createRandom,
  linearCrossEntropy,
  type Margin,
  type Matrix,
  marginSoftmax,
  matrix,
  sgd,
} from '../lib/index.js';
import { type Bar, type Row, uniforms } from './row.js';

type Shape = readonly [batch: number, dim: number, classes: number];

function labelsOf(batch: number, classes: number): Int32Array {
  const random = createRandom(9);
  return Int32Array.from({ length: batch }, () => random.integer(classes));
}

/** As the peer's: 0.05 keeps the logits of unnormalised weights moderate; its own rows have no denormal probabilities. */
const scaled = 0.05;

function loss(op: string, shape: Shape, bars: readonly Bar[], margin?: Margin, deviation = scaled, k = 1): Row {
  const [b, d, c] = shape;
  const headline = ['softmaxCE', 'arcface'].includes(op) && c <= 100_000;
  return {
    bestOnly: !headline,
    op,
    shape,
    flops: 6 * b * d * c,
    bars,
    mostExtraMiB: 128,
    tooSlowOnTs: b * d * c > 3e8,
    prepare: () => {
      const [x, w, labels] = [uniforms(b, d, 1, 1), uniforms(c * k, d, 2, deviation), labelsOf(b, c)];
      const out = { gradEmbeddings: matrix(new Float32Array(b * d), d), gradWeights: matrix(new Float32Array(c * k * d), d) };
      if (!margin) return () => linearCrossEntropy(x, w, labels, { out });
      return () => marginSoftmax(x, w, labels, { margin, out });
    },
  };
}

function head(op: string, shape: Shape, bars: readonly Bar[], options: Partial<ClassifierHeadOptions>, make: Use): Row {
  const [b, d, classes] = shape;
  return {
    op,
    shape,
    flops: 6 * b * d * classes * (options.sampleRate ?? 1),
    bars,
    mostExtraMiB: 192,
    tooSlowOnTs: true,
    bestOnly: true,
    prepare: () => {
      const margin = hs.arcFace();
      const optimizer = sgd({ learningRate: 0.01, momentum: 0.9 });
      return make(new ClassifierHead({ classes, dim: d, margin, optimizer, ...options }), uniforms(b, d, 1, 1), labelsOf(b, classes));
    },
  };
}

type Use = (head: ClassifierHead, x: Matrix, labels: Int32Array) => () => unknown;

const step: Use = (of, x, labels) => {
  const out = { gradEmbeddings: matrix(new Float32Array(x.data.length), of.dim) };
  return () => of.step(x, labels, { out });
};

const forwardBackward: Use = (of, x, labels) => {
  const [gradEmbeddings, gradWeights] = [x.data.length, of.classes * of.dim].map((n) => matrix(new Float32Array(n), of.dim));
  const out = { gradEmbeddings, gradWeights } as { gradEmbeddings: Matrix; gradWeights: Matrix };
  return () => of.forwardBackward(x, labels, { out });
};

/** What a step without fusion would be. An empty batch moves all weights by momentum: the update without even reading its gradient. */
const denseUpdate: Use = (of, x, labels) => {
  const gradients = forwardBackward(of, x, labels);
  const none = matrix(new Float32Array(0), of.dim);
  return () => {
    gradients();
    of.step(none, []);
  };
};

const small: Shape = [64, 64, 1000];
const middle: Shape = [256, 512, 10_000];
const large: Shape = [512, 512, 100_000];
const huge: Shape = [128, 512, 1_000_000];
const million: Shape = [512, 512, 1_000_000];
const fewRows: Shape = [64, 512, 1_000_000];

/** One column more than no margin at all. */
const likeNone: Bar = { peer: 'normalizedSoftmax', atLeast: 1 / 1.05 };
const thrice: Bar = { peer: 'torch', atLeast: 3 };
/** Those that the peer's script has; the others' cost there is arcface's, or more. */
const onTorch = ['cosFace', 'combinedMargin'];
const oneColumn: Record<string, Margin> = {
  lSoftmax: hs.lSoftmax(),
  aSoftmax: hs.aSoftmax(),
  cosFace: hs.cosFace(),
  combinedMargin: hs.combinedMargin(),
  sphereFaceR: hs.sphereFaceR(),
  magFace: hs.magFace(),
};
const perElement: Record<string, Margin> = {
  adaFace: hs.adaFace(),
  curricularFace: hs.curricularFace(),
  sphereFaceRv2: hs.sphereFaceR({ variant: 'v2' }),
  sphereFace2: hs.sphereFace2(),
  p2sGrad: hs.p2sGrad(),
};

export const headRows: readonly Row[] = [
  loss('softmaxCE', small, [
    { peer: 'torch', atLeast: 1 },
    { peer: 'ts', atLeast: 15 },
  ]),
  loss('softmaxCE', middle, [{ peer: 'torch', atLeast: 1 }]),
  loss('softmaxCE', large, [{ peer: 'torch', atLeast: 1.35 }]),
  loss('softmaxCEUnscaled', large, [{ peer: 'softmaxCE', atLeast: 1 / 1.1 }], undefined, 1),
  loss('arcface', small, [{ peer: 'torch', atLeast: 3 }], hs.arcFace()),
  loss('arcface', middle, [{ peer: 'torch', atLeast: 2.5 }], hs.arcFace()),
  loss('normalizedSoftmax', large, [], hs.normalizedSoftmax()),
  loss('arcface', large, [{ peer: 'torch', atLeast: 3 }, likeNone], hs.arcFace()),
  ...Object.entries(oneColumn).map(([op, margin]) => loss(op, large, [...(onTorch.includes(op) ? [thrice] : []), likeNone], margin)),
  ...Object.entries(perElement).map(([op, margin]) => loss(op, large, [], margin)),
  loss('subCenters3', [512, 512, 33_333], [], hs.subCenters(3, hs.arcFace()), scaled, 3),
  loss('softTriple3', [512, 512, 33_333], [], hs.softTriple({ k: 3 }), scaled, 3),
  loss('arcface', huge, [{ peer: 'torch', atLeast: 6 }], hs.arcFace()),
  head('headForwardBackward', million, [], {}, forwardBackward),
  head('headStep', million, [{ peer: 'headForwardBackward', atLeast: 1 / 1.05 }], {}, step),
  head('headDenseUpdate', fewRows, [], {}, denseUpdate),
  head('headStep', fewRows, [{ peer: 'headDenseUpdate', atLeast: 1.15 }], {}, step),
  head('headStepSampled', [128, 128, 10_000_000], [], { precision: 'bfloat16', sampleRate: 0.1 }, step),
];
