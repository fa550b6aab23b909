import { backend } from './backend.js';
import { checkArray, checkMemory, checkOptions } from './checks.js';
import { failure } from './errors.js';

export interface ToBfloat16Options {
  /** As long as x, memory apart from it. */
  readonly out?: Uint16Array;
}

export interface FromBfloat16Options {
  /** As long as x, memory apart from it. */
  readonly out?: Float32Array;
}

function checkLengths(x: { readonly length: number }, out: { readonly length: number }): void {
  if (out.length !== x.length) throw failure('ERR_SHAPE', 'options.out', `length ${x.length}`, `length ${out.length}`);
}

/**
 * float32 rounded to bfloat16, its upper half: to the nearest, ties to even. ±Infinity stays, what rounds beyond the largest number
 * becomes it, and NaN stays NaN (quiet). O(length).
 * @throws ERR_TYPE, ERR_DETACHED, ERR_SHAPE, ERR_OPTION_RANGE for an unknown option, ERR_ALIAS
 */
export function toBfloat16(x: Float32Array, options: ToBfloat16Options = {}): Uint16Array {
  checkArray('x', x, Float32Array);
  const given = checkOptions(options, ['out']).out;
  const out = given === undefined ? new Uint16Array(x.length) : checkArray('options.out', given, Uint16Array);
  checkLengths(x, out);
  checkMemory({ 'options.out': out }, { x });
  backend().toBfloat16({ x, out });
  return out;
}

/**
 * bfloat16 widened to float32, exactly. O(length).
 * @throws ERR_TYPE, ERR_DETACHED, ERR_SHAPE, ERR_OPTION_RANGE for an unknown option, ERR_ALIAS
 */
export function fromBfloat16(x: Uint16Array, options: FromBfloat16Options = {}): Float32Array {
  checkArray('x', x, Uint16Array);
  const given = checkOptions(options, ['out']).out;
  const out = given === undefined ? new Float32Array(x.length) : checkArray('options.out', given, Float32Array);
  checkLengths(x, out);
  checkMemory({ 'options.out': out }, { x });
  backend().fromBfloat16({ x, out });
  return out;
}
