// Losses over the pairs and triplets of a large batch take blocks of rows as scratch memory, never a matrix of all pairs, as the addon accounts for it.
import { beforeAll, expect, it } from 'vitest';
import { resetServed, servedBy, workspacePeak } from '../../lib/backend.js';
import * as hs from '../../lib/index.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';
import { describeNative } from '../helpers/native.js';

const [n, d] = [4096, 128];
const mostMiB = 64; // a matrix of all pairs alone has as many
const losses: Record<string, (x: hs.Matrix, labels: Int32Array) => { readonly loss: number }> = {
  supConLoss: (x, y) => hs.supConLoss(x, y),
  batchContrastiveLoss: (x, y) => hs.batchContrastiveLoss(x, y, { distance: 'euclidean', reduction: 'meanPositive' }),
  multiSimilarityLoss: (x, y) => hs.multiSimilarityLoss(x, y, { epsilon: 0.1 }),
  circleLoss: (x, y) => hs.circleLoss(x, y),
  'batchContrastiveLoss by snr': (x, y) => hs.batchContrastiveLoss(x, y, { distance: 'snr', posMargin: 0.1, negMargin: 0.9 }),
  liftedStructureLoss: (x, y) => hs.liftedStructureLoss(x, y),
  pnpLoss: (x, y) => hs.pnpLoss(x, y),
  angularLoss: (x, y) => hs.angularLoss(x, y),
  tupletMarginLoss: (x, y) => hs.tupletMarginLoss(x, y),
  tcmLoss: (x, y) => hs.tcmLoss(x, y),
  rankedListLoss: (x, y) => hs.rankedListLoss(x, y),
  marginLoss: (x, y) => hs.marginLoss(x, y, Float32Array.of(1.2)),
  'fastApLoss of many bins': (x, y) => hs.fastApLoss(x, y, { numBins: 4096 }),
  'histogramLoss of many bins': (x, y) => hs.histogramLoss(x, y, { numBins: 65536 }),
  'batchTripletLoss of all triplets': (x, y) => hs.batchTripletLoss(x, y, { mining: 'all' }),
  'batchTripletLoss with swap': (x, y) => hs.batchTripletLoss(x, y, { mining: 'all', swap: true }),
};

const memory = new hs.CrossBatchMemory({ capacity: 2048, dim: d });
memory.enqueue(normalMatrix(2048, d, 2), cyclicLabels(2048, n / 4));
for (const mining of ['all', 'batchHard'] as const) {
  for (const swap of [false, true]) {
    const name = `batchTripletLoss of ${mining}${swap ? ' with swap' : ''} beside 2048 rows of a memory`;
    losses[name] = (x, y) => hs.batchTripletLoss(x, y, { mining, swap, memory });
  }
}

const miners: Record<string, (x: hs.Matrix, labels: Int32Array) => hs.IndexMatrix> = {
  'mineTriplets batchHard': (x, y) => hs.mineTriplets(x, y),
  'mineTriplets of all, sampled': (x, y) => hs.mineTriplets(x, y, { strategy: 'all', subsample: 1000 }),
  'mineTriplets semiHard': (x, y) => hs.mineTriplets(x, y, { strategy: 'semiHard', margin: 0.01 }),
  'mineTriplets distanceWeighted': (x, y) => hs.mineTriplets(x, y, { strategy: 'distanceWeighted' }),
  'minePairs multiSimilarity': (x, y) => hs.minePairs(x, y, { subsample: 1e6 }).negativePairs,
};

const [x, labels] = [normalMatrix(n, d, 1), cyclicLabels(n, n / 4)];

describeNative(`scratch memory of the miners for ${n} rows`, () => {
  beforeAll(() => hs.setBackend('native'));
  it.each(Object.entries(miners))('%s', (_name, run) => {
    resetServed();
    workspacePeak(); // from here on
    expect(run(x, labels).data.length).toBeGreaterThanOrEqual(3000);
    const peak = workspacePeak() as number;
    expect(servedBy()).toEqual(['native']);
    // Below its unit rows it would not have been counted; a quarter of a matrix of all pairs.
    expect(peak).toBeGreaterThan(n * d * 4);
    expect(peak).toBeLessThanOrEqual((mostMiB / 4) * 2 ** 20);
  });
});

describeNative(`scratch memory for ${n} rows`, () => {
  beforeAll(() => hs.setBackend('native'));
  it.each(Object.entries(losses))('%s', (_name, run) => {
    resetServed();
    workspacePeak(); // from here on
    expect(run(x, labels).loss).toBeGreaterThan(0);
    const peak = workspacePeak() as number;
    expect(servedBy()).toEqual(['native']);
    // Below even the gradient's own sums it would not have been counted.
    expect(peak).toBeGreaterThan(n * d * 4);
    expect(peak).toBeLessThanOrEqual(mostMiB * 2 ** 20);
  });
});
