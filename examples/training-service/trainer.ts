// What is trained: a classifier head and the centers of center loss, moved together by one step that happens whole or not at all.
import { arcFace, Centers, ClassifierHead, type Matrix, sgd } from 'hypersphere';
import { loadCheckpoint, saveCheckpoint } from './checkpoints.js';
import { completeAnswer, decodeBatch, Malformed, newAnswer } from './protocol.js';

export interface TrainerOptions {
  /** C */
  readonly classes: number;
  /** D */
  readonly dim: number;
  readonly seed: number;
  readonly learningRate: number;
  /** λ of loss = head's + λ · center loss. */
  readonly centerWeight: number;
  /** Of the checkpoints. */
  readonly folder: string;
}

function allFinite(data: Float32Array): boolean {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return false;
  return true;
}

export class Trainer {
  private constructor(
    readonly head: ClassifierHead,
    readonly centers: Centers,
    private readonly options: TrainerOptions,
  ) {}

  /** From the newest checkpoint, or from the seed. What the file says of margin and optimizer holds, the options must agree in C and D. */
  static async start(options: TrainerOptions): Promise<Trainer> {
    const { classes, dim, seed, learningRate, folder } = options;
    const saved = await loadCheckpoint(folder);
    const head =
      saved?.head ??
      new ClassifierHead({ classes, dim, margin: arcFace(), optimizer: sgd({ learningRate, momentum: 0.9, weightDecay: 5e-4 }), seed });
    const centers = new Centers({ classes, dim });
    if (saved) {
      const found = [head.classes, head.dim, ...saved.centers.shape].join(' × ');
      if (found !== [classes, dim, classes, dim].join(' × '))
        throw new Error(`${folder}: the checkpoint is of ${found}, not ${classes} × ${dim}`);
      centers.matrix.data.set(saved.centers.data);
    }
    return new Trainer(head, centers, options);
  }

  get steps(): number {
    return this.head.steps;
  }

  /**
   * The answer to a batch. Whatever throws does so before anything has moved: the center loss checks rows and labels without a change, the head's
   * step is whole or not at all, and the centers' update takes the arguments that the center loss took.
   */
  step(batch: ArrayBuffer): ArrayBuffer {
    const { x, labels } = decodeBatch(batch);
    const { head, centers } = this;
    const { centerWeight, learningRate } = this.options;
    const center = centers.loss(x, labels);
    // The library takes any number; one row of NaN or of 10³⁰ would stay in the centers for good.
    if (!allFinite(x.data) || !allFinite(center.perExample))
      throw new Malformed('finite rows at a finite distance from the centers', 'others');
    const { buffer, gradEmbeddings } = newAnswer(...x.shape);
    const { loss } = head.step(x, labels, { learningRate, out: { gradEmbeddings } });
    centers.update(x, labels);
    addScaled(gradEmbeddings, center.gradEmbeddings, centerWeight);
    completeAnswer(buffer, loss + centerWeight * center.loss, head.steps);
    return buffer;
  }

  save(): Promise<void> {
    return saveCheckpoint(this.options.folder, this.head, this.centers.matrix);
  }
}

function addScaled(sum: Matrix, term: Matrix, factor: number): void {
  for (let i = 0; i < sum.data.length; i++) sum.data[i] = (sum.data[i] as number) + factor * (term.data[i] as number);
}
