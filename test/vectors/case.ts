// One reference case and the comparison with what came. The format is described in data/README.md.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Matrix, matrix } from '../../lib/index.js';

export interface Tensor {
  readonly shape: readonly number[];
  readonly dtype: 'f32' | 'f64' | 'i32';
  readonly data: readonly (number | null)[];
}

export interface VectorCase {
  readonly id: string;
  readonly op: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly expected: Readonly<Record<string, Tensor>>;
  readonly hint: Readonly<Record<string, { readonly input_ulp?: number; readonly f32?: number }>>;
}

export type Results = Record<string, ArrayLike<number> | number>;

export function readCases(directory: string): VectorCase[] {
  const read = (file: string): unknown => JSON.parse(readFileSync(join(directory, file), 'utf8'));
  return (read('index.json') as { file: string }[]).map(({ file }) => read(file) as VectorCase);
}

export function floats(tensor: Tensor): Float32Array {
  return Float32Array.from(tensor.data as number[]);
}

export function integers(tensor: Tensor): Int32Array {
  return Int32Array.from(tensor.data as number[]);
}

export function matrixOf(tensor: Tensor): Matrix {
  return matrix(floats(tensor), tensor.shape[tensor.shape.length - 1] as number);
}

export interface Verdict {
  /** Worst |got − expected| as a multiple of the tolerance, over all outputs. */
  readonly worst: number;
  /** What is wrong, or nothing. */
  readonly faults: readonly string[];
}

/** |got − expected| ≤ 1e-6 + 2e-5·max|expected| + 8·max(hint), elementwise; integers exactly; null is any finite number. */
export function compare(test: VectorCase, results: Results): Verdict {
  const faults: string[] = [];
  let worst = 0;
  for (const [name, tensor] of Object.entries(test.expected)) {
    const result = results[name];
    const got = typeof result === 'number' ? [result] : result;
    if (!got) {
      faults.push(`${name}: no such result`);
      continue;
    }
    if (got.length !== tensor.data.length) {
      faults.push(`${name}: ${got.length} values, expected ${tensor.data.length}`);
      continue;
    }
    const hint = test.hint[name] ?? {};
    const largest = tensor.data.reduce<number>((max, value) => Math.max(max, Math.abs(value ?? 0)), 0);
    const tolerance = tensor.dtype === 'i32' ? 0 : 1e-6 + 2e-5 * largest + 8 * Math.max(hint.input_ulp ?? 0, hint.f32 ?? 0);
    tensor.data.forEach((expected, i) => {
      const value = got[i] as number;
      if (expected === null) {
        if (!Number.isFinite(value)) faults.push(`${name}[${i}]: ${value}, expected any finite number`);
        return;
      }
      const error = Math.abs(value - expected);
      if (!(error <= tolerance)) faults.push(`${name}[${i}]: ${value}, expected ${expected} ± ${tolerance}`);
      else if (tolerance > 0) worst = Math.max(worst, error / tolerance);
    });
  }
  return { worst, faults };
}
