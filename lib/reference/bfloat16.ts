// bfloat16 is the upper half of a float32.
import type { FromBfloat16Op, ToBfloat16Op } from '../ops/distances.js';
import type { Values } from '../ops/types.js';

/** To the nearest, ties to even; a NaN keeps its upper half and becomes quiet. */
export function toBfloat16({ x, out }: ToBfloat16Op): void {
  const words = new Uint32Array(x.buffer, x.byteOffset, x.length);
  for (let i = 0; i < words.length; i++) out[i] = roundedBits(words[i] as number);
}

/** Exact. */
export function fromBfloat16({ x, out }: FromBfloat16Op): void {
  const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < words.length; i++) words[i] = (x[i] as number) << 16;
}

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** One bfloat16 as a number. */
export function widenedOne(half: number): number {
  word[0] = half << 16;
  return float[0] as number;
}

/**
 * One number as bfloat16, by way of float32: to the nearest, ties to even, or up where `noise`, in [0, 2¹⁶), added to the half that is cut off
 * carries over. With uniform noise the result is right on average. Infinities stay, and a NaN becomes quiet.
 */
export function roundedOne(value: number, noise?: number): number {
  float[0] = value;
  return roundedBits(word[0] as number, noise);
}

function roundedBits(bits: number, noise?: number): number {
  const exponent = bits & 0x7f800000;
  if (exponent === 0x7f800000) return (bits & 0x007fffff) === 0 ? bits >>> 16 : (bits >>> 16) | 0x40;
  return (bits + (noise ?? 0x7fff + ((bits >>> 16) & 1))) >>> 16;
}

/** Rows in float32, widened where they are bfloat16. */
export function widened(rows: Values | Uint16Array): Values {
  if (!(rows instanceof Uint16Array)) return rows;
  const out = new Float32Array(rows.length);
  fromBfloat16({ x: rows, out });
  return out;
}
