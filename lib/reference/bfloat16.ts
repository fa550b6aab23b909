// bfloat16 is the upper half of a float32.
import type { FromBfloat16Op, ToBfloat16Op } from '../ops/distances.js';
import type { Values } from '../ops/types.js';

/** To the nearest, ties to even; a NaN keeps its upper half and becomes quiet. */
export function toBfloat16({ x, out }: ToBfloat16Op): void {
  const words = new Uint32Array(x.buffer, x.byteOffset, x.length);
  for (let i = 0; i < words.length; i++) {
    const bits = words[i] as number;
    const nan = (bits & 0x7fffffff) > 0x7f800000;
    out[i] = nan ? (bits >>> 16) | 0x40 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
  }
}

/** Exact. */
export function fromBfloat16({ x, out }: FromBfloat16Op): void {
  const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < words.length; i++) words[i] = (x[i] as number) << 16;
}

/** Rows in float32, widened where they are bfloat16. */
export function widened(rows: Values | Uint16Array): Values {
  if (!(rows instanceof Uint16Array)) return rows;
  const out = new Float32Array(rows.length);
  fromBfloat16({ x: rows, out });
  return out;
}
