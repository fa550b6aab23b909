// The losses of the main job with the settings of their papers, and every other one.
import {
  annealedLambda,
  arcFace,
  aSoftmax,
  batchTripletLoss,
  Centers,
  contrastiveLoss,
  cosFace,
  hardmaxHingeLoss,
  type IndexMatrix,
  linearCrossEntropy,
  lSoftmax,
  type Matrix,
  matmul,
  matrix,
  minePairs,
  normalize,
  normalizeGradient,
  OfflineMiner,
  samplePairs,
  takeRows,
  tripletLoss,
} from '../index.js';
import { furtherObjectives } from './further-objectives.js';
import {
  balanced,
  type Cost,
  classWeights,
  type Objective,
  type ObjectiveKind,
  rowsPerStep,
  type Setting,
  withMargin,
} from './objective.js';
import { addToRows, sumOfRows } from './rows.js';

function overLinear(setting: Setting, cost: (x: Matrix, w: Matrix, bias: Float32Array, labels: Int32Array) => Cost): Objective {
  const weights = classWeights(setting);
  const bias = new Float32Array(setting.classes);
  const next = balanced(setting);
  return { parameters: [weights.data, bias], batch: next, cost: (x, labels) => cost(x, weights, bias, labels) };
}

const softmaxCost = (x: Matrix, w: Matrix, bias: Float32Array, labels: Int32Array): Cost => {
  const { loss, gradEmbeddings, gradWeights, gradBias } = linearCrossEntropy(x, w, labels, { bias });
  return { loss, gradEmbeddings, gradients: [gradWeights.data, gradBias as Float32Array] };
};

const hingeCost = (x: Matrix, w: Matrix, bias: Float32Array, labels: Int32Array): Cost => {
  const logits = matmul(x, w, { transposeB: true });
  addToRows(logits, bias);
  const { loss, gradLogits: grad } = hardmaxHingeLoss(logits, labels, { margin: 1 });
  return { loss, gradEmbeddings: matmul(grad, w), gradients: [matmul(grad, x, { transposeA: true }).data, sumOfRows(grad)] };
};

/** The Caffe examples anneal over some 20,000 iterations; a shorter run walks the same schedule in larger steps. */
const iterationOf = (step: number, steps: number): number => Math.round((step * 20_000) / steps);

/** Contrastive loss over (i, j) rows of x, its gradients added back to those rows. */
function pairCost(x: Matrix, pairs: IndexMatrix, same: ArrayLike<number>): Cost {
  const [first, second] = [0, 1].map((side) => pairs.data.filter((_, i) => i % 2 === side)) as [Int32Array, Int32Array];
  const { loss, gradX1, gradX2 } = contrastiveLoss(takeRows(x, first), takeRows(x, second), Int32Array.from(same), { margin: 1 });
  const gradEmbeddings = matrix(new Float32Array(x.data.length), x.shape[1]);
  addRows(gradEmbeddings, first, gradX1);
  addRows(gradEmbeddings, second, gradX2);
  return { loss, gradEmbeddings, gradients: [] };
}

function addRows(target: Matrix, rows: Int32Array, source: Matrix): void {
  const d = target.shape[1];
  rows.forEach((row, i) => {
    for (let k = 0; k < d; k++) target.data[row * d + k] = (target.data[row * d + k] as number) + (source.data[i * d + k] as number);
  });
}

function contrastiveRandom(setting: Setting): Objective {
  const { labels, seed, steps } = setting;
  const count = Math.floor(rowsPerStep(setting) / 2);
  // All steps' pairs at once: a draw walks the labels of the whole data set.
  const { pairs, same } = samplePairs(labels, { count: count * steps, seed });
  const ofStep: IndexMatrix = { data: Int32Array.from({ length: 2 * count }, (_, i) => i), shape: [count, 2] };
  return {
    parameters: [],
    batch: (step) => pairs.data.subarray(2 * count * step, 2 * count * (step + 1)),
    cost: (x, _labels, step) => pairCost(x, ofStep, same.subarray(count * step, count * (step + 1))),
  };
}

function contrastiveHard(setting: Setting): Objective {
  return {
    parameters: [],
    batch: balanced(setting),
    cost: (x, labels) => {
      const { positivePairs, negativePairs } = minePairs(x, labels, { strategy: 'batchHard', distance: 'euclidean', normalize: false });
      const data = Int32Array.of(...positivePairs.data, ...negativePairs.data);
      const same = Uint8Array.from({ length: data.length / 2 }, (_, i) => (i < positivePairs.shape[0] ? 1 : 0));
      return pairCost(x, { data, shape: [data.length / 2, 2] }, same);
    },
  };
}

function tripletBatchHard(setting: Setting): Objective {
  return {
    parameters: [],
    batch: balanced(setting),
    cost: (x, labels) => {
      // The paper's own form: rows as they are, softplus for the hinge; the hinge on unit rows tends to collapse to one point.
      const options = { mining: 'batchHard', distance: 'euclidean', normalize: false, margin: 0, soft: true, reduction: 'mean' } as const;
      const { loss, gradEmbeddings } = batchTripletLoss(x, labels, options);
      return { loss, gradEmbeddings, gradients: [] };
    },
  };
}

function tripletOffline(setting: Setting): Objective {
  const { labels, classes, steps, seed, random, embed } = setting;
  const perStep = Math.floor(rowsPerStep(setting) / 3);
  const every = Math.max(1, Math.round(steps / 8));
  const miner = new OfflineMiner({
    labels,
    every,
    // Of many classes a selection has to show more than a few; its triplets are then as many as are handed out.
    subset: Math.max(240, Math.min(2000, classes)),
    margin: 0.2,
    distance: 'squaredEuclidean',
    normalize: true,
    seed,
    maxTriplets: 20_000,
  });
  let triplets: IndexMatrix = { data: new Int32Array(0), shape: [0, 3] };
  return {
    parameters: [],
    batch: async (step) => {
      if (miner.due(step)) {
        const found = await miner.refresh(embed);
        // A selection may come back empty; the last one goes on then.
        if (found.shape[0] > 0) triplets = found;
      }
      if (triplets.shape[0] === 0) throw new Error('the offline selection found no semi-hard triplet to start from');
      const chosen = Array.from({ length: perStep }, () => 3 * random.integer(triplets.shape[0]));
      return Int32Array.from([0, 1, 2].flatMap((role) => chosen.map((at) => triplets.data[at + role] as number)));
    },
    cost: (x) => {
      const unit = normalize(x);
      const d = x.shape[1];
      const part = (role: number): Matrix => matrix(unit.data.subarray(role * perStep * d, (role + 1) * perStep * d), d);
      const gradUnit = matrix(new Float32Array(x.data.length), d);
      const gradOf = (role: number): Matrix => matrix(gradUnit.data.subarray(role * perStep * d, (role + 1) * perStep * d), d);
      const out = { gradAnchor: gradOf(0), gradPositive: gradOf(1), gradNegative: gradOf(2) };
      const { loss } = tripletLoss(part(0), part(1), part(2), { margin: 0.2, out });
      return { loss, gradEmbeddings: normalizeGradient(x, gradUnit), gradients: [] };
    },
  };
}

// One of the weights of the paper's own MNIST figure (0.001 to 1).
const centerWeight = 0.1;
function softmaxCenter(setting: Setting): Objective {
  const centers = new Centers({ classes: setting.classes, dim: setting.dim, alpha: 0.5 });
  return overLinear(setting, (x, w, bias, labels) => {
    const softmax = softmaxCost(x, w, bias, labels);
    const center = centers.loss(x, labels);
    centers.update(x, labels);
    const pull = center.gradEmbeddings;
    const gradEmbeddings = matrix(
      softmax.gradEmbeddings.data.map((g, i) => g + centerWeight * (pull.data[i] as number)),
      x.shape[1],
    );
    return { ...softmax, loss: softmax.loss + centerWeight * center.loss, gradEmbeddings };
  });
}

/** Those of `npm start`. */
const compared: Readonly<Record<string, ObjectiveKind>> = {
  softmax: { title: 'Softmax', settings: 'linear layer with bias', score: 'euclidean', create: (s) => overLinear(s, softmaxCost) },
  hardmaxHinge: { title: 'Hardmax (hinge)', settings: 'margin 1', score: 'euclidean', create: (s) => overLinear(s, hingeCost) },
  contrastiveRandom: {
    title: 'Contrastive, random pairs',
    settings: 'margin 1, half of the pairs positive',
    score: 'euclidean',
    create: contrastiveRandom,
  },
  contrastiveHard: {
    title: 'Contrastive, hard pairs',
    settings: 'margin 1, hardest of each row',
    score: 'euclidean',
    create: contrastiveHard,
  },
  tripletBatchHard: {
    title: 'Triplet, batch-hard',
    settings: 'soft margin, rows as they are (Hermans et al.)',
    score: 'euclidean',
    create: tripletBatchHard,
  },
  tripletOffline: {
    title: 'Triplet, offline',
    settings: 'unit rows, squared, margin 0.2, FaceNet semi-hard',
    score: 'cosine',
    create: tripletOffline,
  },
  softmaxCenter: { title: 'Softmax + center', settings: `center weight ${centerWeight}, α 0.5`, score: 'euclidean', create: softmaxCenter },
  lSoftmax: {
    title: 'L-Softmax',
    settings: 'm 2, λ 1000 → 0 (γ 2.5e-5, power 35)',
    score: 'cosine',
    create: withMargin((step, steps) => {
      const lambda = annealedLambda(iterationOf(step, steps), { base: 1000, gamma: 2.5e-5, power: 35, lambdaMin: 0 });
      return lSoftmax({ m: 2, lambda });
    }),
  },
  aSoftmax: {
    title: 'A-Softmax',
    settings: 'm 4, λ 1000 → 5 (γ 0.12)',
    score: 'cosine',
    create: withMargin((step, steps) => aSoftmax({ m: 4, lambda: annealedLambda(iterationOf(step, steps)) })),
  },
  cosFace: { title: 'CosFace', settings: 's 30, m 0.35', score: 'cosine', create: withMargin(() => cosFace({ s: 30, m: 0.35 })) },
  arcFace: {
    title: 'ArcFace',
    settings: 's 30, m 0.5, linear beyond π',
    score: 'cosine',
    create: withMargin(() => arcFace({ s: 30, m: 0.5 })),
  },
};

/** Every loss that can be trained, by the name of its function or of its form. */
export const objectives: Readonly<Record<string, ObjectiveKind>> = { ...compared, ...furtherObjectives };
export const usualLosses = Object.keys(compared);
