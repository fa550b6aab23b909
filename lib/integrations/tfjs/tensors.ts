// Between tfjs and the flat arrays of the losses: what a tensor must be, and how its values are read and given back.
import { mul, Tensor, type Tensor as TensorType, tensor } from '@tensorflow/tfjs-core';
import { looksLikeMatrix } from '../../checks.js';
import { describe, failure } from '../../errors.js';
import type { Labels, Matrix } from '../../index.js';

/** Rows of float32. A tensor gets a gradient; a matrix is a constant in the caller's own memory, which does not cross. */
export type Rows = TensorType | Matrix;

/** One integer a row: an int32 tensor of rank 1, or what the package's own losses take. */
export type TensorLabels = TensorType | Labels;

const rankOf = (rank: number): string => `a tensor of rank ${rank}`;

function check(argument: string, value: TensorType, dtypes: readonly string[], rank: number): void {
  if (value.isDisposed) throw failure('ERR_DETACHED', argument, 'a live tensor', 'a disposed one');
  if (!dtypes.includes(value.dtype)) throw failure('ERR_TYPE', argument, `a tensor of ${dtypes.join(' or ')}`, `one of ${value.dtype}`);
  if (value.shape.length !== rank) throw failure('ERR_SHAPE', argument, rankOf(rank), `shape [${value.shape.join(', ')}]`);
}

export const isTensor = (value: unknown): value is TensorType => value instanceof Tensor;

export function matrixOf(argument: string, value: unknown): Matrix {
  if (isTensor(value)) {
    check(argument, value, ['float32'], 2);
    return { data: value.dataSync<'float32'>(), shape: value.shape as [number, number] };
  }
  if (looksLikeMatrix(value)) return value;
  throw failure('ERR_TYPE', argument, `${rankOf(2)} or { data: Float32Array, shape: [rows, cols] }`, describe(value));
}

export function vectorOf(argument: string, value: unknown): Float32Array {
  if (isTensor(value)) {
    check(argument, value, ['float32'], 1);
    return value.dataSync<'float32'>();
  }
  if (value instanceof Float32Array) return value;
  throw failure('ERR_TYPE', argument, `${rankOf(1)} or a Float32Array`, describe(value));
}

/** Arrays are left to the loss, which knows how many it needs and in which range. */
export function labelsOf(argument: string, value: unknown, dtypes: readonly string[] = ['int32']): Labels {
  if (!isTensor(value)) return value as Labels;
  check(argument, value, dtypes, 1);
  return value.dataSync<'int32'>();
}

/** dy times a gradient. The usual dy is 1, which would cost a pass over all weights to multiply by. */
export function scaledBy(dy: TensorType, gradient: Matrix | Float32Array): TensorType {
  const values = gradient instanceof Float32Array ? tensor(gradient, [gradient.length]) : tensor(gradient.data, [...gradient.shape]);
  return dy.dataSync()[0] === 1 ? values : mul(values, dy);
}
