// The training itself: a loss, a network and Adam for so many steps, whatever the rows are and whatever is measured afterwards.
import type { Matrix } from '../index.js';
import { Adam } from './adam.js';
import type { Mlp } from './mlp.js';
import type { Objective } from './objective.js';

export interface Training {
  /** What the network sees of these training rows. */
  readonly inputs: (rows: Int32Array) => Matrix;
  /** Class of every training row. */
  readonly labels: Int32Array;
  readonly steps: number;
}

/** Returns the loss of every step. */
export async function trainNetwork(
  network: Mlp,
  objective: Objective,
  { inputs, labels, steps }: Training,
  progress: (steps: number) => void = () => {},
): Promise<number[]> {
  const optimizer = new Adam([...network.parameters, ...objective.parameters]);
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const batch = await objective.batch(step);
    const x = network.forward(inputs(batch));
    const { loss, gradEmbeddings, gradients } = objective.cost(
      x,
      batch.map((i) => labels[i] as number),
      step,
    );
    optimizer.step([...network.backward(gradEmbeddings), ...gradients]);
    losses.push(loss);
    if (step % 10 === 9) progress(10);
  }
  progress(steps % 10);
  return losses;
}
