// One run of the comparison: train one loss on some classes, measure it on test rows. Everything but the timing follows from the seed.
import { createRandom, type Matrix, matrix, nearest, normalize, type Random, retrieval, roc, samplePairs } from '../index.js';
import type { Dataset, Rows } from './dataset.js';
import { Mlp } from './mlp.js';
import { objectives } from './objectives.js';
import { pairDots, pairSquaredDistances } from './rows.js';
import { trainNetwork } from './training.js';

export interface Job {
  readonly loss: string;
  readonly dim: number;
  readonly trainClasses: readonly number[];
  /** Classes never trained on; none for a run that only makes a picture. */
  readonly heldOut: readonly number[];
  readonly steps: number;
  readonly seed: number;
}

export interface VerificationFigures {
  readonly auc: number;
  readonly eer: number;
  readonly tarAtFar: number;
  readonly precisionAt1: number;
  readonly mapAtR: number;
  /** A thinned ROC polyline. */
  readonly fpr: number[];
  readonly tpr: number[];
}

export interface RunResult {
  readonly job: Job;
  /** On test rows of the trained classes, by the nearest class mean. */
  readonly accuracy: number;
  /** Mean angles in degrees between test embeddings of one class, and of two, all classes alike. */
  readonly intraAngle: number;
  readonly interAngle: number;
  readonly verification: VerificationFigures | undefined;
  /** Mean training loss over forty stretches of the run. */
  readonly curve: { readonly step: number; readonly loss: number }[];
  /** Test embeddings, for 2-D runs. */
  readonly points: { readonly x: number; readonly y: number; readonly label: number }[];
  readonly secondsPerStep: number;
}

const evaluationRows = 1000;
const classMeanRows = 2000;
const rowsPerMean = 20;
const pairCount = 6000;

/** `finished` is given the trained network. */
export async function train(
  data: Dataset,
  job: Job,
  progress: (steps: number) => void = () => {},
  finished: (network: Mlp) => Promise<void> = async () => {},
): Promise<RunResult> {
  const kind = objectives[job.loss];
  if (!kind) throw new Error(`unknown loss '${job.loss}'`);
  const random = createRandom(job.seed);
  const rows = rowsOf(data.train, job.trainClasses);
  const classOf = new Map(job.trainClasses.map((label, c) => [label, c]));
  const labels = rows.map((row) => classOf.get(data.train.labels[row] as number) as number);
  const network = new Mlp([data.inputs, 256, 128, job.dim], random);
  const embedTrain = (chosen: Int32Array): Matrix =>
    embed(
      network,
      data.train,
      chosen.map((i) => rows[i] as number),
    );
  const classes = job.trainClasses.length;
  const start = performance.now();
  const objective = kind.create({ labels, classes, dim: job.dim, steps: job.steps, seed: job.seed, random, embed: embedTrain });
  const inputs = (batch: Int32Array): Matrix => data.train.rows(batch.map((i) => rows[i] as number));
  const losses = await trainNetwork(network, objective, { inputs, labels, steps: job.steps }, progress);
  const secondsPerStep = (performance.now() - start) / 1000 / job.steps;
  await finished(network);
  return { ...measure(data, job, network, embedTrain, labels, kind.score), job, curve: curveOf(losses), secondsPerStep };
}

type Measured = Omit<RunResult, 'job' | 'curve' | 'secondsPerStep'>;

function measure(
  data: Dataset,
  job: Job,
  network: Mlp,
  embedTrain: (rows: Int32Array) => Matrix,
  labels: Int32Array,
  score: 'cosine' | 'euclidean',
): Measured {
  // Fixed by the seed alone, so that every loss is judged on the same rows and pairs.
  const random = createRandom((job.seed ^ 0x9e3779b9) >>> 0);
  const comparable = (x: Matrix): Matrix => (score === 'cosine' ? normalize(x) : x);
  const known = sample(rowsOf(data.test, job.trainClasses), evaluationRows * 2, random);
  const knownX = embed(network, data.test, known);
  const labelOf = (row: number): number => data.test.labels[row] as number;
  const knownLabels = known.map(labelOf);
  const meanRows = sample(
    Int32Array.from(labels, (_, i) => i),
    Math.max(classMeanRows, rowsPerMean * job.trainClasses.length),
    random,
  );
  const means = classMeans(
    comparable(embedTrain(meanRows)),
    meanRows.map((i) => labels[i] as number),
    job.trainClasses.length,
  );
  const guess = nearestRow(comparable(knownX), comparable(means));
  const right = guess.filter((c, i) => job.trainClasses[c] === knownLabels[i]).length;
  const angles = meanAngles(knownX, knownLabels, random);
  const unseen = sample(rowsOf(data.test, job.heldOut), evaluationRows, random);
  const verification = unseen.length > 0 ? verify(comparable(embed(network, data.test, unseen)), unseen.map(labelOf), random) : undefined;
  const points =
    job.dim === 2
      ? Array.from(known, (_, i) => ({
          x: knownX.data[2 * i] as number,
          y: knownX.data[2 * i + 1] as number,
          label: knownLabels[i] as number,
        }))
      : [];
  return { accuracy: right / known.length, ...angles, verification, points };
}

function rowsOf({ labels }: Rows, classes: readonly number[]): Int32Array {
  const wanted = new Set(classes);
  return Int32Array.from(labels, (_, i) => i).filter((i) => wanted.has(labels[i] as number));
}

function sample(rows: Int32Array, count: number, random: Random): Int32Array {
  return random.shuffle(rows.slice()).subarray(0, count);
}

function embed(network: Mlp, from: Rows, rows: Int32Array): Matrix {
  return network.forward(from.rows(rows));
}

function classMeans(x: Matrix, labels: Int32Array, classes: number): Matrix {
  const d = x.shape[1];
  const sums = new Float64Array(classes * d);
  const counts = new Int32Array(classes);
  labels.forEach((label, i) => {
    counts[label] = (counts[label] as number) + 1;
    for (let k = 0; k < d; k++) sums[label * d + k] = (sums[label * d + k] as number) + (x.data[i * d + k] as number);
  });
  return matrix(
    Float32Array.from(sums, (sum, k) => sum / Math.max(counts[Math.floor(k / d)] as number, 1)),
    d,
  );
}

function nearestRow(x: Matrix, candidates: Matrix): Int32Array {
  return nearest(x, candidates).indices.data;
}

/** Random pairs of test rows of held-out classes, as many of one class as of two, scored by −‖·‖². */
function verify(x: Matrix, labels: Int32Array, random: Random): VerificationFigures {
  const { pairs, same } = samplePairs(labels, { count: pairCount, seed: random.integer(2 ** 31) });
  const scores = Float32Array.from(pairSquaredDistances(x, pairs.data), (d) => -d);
  const { auc, eer, tarAtFar, fpr, tpr } = roc(scores, same, { fars: [0.01] });
  const { precisionAt1, mapAtR } = retrieval(x, labels);
  const thin = <T>(values: ArrayLike<T>): T[] =>
    Array.from(values).filter((_, i, all) => i % Math.ceil(all.length / 200) === 0 || i === all.length - 1);
  return { auc, eer, tarAtFar: tarAtFar[0] as number, precisionAt1, mapAtR, fpr: thin(fpr), tpr: thin(tpr) };
}

function meanAngles(x: Matrix, labels: Int32Array, random: Random): { intraAngle: number; interAngle: number } {
  const { pairs, same } = samplePairs(labels, { count: pairCount, seed: random.integer(2 ** 31) });
  const angles = pairDots(normalize(x), pairs.data).map((c) => (Math.acos(Math.max(-1, Math.min(1, c))) * 180) / Math.PI);
  const mean = (flag: number): number => {
    const own = angles.filter((_, i) => same[i] === flag);
    return own.reduce((a, b) => a + b, 0) / own.length;
  };
  return { intraAngle: mean(1), interAngle: mean(0) };
}

function curveOf(losses: readonly number[]): { step: number; loss: number }[] {
  const width = Math.max(1, Math.ceil(losses.length / 40));
  const curve = [];
  for (let at = 0; at < losses.length; at += width) {
    const part = losses.slice(at, at + width);
    curve.push({ step: at + part.length, loss: part.reduce((a, b) => a + b, 0) / part.length });
  }
  return curve;
}
