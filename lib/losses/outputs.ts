// What the losses return besides the loss: which gradients are filled, whose memory they take, and how their types say so.
import { checkBoolean, checkMatrixOf, checkOut } from '../checks.js';
import { zeros } from '../fresh.js';
import type { Matrix } from '../matrix.js';

/** What every loss takes besides options of its own: what of its gradients is wanted, and where it goes. */
export interface GradientOptions<Name extends string> {
  /** `false` skips the backward pass, and the result has no gradients. Default true. */
  readonly gradients?: boolean;
  /** Your memory for gradients, each of its shape and apart from the inputs; the result then has these. */
  readonly out?: { readonly [Key in Name]?: Matrix };
}

/** Options under which the gradients are certain to be there, so that the result's type has them without a question mark. */
export interface Backward {
  /** Left out or true: the result has all gradients. */
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

/** The gradients to fill, each of this shape, and the same by the names that a check of their memory goes by. */
export function gradientOutputs<Name extends string>(
  options: GradientOptions<Name>,
  shapes: { readonly [Key in Name]: readonly [rows: number, cols: number] },
) {
  const names = Object.keys(shapes) as Name[];
  const out = checkOut<{ readonly [Key in Name]?: Matrix }>(options.out, names);
  const wanted = checkBoolean('options.gradients', options.gradients ?? true);
  const outputs = names.map((name) => {
    const [rows, cols]: readonly [number, number] = shapes[name];
    return [name, gradientOutput(name, out[name], wanted, rows, cols)] as const;
  });
  return {
    gradients: Object.fromEntries(outputs) as { readonly [Key in Name]: Matrix | undefined },
    memory: Object.fromEntries(outputs.map(([name, output]) => [`options.out.${name}`, output])),
  };
}

/** Leaves out the entries that are undefined, so that an absent gradient is an absent key. */
export function present<T extends object>(entries: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined)) as never;
}
