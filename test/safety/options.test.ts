// Every option with a range, one row each: what lies outside is ERR_OPTION_RANGE and names the option; text for a number is ERR_TYPE.
import { expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { normalMatrix } from '../helpers/data.js';

const x = normalMatrix(4, 3, 1);
const w = normalMatrix(2, 3, 2);
const labels = Int32Array.of(0, 1, 0, 1);
const scores = Float32Array.of(0.1, 0.2, 0.3, 0.4);
const square = normalMatrix(4, 4, 3);
const head = new hs.ClassifierHead({ classes: 2, dim: 3, margin: hs.cosFace() });
const choice = ['nonesuch', 1];
const seed = [-1, 0.5, 2 ** 32];
const above0 = [0, -1, Number.NaN, Infinity];
const scale = [...above0, 1e30];
const temperature = [...above0, 1e-31];
const factor = [...above0, 1e6];
const from0 = [-1e-9, Number.NaN, Infinity];
const finite = [Number.NaN, Infinity];
const share = [-0.1, 1.1, Number.NaN];

type Run = (options: never) => unknown;
const rows: [name: string, run: Run, ranges: Record<string, readonly unknown[]>][] = [
  ['normalize', (o) => hs.normalize(x, o), { eps: above0 }],
  ['normalizeGradient', (o) => hs.normalizeGradient(x, x, o), { eps: above0 }],
  ['distances', (o) => hs.distances(x, w, o), { metric: choice }],
  ['distancesGradient', (o) => hs.distancesGradient(x, square, o), { metric: choice }],
  ['nearest', (o) => hs.nearest(x, w, o), { metric: choice, k: [0, 3, 1.5] }],
  ['softmax', (o) => hs.softmax(x, o), { temperature: above0 }],
  ['softmaxGradient', (o) => hs.softmaxGradient(x, x, o), { temperature: above0 }],
  [
    'softmaxCrossEntropy',
    (o) => hs.softmaxCrossEntropy(x, labels, o),
    { reduction: choice, labelSmoothing: share, ignoreIndex: [0.5, 2 ** 31, -(2 ** 31) - 1] },
  ],
  [
    'linearCrossEntropy',
    (o) => hs.linearCrossEntropy(x, w, labels, o),
    { reduction: choice, labelSmoothing: share, ignoreIndex: [0.5], workspaceBytes: [0, 1.5] },
  ],
  [
    'marginSoftmax',
    (o: object) => hs.marginSoftmax(x, w, labels, { ...o, margin: hs.cosFace() }),
    { reduction: choice, labelSmoothing: share, ignoreIndex: [0.5], workspaceBytes: [0, 1.5, -1] },
  ],
  ['hardmaxLoss', (o) => hs.hardmaxLoss(x, labels, o), { reduction: choice }],
  ['hardmaxHingeLoss', (o) => hs.hardmaxHingeLoss(x, labels, o), { reduction: choice, margin: from0 }],
  ['contrastiveLoss', (o) => hs.contrastiveLoss(x, x, labels, o), { margin: above0, reduction: choice }],
  [
    'batchContrastiveLoss',
    (o) => hs.batchContrastiveLoss(x, labels, o),
    { distance: choice, posMargin: finite, negMargin: finite, reduction: choice },
  ],
  ['tripletLoss', (o) => hs.tripletLoss(x, x, x, o), { distance: choice, margin: from0, reduction: choice }],
  [
    'tripletLoss euclidean',
    (o: object) => hs.tripletLoss(x, x, x, { ...o, distance: 'euclidean' }),
    { p: [0.5, Number.NaN, Infinity], eps: from0 },
  ],
  [
    'batchTripletLoss',
    (o) => hs.batchTripletLoss(x, labels, o),
    { mining: choice, distance: choice, margin: from0, reduction: choice, seed },
  ],
  ['supConLoss', (o) => hs.supConLoss(x, labels, o), { temperature: above0 }],
  ['ncaLoss', (o) => hs.ncaLoss(x, labels, o), { scale: above0 }],
  ['angularLoss', (o) => hs.angularLoss(x, labels, o), { alpha: [0, Math.PI / 2, -0.1, Number.NaN] }],
  ['fastApLoss', (o) => hs.fastApLoss(x, labels, o), { numBins: [0, 1.5, 65537, Number.NaN] }],
  ['marginLoss', (o) => hs.marginLoss(x, labels, Float32Array.of(1), o), { margin: from0, nu: from0 }],
  ['intraPairVarianceLoss', (o) => hs.intraPairVarianceLoss(x, labels, o), { posEps: share, negEps: from0 }],
  ['tupletMarginLoss', (o) => hs.tupletMarginLoss(x, labels, o), { margin: [-0.1, 3.2, Number.NaN], s: above0 }],
  ['histogramLoss', (o) => hs.histogramLoss(x, labels, o), { numBins: [0, 1.5, 65537, Number.NaN] }],
  ['pnpLoss', (o) => hs.pnpLoss(x, labels, o), { variant: choice, anneal: above0, b: above0, alpha: above0 }],
  ['rankedListLoss', (o) => hs.rankedListLoss(x, labels, o), { margin: from0, alpha: from0, imbalance: share, tPos: from0, tNeg: from0 }],
  [
    'tcmLoss',
    (o) => hs.tcmLoss(x, labels, o),
    { lambdaPlus: from0, lambdaMinus: from0, marginPlus: [-1.1, 1.1, Number.NaN], marginMinus: [-1.1, 1.1, Number.NaN] },
  ],
  ['vicRegLoss', (o) => hs.vicRegLoss(x, x, o), { lambda: from0, mu: from0, nu: from0, eps: from0 }],
  ['ntXentLoss', (o) => hs.ntXentLoss(x, labels, o), { temperature: above0 }],
  ['circleLoss', (o) => hs.circleLoss(x, labels, o), { m: from0, gamma: above0 }],
  ['multiSimilarityLoss', (o) => hs.multiSimilarityLoss(x, labels, o), { alpha: above0, beta: above0, base: finite, epsilon: from0 }],
  ['liftedStructureLoss', (o) => hs.liftedStructureLoss(x, labels, o), { negMargin: finite, posMargin: finite }],
  ['infoNceLoss', (o) => hs.infoNceLoss(x, x, o), { temperature: above0 }],
  ['nPairsLoss', (o) => hs.nPairsLoss(x, x, o), { l2Reg: from0 }],
  ['proxyNcaLoss', (o) => hs.proxyNcaLoss(x, w, labels, o), { scale: above0 }],
  ['proxyAnchorLoss', (o) => hs.proxyAnchorLoss(x, w, labels, o), { margin: from0, alpha: above0 }],
  ['centerLoss', (o) => hs.centerLoss(x, labels, w, o), { reduction: choice }],
  ['updateCenters', (o) => hs.updateCenters(x, labels, w, o), { alpha: share }],
  ['Centers', (o: object) => new hs.Centers({ classes: 2, dim: 3, ...o }), { classes: [0, 1.5], dim: [0, 1.5], alpha: share }],
  ['sgd', (o) => hs.sgd(o), { learningRate: above0, momentum: [-0.1, 1, Number.NaN], weightDecay: from0 }],
  ['adaGrad', (o) => hs.adaGrad(o), { learningRate: above0, eps: [...above0, 1e-38], weightDecay: from0 }],
  [
    'ClassifierHead',
    (o: object) => new hs.ClassifierHead({ classes: 2, dim: 3, margin: hs.cosFace(), ...o }),
    {
      classes: [0, 1.5, 2 ** 31],
      dim: [0, 1.5],
      sampleRate: [0, -0.1, 1.1, Number.NaN],
      precision: choice,
      seed,
      workspaceBytes: [0, 1.5],
    },
  ],
  [
    'ClassifierHead in bfloat16',
    (o: object) => new hs.ClassifierHead({ classes: 2, dim: 3, margin: hs.cosFace(), precision: 'bfloat16', ...o }),
    { rounding: choice },
  ],
  ['ClassifierHead.step', (o) => head.step(x, labels, o), { learningRate: above0 }],
  ['ClassifierHead.predict', (o) => head.predict(x, o), { k: [0, 3, 1.5] }],
  ['arcFace', (o) => hs.arcFace(o), { s: scale, m: [-0.1, 3.2, Number.NaN], overflow: choice, gradient: choice, eps: [0, 1, Number.NaN] }],
  ['cosFace', (o) => hs.cosFace(o), { s: scale, m: from0 }],
  ['combinedMargin', (o) => hs.combinedMargin(o), { s: scale, m1: factor, m2: from0, m3: from0, gradient: choice }],
  ['lSoftmax', (o) => hs.lSoftmax(o), { m: [0, 1.5, 65], lambda: from0 }],
  ['aSoftmax', (o) => hs.aSoftmax(o), { m: [0, 1.5, 65], lambda: from0, gradient: choice }],
  ['sphereFaceR', (o) => hs.sphereFaceR(o), { variant: choice, m: [0.9, 65, Number.NaN], s: scale, lossWeight: above0, gradient: choice }],
  [
    'sphereFace2',
    (o) => hs.sphereFace2(o),
    {
      variant: choice,
      alpha: [0, 1, Number.NaN],
      r: scale,
      m: from0,
      t: [0.9, Infinity, Number.NaN],
      lossWeight: above0,
      gradient: choice,
    },
  ],
  ['sphereFace2 A', (o: object) => hs.sphereFace2({ ...o, variant: 'A' }), { m: [-0.1, 3.2, Number.NaN] }],
  ['sphereFace2 M', (o: object) => hs.sphereFace2({ ...o, variant: 'M' }), { m: [0.9, 65, Number.NaN] }],
  ['adaFace', (o) => hs.adaFace(o), { m: from0, h: from0, s: scale, tAlpha: share, batchMean: from0, batchStd: from0 }],
  [
    'magFace',
    (o) => hs.magFace(o),
    { s: scale, lA: above0, uA: [...above0, 10], lMargin: [-0.1, 3.2], uMargin: [-0.1, 3.2, 0.4], lambdaG: from0 },
  ],
  ['curricularFace', (o) => hs.curricularFace(o), { m: [-0.1, 3.2, Number.NaN], s: scale, t: [-1.1, 1.1, Number.NaN], momentum: share }],
  ['softTriple', (o) => hs.softTriple(o), { k: [0, 1.5, 257], la: factor, gamma: temperature, margin: from0 }],
  ['normalizedSoftmax', (o) => hs.normalizedSoftmax(o), { temperature }],
  ['annealedLambda', (o) => hs.annealedLambda(1, o), { base: from0, gamma: from0, power: from0, lambdaMin: from0 }],
  [
    'mineTriplets',
    (o) => hs.mineTriplets(x, labels, o),
    { strategy: choice, distance: choice, margin: from0, seed, subsample: [-1, 0.5], maxTriplets: [-1, 0.5] },
  ],
  [
    'minePairs',
    (o) => hs.minePairs(x, labels, o),
    {
      strategy: choice,
      distance: choice,
      epsilon: from0,
      posMargin: finite,
      negMargin: finite,
      positives: choice,
      negatives: choice,
      seed,
      subsample: [-1, 0.5],
      maxPairs: [-1, 0.5],
    },
  ],
  ['retrieval', (o) => hs.retrieval(x, labels, o), { metric: choice }],
  ['verification', (o) => hs.verification(x, x, labels, o), { folds: [1, 5, 2.5], thresholdStep: above0, numThresholds: [0, 1.5] }],
  ['samplePairs', (o: object) => hs.samplePairs(labels, { count: 2, ...o }), { count: [-1, 0.5], positiveShare: share, seed }],
  [
    'balancedBatches',
    (o: object) => hs.balancedBatches(labels, { classes: 2, perClass: 2, ...o }),
    { classes: [0, 3, 1.5], perClass: [0, 1.5, 2 ** 40], seed },
  ],
  [
    'OfflineMiner',
    (o: object) => new hs.OfflineMiner({ labels, every: 1, subset: 2, ...o }),
    { every: [0, 1.5], subset: [1, 2.5], maxTriplets: [0, 1.5], strategy: choice, distance: choice, margin: from0, seed },
  ],
];

const cases = rows.flatMap(([name, run, ranges]) =>
  Object.entries(ranges).map(([option, bad]) => ({ name, option, bad, of: (value: unknown) => () => run({ [option]: value } as never) })),
);

it.each(cases)('$name refuses a bad $option', ({ option, bad, of }) => {
  const argument = `options.${option}`;
  for (const value of bad) expect(of(value), String(value)).toThrow(expect.objectContaining({ code: 'ERR_OPTION_RANGE', argument }));
  if (bad !== choice) expect(of('1')).toThrow(expect.objectContaining({ code: 'ERR_TYPE', argument }));
});

const outside = (argument: string) => expect.objectContaining({ code: 'ERR_OPTION_RANGE', argument });

it('refuses what is wrong inside a list, by its place', () => {
  for (const bad of [-1, Number.NaN, Infinity]) {
    const classWeights = Float32Array.of(1, bad, 1);
    expect(() => hs.softmaxCrossEntropy(x, labels, { classWeights })).toThrow(outside('options.classWeights[1]'));
  }
  for (const bad of [-0.1, 1.1, Number.NaN]) expect(() => hs.roc(scores, labels, { fars: [0, bad] })).toThrow(outside('options.fars[1]'));
  for (const bad of [0, 1.5]) expect(() => hs.retrieval(x, labels, { recallAt: [1, bad] })).toThrow(outside('options.recallAt[1]'));
  for (const bad of [-1, 4, 0.5, Number.NaN]) expect(() => hs.takeRows(x, [0, bad])).toThrow(outside('indices[1]'));
});

it('refuses bad sizes, iterations, seeds and bounds', () => {
  const random = hs.createRandom(1);
  const bad: [string, (value: never) => unknown, unknown[]][] = [
    ['rows', (value) => hs.alloc(value, 1), [-1, 0.5]],
    ['cols', (value) => hs.alloc(1, value), [0, 0.5]],
    ['cols', (value) => hs.matrix(new Float32Array(4), value), [0, 0.5]],
    ['iteration', (value) => hs.annealedLambda(value), [-1, 0.5]],
    ['k', (value) => hs.subCenters(value, hs.cosFace()), [0, 1.5, 257]],
    ['seed', (value) => hs.createRandom(value), seed],
    ['bound', (value) => random.integer(value), [0, 0.5, -1, Number.NaN, 2 ** 32 + 1]],
  ];
  for (const [argument, run, values] of bad) {
    for (const value of values) expect(() => run(value as never), String(value)).toThrow(outside(argument));
    expect(() => run('1' as never)).toThrow(expect.objectContaining({ code: 'ERR_TYPE', argument }));
  }
  expect(random.integer(2 ** 32)).toBeGreaterThanOrEqual(0);
});
