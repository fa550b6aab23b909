// One adapter makes every loss an op of tfjs: value and gradients come from one native pass, at the call, and the tape gets them
// as constants. So tfjs sees neither the comparisons nor the stopped gradients that it has no derivatives for.
import { customGrad, engine, type Scalar, scalar, type Tensor } from '@tensorflow/tfjs-core';
import { describe, failure } from '../../errors.js';
import type { Matrix } from '../../index.js';
import { isTensor, labelsOf, matrixOf, scaledBy, vectorOf } from './tensors.js';

/** An argument of a loss: how it is read, and under which name the result has its gradient. */
export interface Slot {
  readonly argument: string;
  readonly read: (argument: string, value: unknown) => unknown;
  readonly gradient?: string;
  /** The option that asks for this gradient, where the loss does not return it by itself. */
  readonly asked?: string;
}

export const rows = (argument: string, gradient: string, asked?: string): Slot => ({
  argument,
  read: matrixOf,
  gradient,
  ...(asked && { asked }),
});
export const vector = (argument: string, gradient: string): Slot => ({ argument, read: vectorOf, gradient });
export const labels: Slot = { argument: 'labels', read: labelsOf };
export const flags: Slot = { argument: 'same', read: (argument, value) => labelsOf(argument, value, ['int32', 'bool']) };

export type OpOptions<Options, Result> = Omit<Options, 'gradients' | 'out' | 'gradCenters' | 'bias'> & {
  /** Gets the result of the pass at the call: terms of single rows, counts, a margin moved on; its gradients, while tfjs records some, are for reading only. */
  readonly onResult?: (result: Result) => void;
};

interface Result {
  readonly loss: number;
}

/** An op that stands in the tape with these gradients; `gradients` belong to `tensors` one by one. */
export function recorded(loss: number, tensors: readonly Tensor[], gradients: readonly (Matrix | Float32Array)[]): Scalar {
  const op = customGrad(() => ({
    value: scalar(loss),
    gradFunc: (dy: Tensor) => {
      // The gradients are constants to tfjs, so what it derived from them would be a silent zero.
      if (recording()) throw failure('ERR_TYPE', 'loss', 'a first derivative', 'a derivative of its gradient');
      return gradients.map((gradient) => scaledBy(dy, gradient));
    },
  }));
  return op(...tensors) as Scalar;
}

/** Whether tfjs is going to ask for gradients of what is computed now. */
export const recording = (): boolean => engine().isTapeOn();

/** What is the op's own in the options; the rest is the loss's, as are the complaints about it. */
export function splitOptions(options: unknown): { readonly onResult: ((result: never) => void) | undefined; readonly rest: object } {
  if (typeof options !== 'object' || options === null) throw failure('ERR_TYPE', 'options', 'an object', describe(options));
  for (const name of ['gradients', 'out']) {
    if (name in options) throw failure('ERR_OPTION_RANGE', `options.${name}`, 'none: gradients are asked for and kept by tfjs', 'one');
  }
  const { onResult, ...rest } = options as { onResult?: (result: never) => void };
  if (onResult !== undefined && typeof onResult !== 'function')
    throw failure('ERR_TYPE', 'options.onResult', 'a function', describe(onResult));
  return { onResult, rest };
}

/** The loss as an op. Its arguments are those of `slots` in order, then the options, one of which may be a slot too: `options.bias`. */
export function operation<Op extends (...args: never[]) => Scalar>(
  loss: (...args: never[]) => Result,
  slots: readonly Slot[],
  option?: Slot,
): Op {
  const op = (...args: unknown[]): Scalar => {
    const { onResult, rest } = splitOptions(args[slots.length] ?? {});
    const given = slots.map((slot, i) => ({ slot, value: args[i] }));
    const own: Record<string, unknown> = { ...rest, gradients: recording() };
    const values = given.map(({ slot, value }) => slot.read(slot.argument, value));
    if (option !== undefined) {
      const name = option.argument.replace('options.', '');
      const value = own[name];
      if (value !== undefined) {
        own[name] = option.read(option.argument, value);
        given.push({ slot: option, value });
      }
    }
    const wanted = given.filter(({ slot, value }) => slot.gradient !== undefined && isTensor(value));
    const [first] = slots as [Slot];
    if (wanted.length === 0) throw failure('ERR_TYPE', first.argument, 'at least one tensor with a gradient', 'constants alone');
    for (const { slot } of wanted) if (slot.asked !== undefined) own[slot.asked] = true;
    const result = loss(...([...values, own] as never[]));
    onResult?.(result as never);
    const gradients = own['gradients'] ? wanted.map(({ slot }) => result[slot.gradient as keyof Result] as unknown as Matrix) : [];
    return recorded(
      result.loss,
      wanted.map(({ value }) => value as Tensor),
      gradients,
    );
  };
  return op as unknown as Op;
}
