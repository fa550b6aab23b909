import { describe, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { centersOf } from '../../lib/margins/columns.js';
import type { MarginSoftmaxOp } from '../../lib/ops/softmax.js';
import { marginSoftmax } from '../../lib/reference/margin-softmax.js';
import { base, plainReductions, reductions } from '../helpers/classification.js';
import { normals } from '../helpers/data.js';
import { expectGradient, type Inputs } from '../helpers/gradcheck.js';

const d = 4;
const { n, classes } = base;
const of = (inputs: Inputs, name: string): Float64Array => inputs[name] as Float64Array;

type Options = Pick<MarginSoftmaxOp, 'reduction'> & Partial<MarginSoftmaxOp>;
function check(margin: hs.Margin, options: Options, ofX = 1, biases = 0): void {
  const inputs: Inputs = { x: normals(n * d, 5, ofX), w: normals(classes * centersOf(margin) * d, 6) };
  if (biases > 0) inputs['bias'] = normals(biases, 4, 0.3);
  expectGradient(inputs, (v, g) => {
    const op = { ...base, ...options, d, margin, workspaceBytes: 1, x: of(v, 'x'), weights: of(v, 'w'), bias: v['bias'] };
    return marginSoftmax({ ...op, gradX: of(g, 'x'), gradWeights: of(g, 'w'), gradBias: g['bias'] }).loss;
  });
}

const softmaxLike: [margin: hs.Margin, ofX?: number, biases?: number][] = [
  [hs.softmaxMargin()],
  [hs.softmaxMargin(), 1, classes],
  [hs.normalizedSoftmax({ temperature: 0.1 })],
  ...[1, 2, 3, 4, 7].flatMap((m): [hs.Margin][] => [[hs.lSoftmax({ m, lambda: 0 })], [hs.aSoftmax({ m, lambda: 1.5 })]]),
  [hs.cosFace({ s: 16 })],
  ...(['none', 'linear', 'easy', 'clip'] as const).map((overflow): [hs.Margin] => [hs.arcFace({ s: 16, m: 1.2, overflow })]),
  [hs.combinedMargin({ s: 16, m1: 0.9, m2: 0.4, m3: 0.15 })],
  ...(['v0', 'v1', 'v2'] as const).map((variant): [hs.Margin] => [hs.sphereFaceR({ variant, m: 1.7, s: 8, lossWeight: 20 })]),
  // Norms on both sides of lA and uA.
  ...[true, false].map((easyMargin): [hs.Margin, number] => [hs.magFace({ s: 8, lA: 1, uA: 5, uMargin: 1.2, lambdaG: 3, easyMargin }), 2]),
  ...[
    hs.normalizedSoftmax({ temperature: 0.2 }),
    hs.cosFace({ s: 8 }),
    hs.arcFace({ s: 8 }),
    hs.combinedMargin({ s: 8 }),
    ...(['v0', 'v1', 'v2'] as const).map((variant) => hs.sphereFaceR({ variant, m: 1.7, s: 8, lossWeight: 20 })),
  ].map((inner): [hs.Margin] => [hs.subCenters(3, inner)]),
  [hs.subCenters(3, hs.magFace({ s: 8, lA: 1, uA: 5, uMargin: 1.2, lambdaG: 3 })), 2],
  [hs.softTriple({ k: 3 })],
  [hs.softTriple({ k: 1, gamma: 1 })],
];

const named = (rows: typeof softmaxLike) =>
  rows.map(([margin, ofX, biases]) => ({ name: `${JSON.stringify(margin)}${biases ? ' with a bias' : ''}`, margin, ofX, biases }));

describe.each(named(softmaxLike))('marginSoftmax $name', ({ margin, ofX, biases }) => {
  it.each(reductions)('$name', ({ options }) => check(margin, options, ofX, biases));
});

const entrywise: [margin: hs.Margin, ofX?: number, biases?: number][] = [
  ...[hs.sphereFace2({ r: 6 }), hs.sphereFace2({ variant: 'A', r: 6, t: 2 }), hs.sphereFace2({ variant: 'M', r: 6 })].flatMap(
    (margin): [hs.Margin, number, number][] => [
      [margin, 1, 0],
      [margin, 1, 1],
    ],
  ),
  [hs.p2sGrad()],
];

describe.each(named(entrywise))('marginSoftmax $name', ({ margin, ofX, biases }) => {
  it.each(plainReductions)('$name', ({ options }) => check(margin, options, ofX, biases));
});
