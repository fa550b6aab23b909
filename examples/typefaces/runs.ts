// One loss trained and verified, and what it has to beat. Everything follows from the seed.

import { Mlp } from '../../lib/cli/mlp.js';
import { objectives } from '../../lib/cli/objectives.js';
import { trainNetwork } from '../../lib/cli/training.js';
import { createRandom, type Matrix, normalize, takeRows } from '../../lib/index.js';
import { type Glyphs, type Split, shifted } from './data.js';
import { type Figures, figuresOf, standardized } from './verify.js';

export interface Plan {
  readonly steps: number;
  readonly dim: number;
  readonly seed: number;
  readonly batch: { readonly classes: number; readonly perClass: number };
}

export interface Run {
  readonly title: string;
  readonly settings: string;
  /** Characters never trained on, in every typeface. */
  readonly unseen: Figures;
  /** Of those, typefaces never trained on. */
  readonly unseenFonts: Figures;
  /** Mean training loss of the first and the last tenth. */
  readonly loss?: readonly [first: number, last: number];
}

const newNetwork = (glyphs: Glyphs, { dim, seed }: Plan): Mlp => new Mlp([glyphs.size ** 2, 256, 128, dim], createRandom(seed));

type Representation = (pictures: Matrix) => Matrix;

function verified(
  glyphs: Glyphs,
  { unseen, unseenFonts }: Split,
  seed: number,
  represent: Representation,
): Pick<Run, 'unseen' | 'unseenFonts'> {
  const figures = (rows: Int32Array): Figures =>
    figuresOf(
      represent(takeRows(glyphs.x, rows)),
      rows.map((row) => glyphs.labels[row] as number),
      seed,
    );
  return { unseen: figures(unseen), unseenFonts: figures(unseenFonts) };
}

/** Without training: the correlation of the pixels, and the network as it starts. */
export function baselines(glyphs: Glyphs, split: Split, plan: Plan): Run[] {
  const network = newNetwork(glyphs, plan);
  const embed: Representation = (pictures) => normalize(network.forward(pictures));
  return [
    { title: 'pixel correlation', settings: 'no network', ...verified(glyphs, split, plan.seed, standardized) },
    { title: 'untrained network', settings: 'cosine', ...verified(glyphs, split, plan.seed, embed) },
  ];
}

export async function run(glyphs: Glyphs, split: Split, plan: Plan, loss: string): Promise<Run> {
  const kind = objectives[loss];
  if (!kind) throw new Error(`unknown loss '${loss}'`);
  const random = createRandom(plan.seed + 1);
  const network = newNetwork(glyphs, plan);
  const rowsOf = (chosen: Int32Array): Int32Array => chosen.map((i) => split.train[i] as number);
  const objective = kind.create({
    ...plan,
    labels: split.trainLabels,
    classes: split.classes,
    random,
    embed: (chosen) => network.forward(takeRows(glyphs.x, rowsOf(chosen))),
  });
  const inputs = (chosen: Int32Array): Matrix => shifted(glyphs, rowsOf(chosen), random);
  const losses = await trainNetwork(network, objective, { inputs, labels: split.trainLabels, steps: plan.steps });
  const comparable = kind.score === 'cosine' ? normalize : (x: Matrix): Matrix => x;
  const tenth = Math.max(1, Math.floor(losses.length / 10));
  const mean = (part: readonly number[]): number => part.reduce((a, b) => a + b, 0) / part.length;
  return {
    title: kind.title,
    settings: kind.settings,
    ...verified(glyphs, split, plan.seed, (pictures) => comparable(network.forward(pictures))),
    loss: [mean(losses.slice(0, tenth)), mean(losses.slice(-tenth))],
  };
}
