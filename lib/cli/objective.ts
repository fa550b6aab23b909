// What a loss of the comparison is: which rows come next, and what they cost. With what most of them share.
import { balancedBatches, type Margin, type Matrix, marginSoftmax, matrix, type Random } from '../index.js';

export interface Setting {
  /** Class of every training row, 0 to classes − 1. */
  readonly labels: Int32Array;
  readonly classes: number;
  readonly dim: number;
  readonly steps: number;
  readonly seed: number;
  /** Default 8 classes, 8 rows of each. */
  readonly batch?: { readonly classes: number; readonly perClass: number };
  readonly random: Random;
  /** Embeddings of training rows by the network as it is now. */
  readonly embed: (rows: Int32Array) => Matrix;
}

export interface Cost {
  readonly loss: number;
  readonly gradEmbeddings: Matrix;
  /** In the order of `parameters`. */
  readonly gradients: readonly Float32Array[];
}

export interface Objective {
  /** Class weights and the like, trained with the network. */
  readonly parameters: readonly Float32Array[];
  batch(step: number): Int32Array | Promise<Int32Array>;
  cost(x: Matrix, labels: Int32Array, step: number): Cost;
}

export interface ObjectiveKind {
  readonly title: string;
  readonly settings: string;
  /** How its embeddings are meant to be compared. */
  readonly score: 'cosine' | 'euclidean';
  readonly create: (setting: Setting) => Objective;
}

const usualBatch = { classes: 8, perClass: 8 };

/** What losses on pairs or triplets of their own choice divide among those. */
export const rowsPerStep = ({ batch = usualBatch }: Setting): number => batch.classes * batch.perClass;

export function balanced({ labels, classes, seed, batch = usualBatch }: Setting): () => Int32Array {
  const batches = balancedBatches(labels, { classes: Math.min(classes, batch.classes), perClass: batch.perClass, seed });
  return () => batches.next().value;
}

export function classWeights({ classes, dim, random }: Setting): Matrix {
  return matrix(
    Float32Array.from({ length: classes * dim }, () => random.normal() / Math.sqrt(dim)),
    dim,
  );
}

export const withMargin =
  (margin: (step: number, steps: number) => Margin) =>
  (setting: Setting): Objective => {
    const weights = classWeights(setting);
    return {
      parameters: [weights.data],
      batch: balanced(setting),
      cost: (x, labels, step) => {
        const { loss, gradEmbeddings, gradWeights } = marginSoftmax(x, weights, labels, { margin: margin(step, setting.steps) });
        return { loss, gradEmbeddings, gradients: [gradWeights.data] };
      },
    };
  };
