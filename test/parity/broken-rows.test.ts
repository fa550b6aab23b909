// Rows that hold a NaN or an infinity, in every loss: both backends make the same numbers, the same infinities and NaN of them, and a loss over the pairs of a
// batch with such a row is NaN, its gradients too.
import { beforeAll, describe, expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { pairDistances, tripletStrategies } from '../../lib/ops/pairs.js';
import { batchLosses } from '../helpers/batch-losses.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';
import { describeLevels, onBothBackends } from '../helpers/native.js';

const dim = 3;
const broken: Readonly<Record<string, readonly number[]>> = {
  'a NaN': [1, Number.NaN, 2],
  'an infinity': [1, Infinity, 2],
  'a negative infinity': [1, 2, -Infinity],
  'infinities of one sign': [Infinity, Infinity, Infinity],
  'infinities of both': [Infinity, -Infinity, 1],
};

const kindOf = (value: number): string =>
  Number.isNaN(value) ? 'NaN' : Number.isFinite(value) ? 'number' : value > 0 ? 'infinity' : '−infinity';
/** Of every number of a result: what kind it is. */
function kindsOf(result: object): [name: string, kinds: string[]][] {
  return Object.entries(result)
    .filter(([name, value]) => value !== undefined && name !== 'margin')
    .map(([name, value]) => [name, typeof value === 'number' ? [kindOf(value)] : Array.from(value.data ?? value, kindOf)]);
}

type BatchRun = (x: hs.Matrix, labels: Int32Array, memory?: hs.CrossBatchMemory) => object;
const overPairs: [name: string, run: BatchRun][] = [
  ...batchLosses.map(({ name, run }): [string, BatchRun] => [name, (x, y, memory) => run(x, y, { memory } as never)]),
  ...pairDistances.flatMap((distance) =>
    [true, false].flatMap((normalize): [string, BatchRun][] => {
      const form = `${distance}${normalize ? '' : ' of raw rows'}`;
      return [
        [
          `batchContrastiveLoss ${form}`,
          (x, y, memory) => hs.batchContrastiveLoss(x, y, { distance, normalize, ...(memory && { memory }) }),
        ],
        ...tripletStrategies.map((mining): [string, BatchRun] => [
          `batchTripletLoss ${mining} ${form}`,
          (x, y, memory) => hs.batchTripletLoss(x, y, { distance, normalize, mining, ...(memory && { memory }) }),
        ]),
        [
          `batchTripletLoss with swap ${form}`,
          (x, y, memory) => hs.batchTripletLoss(x, y, { distance, normalize, swap: true, ...(memory && { memory }) }),
        ],
      ];
    }),
  ),
];

type Place = readonly [name: string, labels: readonly number[], inMemory: boolean];
const places: readonly Place[] = [
  ['with partners', [0, 1, 2, 0, 1, 2], false],
  ['without a partner', [0, 1, 2, 0, 9, 2], false],
  ['in a batch without partners', [0, 1, 2, 3, 4, 5], false],
  ['in the memory', [0, 1, 2, 0, 1, 2], true],
];
function batchOf(row: readonly number[], [, labels, inMemory]: Place): Parameters<BatchRun> {
  const [x, rows] = [normalMatrix(6, dim, 5), normalMatrix(3, dim, 6)];
  (inMemory ? rows : x).data.set(row, (inMemory ? 1 : 4) * dim);
  const memory = new hs.CrossBatchMemory({ capacity: 3, dim });
  memory.enqueue(rows, Int32Array.of(0, 1, 9));
  return inMemory ? [x, Int32Array.from(labels), memory] : [x, Int32Array.from(labels)];
}

onBothBackends('a loss over pairs is NaN', (backend) => {
  beforeAll(() => hs.setBackend(backend));
  describe.each(overPairs)('%s', (_name, run) => {
    it.each(Object.entries(broken))('beside %s', (_what, row) => {
      for (const place of places) {
        for (const [name, kinds] of kindsOf(run(...batchOf(row, place)))) {
          if (!/^(loss|perExample|grad.*)$/.test(name)) continue;
          expect(kinds.length, place[0]).toBeGreaterThan(0);
          expect(new Set(kinds), `${name}, ${place[0]}`).toEqual(new Set(['NaN']));
        }
      }
    });
  });
  it('but a row alone takes part in nothing', () => {
    for (const [name, run] of overPairs) {
      for (const row of Object.values(broken)) {
        const kinds = kindsOf(run(hs.matrix(Float32Array.from(row), dim), Int32Array.of(3)));
        expect(new Set(kinds.flatMap(([, of]) => of)), name).toEqual(new Set(['number']));
      }
    }
  });
  it('but without a batch nothing of a memory or of proxies takes part', () => {
    const none = hs.matrix(new Float32Array(0), dim);
    for (const row of Object.values(broken)) {
      const rows = hs.matrix(Float32Array.from([1, 2, 3, ...row]), dim);
      const memory = new hs.CrossBatchMemory({ capacity: 2, dim });
      memory.enqueue(rows, Int32Array.of(0, 1));
      const overProxies: [string, BatchRun] = ['proxyAnchorLoss', (x, y) => hs.proxyAnchorLoss(x, rows, y)];
      for (const [name, run] of [...overPairs, overProxies]) {
        for (const [result, kinds] of kindsOf(run(none, new Int32Array(0), memory))) {
          expect(new Set([...kinds, 'number']), `${name}, ${result}`).toEqual(new Set(['number']));
        }
      }
    }
  });
});

const labels = cyclicLabels(4, 2);
const same = Int32Array.of(1, 0, 0, 1);
const margins: readonly hs.Margin[] = [
  hs.softmaxMargin(),
  hs.normalizedSoftmax(),
  hs.cosFace(),
  hs.arcFace(),
  hs.lSoftmax(),
  hs.aSoftmax(),
  hs.combinedMargin(),
  hs.adaFace(),
  hs.magFace(),
  hs.curricularFace(),
  hs.sphereFaceR(),
  hs.sphereFace2(),
  hs.subCenters(2, hs.arcFace()),
  hs.softTriple({ k: 2 }),
  hs.p2sGrad(),
];
const both = [false, true];
/** Losses over given rows and over classes: how many rows each input has, and the loss. */
type GivenLoss = [name: string, rows: number[], run: (...inputs: hs.Matrix[]) => object];
const others = [
  ['contrastiveLoss', [4, 4], (x: hs.Matrix, y: hs.Matrix) => hs.contrastiveLoss(x, y, same, { margin: 3 })],
  ...both.flatMap((swap) => [
    ...[1, 2, 3].map((p) => [
      `tripletLoss p ${p} swap ${swap}`,
      [4, 4, 4],
      (...[a, b, c]: hs.Matrix[]) => hs.tripletLoss(a as never, b as never, c as never, { p, swap, distance: 'euclidean' }),
    ]),
    [`tripletLoss swap ${swap}`, [4, 4, 4], (...[a, b, c]: hs.Matrix[]) => hs.tripletLoss(a as never, b as never, c as never, { swap })],
  ]),
  ...both.flatMap((normalize) => [
    ...both.map((symmetric) => [
      `infoNceLoss normalize ${normalize} symmetric ${symmetric}`,
      [4, 4],
      (x: hs.Matrix, y: hs.Matrix) => hs.infoNceLoss(x, y, { normalize, symmetric }),
    ]),
    ...[0, 0.1].map((l2Reg) => [
      `nPairsLoss normalize ${normalize} l2Reg ${l2Reg}`,
      [4, 4],
      (x: hs.Matrix, y: hs.Matrix) => hs.nPairsLoss(x, y, { normalize, l2Reg }),
    ]),
  ]),
  ['proxyNcaLoss', [4, 3], (x: hs.Matrix, proxies: hs.Matrix) => hs.proxyNcaLoss(x, proxies, labels)],
  ['proxyAnchorLoss', [4, 3], (x: hs.Matrix, proxies: hs.Matrix) => hs.proxyAnchorLoss(x, proxies, labels)],
  ['vicRegLoss', [4, 4], (x: hs.Matrix, y: hs.Matrix) => hs.vicRegLoss(x, y)],
  ['centerLoss', [4, 3], (x: hs.Matrix, centers: hs.Matrix) => hs.centerLoss(x, labels, centers, { gradCenters: true })],
  ['linearCrossEntropy', [4, 3], (x: hs.Matrix, w: hs.Matrix) => hs.linearCrossEntropy(x, w, labels)],
  ...[0, 0.1].map((labelSmoothing) => [
    `softmaxCrossEntropy smoothing ${labelSmoothing}`,
    [4],
    (x: hs.Matrix) => hs.softmaxCrossEntropy(x, labels, { labelSmoothing }),
  ]),
  ['hardmaxLoss', [4], (x: hs.Matrix) => hs.hardmaxLoss(x, labels)],
  ['hardmaxHingeLoss', [4], (x: hs.Matrix) => hs.hardmaxHingeLoss(x, labels)],
  ...margins.map((margin) => [
    `marginSoftmax ${margin.kind}`,
    [4, 'k' in margin ? 6 : 3],
    (x: hs.Matrix, w: hs.Matrix) => hs.marginSoftmax(x, w, labels, { margin }),
  ]),
] as GivenLoss[];

describeLevels("what becomes of broken rows is the reference's", () => {
  it.each(others)('%s', (_name, rows, run) => {
    for (const [what, row] of Object.entries(broken)) {
      // One row of each input, and of the first two at once.
      for (const spoilt of [...rows.map((_, input) => [input]), [0, 1]]) {
        const inputs = rows.map((count, input) => normalMatrix(count, dim, 5 + input));
        for (const input of spoilt) inputs[input]?.data.set(row, dim);
        const got = kindsOf(run(...inputs));
        hs.setBackend('ts');
        const expected = kindsOf(run(...inputs));
        hs.setBackend('native');
        expect(got, `${what} in ${spoilt}`).toEqual(expected);
      }
    }
  });
});
