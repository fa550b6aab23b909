// Every function of the package as a call without arguments, over small inputs that are made once: what the soak repeats. The tables of the
// command and of the memory tests have the ops; what neither has is here.
import { opCases, opInputs } from '../../lib/cli/op-cases.js';
import * as hs from '../../lib/index.js';
import * as off from '../../lib/promises.js';
import { normalMatrix } from '../helpers/data.js';
import { entries } from '../helpers/entries.js';

/** A promise where the op leaves the loop. */
export type Run = () => unknown;

const inputs = opInputs(24, 16, 6, 1);
const { x, y, weights, labels } = inputs;
const same = labels.map((label) => label & 1);
const scores = Float32Array.from({ length: 24 }, (_, i) => Math.sin(i));
const bits = hs.toBfloat16(weights.data);
const doubled = normalMatrix(12, 16, 2);
const gallery = new hs.Gallery({ data: bits, shape: weights.shape }, { labels: labels.subarray(0, 6) });
const head = new hs.ClassifierHead({ classes: 6, dim: 16, margin: hs.curricularFace(), sampleRate: 0.5 });
const centers = new hs.Centers({ classes: 6, dim: 16 });
const queue = new hs.CrossBatchMemory({ capacity: 40, dim: 16 });
const miner = new hs.OfflineMiner({ labels, every: 1, subset: 12 });

/** A promise that is aborted; it may have settled before. */
function aborted(when: (abort: () => void) => void): Run {
  return () => {
    const controller = new AbortController();
    const promise = off.distances(x, y, { signal: controller.signal });
    when(() => controller.abort('enough'));
    return promise.catch((error) => {
      if (error !== 'enough') throw error;
    });
  };
}

/** A call that fails: its way out may leak as well. */
function refused(run: Run): Run {
  return async () => {
    const outcome = await Promise.resolve()
      .then(run)
      .catch((error: unknown) => error);
    if ((outcome as { code?: string }).code !== 'ERR_SHAPE') throw new Error('this should have been refused', { cause: outcome });
  };
}

/** Runs through a generator to its end. */
function drained(items: Iterable<unknown>): number {
  let count = 0;
  for (const _ of items) count++;
  return count;
}

const further: Readonly<Record<string, Run>> = {
  'marginSoftmax, subCenters': () => hs.marginSoftmax(x, doubled, labels, { margin: hs.subCenters(2, hs.arcFace()) }),
  'marginSoftmax, softTriple': () => hs.marginSoftmax(x, doubled, labels, { margin: hs.softTriple({ k: 2 }) }),
  'marginSoftmax, p2sGrad': () => hs.marginSoftmax(x, weights, labels, { margin: hs.p2sGrad() }),
  'mineTriplets, faceNetSemiHard': () => hs.mineTriplets(x, labels, { strategy: 'faceNetSemiHard' }),
  'mineTriplets, all': () => hs.mineTriplets(x, labels, { strategy: 'all', subsample: 50 }),
  'minePairs, easyHard': () => hs.minePairs(x, labels, { strategy: 'easyHard' }),
  mineTripletsOffline: () => hs.mineTripletsOffline(x, labels, { candidates: 4 }),
  'OfflineMiner.refresh': () => miner.refresh((rows) => hs.takeRows(x, rows)),
  roc: () => hs.roc(scores, same),
  clustering: () => hs.clustering(labels, same),
  samplePairs: () => hs.samplePairs(labels, { count: 20 }),
  balancedBatches: () => hs.balancedBatches(labels, { classes: 2, perClass: 2 }).next(),
  distanceChunks: () => drained(hs.distanceChunks(x, weights, { workspaceBytes: 400 })),
  toBfloat16: () => hs.toBfloat16(x.data),
  fromBfloat16: () => hs.fromBfloat16(bits),
  alloc: () => hs.alloc(24, 16),
  matrix: () => hs.matrix(x.data, 16),
  createRandom: () => hs.createRandom(1).normal(),
  // The collector does not know what shared memory weighs: between two collections 2 MiB a call would be gigabytes.
  'createCollectives and attachCollective': () => hs.createCollectives(2, { slotBytes: 1024 }).map(hs.attachCollective),
  'ClassifierHead, a sampled step with state': () => head.step(x, labels),
  'ClassifierHead.predict': () => head.predict(x, { k: 3 }),
  'Gallery of bfloat16 rows': () => gallery.search(x, { k: 2, filter: 'same', labels }),
  'search, a promise of bfloat16 rows': () => off.search(gallery, x, { k: 2 }),
  'Centers.update': () => centers.update(x, labels),
  'CrossBatchMemory.enqueue, and a loss beside it': () => {
    queue.enqueue(y, labels);
    return hs.supConLoss(x, labels, { memory: queue });
  },
  info: () => hs.info().threads,
  'an argument that is refused': refused(() => hs.matmul(x, y)),
  'a promise that is refused': refused(() => off.matmul(x, y)),
  'a promise that is aborted in the queue': aborted((abort) => abort()),
  'a promise that is aborted as it runs': aborted(setImmediate),
};

const fromEntries = entries.map(({ name, inputs: shapes, options, run }): [string, Run] => {
  const given = Object.fromEntries(Object.entries(shapes).map(([input, [rows, cols]], i) => [input, normalMatrix(rows, cols, i + 1)]));
  return [`${name} (4 × 3)`, () => run(given, (options ?? {}) as never)];
});

export const soakCases: Readonly<Record<string, Run>> = {
  ...Object.fromEntries(Object.entries(opCases).map(([name, run]): [string, Run] => [name, () => run(inputs)])),
  ...Object.fromEntries(fromEntries),
  ...further,
};
