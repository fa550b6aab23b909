// The losses over the pairs and triplets of one labelled batch, forward and backward: [N, d], 4 rows a class, or [N, d, rows a class].
import * as hs from '../lib/index.js';
import { type Bar, type Row, uniforms } from './row.js';

type Loss = (x: hs.Matrix, labels: Int32Array, out: { gradEmbeddings: hs.Matrix }) => unknown;

function batch(op: string, shape: readonly number[], bars: readonly Bar[], loss: Loss, mostExtraMiB?: number): Row {
  const [n = 0, d = 0, perClass = 4] = shape;
  return {
    op,
    shape,
    flops: 6 * n * n * d,
    bars,
    ...(mostExtraMiB !== undefined && { mostExtraMiB }),
    tooSlowOnTs: n > 512,
    bestOnly: n > 4096,
    prepare: () => {
      const x = uniforms(n, d, 1);
      const labels = Int32Array.from({ length: n }, (_, i) => Math.floor(i / perClass));
      const out = { gradEmbeddings: hs.matrix(new Float32Array(n * d), d) };
      return () => loss(x, labels, out);
    },
  };
}

const torch = (atLeast: number): Bar[] => [{ peer: 'torch', atLeast }];
const raw = { normalize: false } as const;
const batchHard: Loss = (x, y, out) => hs.batchTripletLoss(x, y, { mining: 'batchHard', ...raw, reduction: 'mean', out });
const batchAll: Loss = (x, y, out) => hs.batchTripletLoss(x, y, { mining: 'all', ...raw, reduction: 'meanPositive', out });
const supCon: Loss = (x, y, out) => hs.supConLoss(x, y, { temperature: 0.1, out });

/** The product is all the arithmetic that counts; the result is allocated in the call. */
function miner(op: string, shape: readonly number[], bars: readonly Bar[], mine: Loss): Row {
  const [n = 0, d = 0] = shape;
  return { ...batch(op, shape, bars, mine, 64), flops: 2 * n * n * d };
}

export const batchRows: readonly Row[] = [
  batch('batchHard', [512, 128], [...torch(5), { peer: 'ts', atLeast: 15 }], batchHard),
  batch('batchHard', [2048, 128], torch(10), batchHard),
  batch('batchHard', [4096, 128], torch(20), batchHard),
  batch('batchAll', [1024, 128], [...torch(3), { peer: 'torchMetricLearning', atLeast: 50 }], batchAll),
  batch('batchAll', [2048, 128], torch(6), batchAll),
  batch('batchAll', [2048, 128, 32], [], batchAll, 64),
  batch('batchAll', [4096, 128], [], batchAll, 64),
  batch('batchAll', [8192, 128], [], batchAll, 64),
  batch('supcon', [1024, 128], torch(2), supCon),
  batch('supcon', [4096, 128], torch(8), supCon, 64),
  batch('contrastive', [2048, 128], torch(4), (x, y, out) =>
    hs.batchContrastiveLoss(x, y, { posMargin: 0, negMargin: 1, reduction: 'mean', out }),
  ),
  batch('multiSimilarity', [2048, 128], torch(4), (x, y, out) => hs.multiSimilarityLoss(x, y, { alpha: 2, beta: 50, base: 0.5, out })),
  batch('circle', [2048, 128], torch(4), (x, y, out) => hs.circleLoss(x, y, { m: 0.25, gamma: 80, out })),
  miner('mineTriplets semiHard', [512, 128], [{ peer: 'ts', atLeast: 10 }], (x, y) => hs.mineTriplets(x, y, { strategy: 'semiHard' })),
  miner('mineTriplets semiHard', [2048, 128], [], (x, y) => hs.mineTriplets(x, y, { strategy: 'semiHard' })),
  miner('minePairs multiSimilarity', [512, 128], [{ peer: 'ts', atLeast: 10 }], (x, y) => hs.minePairs(x, y)),
];
