// What the losses return besides the loss: which gradients are filled, whose memory they take, and how their types say so.
import { checkMatrixOf } from '../checks.js';
import { zeros } from '../fresh.js';
import type { Matrix } from '../matrix.js';

/** Options under which the gradients are certain to be there, so that the result's type has them without a question mark. */
export interface Backward {
  readonly gradients?: true;
}

type GradientNames<Result> = Extract<keyof Result, `grad${string}`>;

/** The result where `gradients` may be false: the same, each gradient perhaps absent. */
export type OptionalGradients<Result> = Omit<Result, GradientNames<Result>> & Partial<Pick<Result, GradientNames<Result>>>;

/** The gradient to fill: the caller's, of the right shape, or a fresh one; none when gradients are not wanted. */
export function gradientOutput(name: string, given: Matrix | undefined, wanted: boolean, rows: number, cols: number): Matrix | undefined {
  const checked = given === undefined ? undefined : checkMatrixOf(`options.out.${name}`, given, rows, cols);
  return wanted ? (checked ?? zeros(rows, cols)) : undefined;
}

/** Leaves out the entries that are undefined, so that an absent gradient is an absent key. */
export function present<T extends object>(entries: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as never;
}
