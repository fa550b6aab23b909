import { expect, it } from 'vitest';
import { fromBfloat16, toBfloat16 } from '../../lib/index.js';
import { normals } from '../helpers/data.js';
import { onBothBackends } from '../helpers/native.js';

onBothBackends('bfloat16', () => {
  it('rounds to nearest, ties to even', () => {
    const cases: [number, number][] = [
      [1, 0x3f80],
      [-0, 0x8000],
      [1 + 2 ** -8, 0x3f80], // half way, to even
      [1 + 3 * 2 ** -8, 0x3f82],
      [1 + 2 ** -8 + 2 ** -20, 0x3f81],
      [Infinity, 0x7f80],
      [-Infinity, 0xff80],
      [3.4e38, 0x7f80], // beyond the largest
      [3.38e38, 0x7f7e],
      [1e-40, 0x0001],
      [2 ** -149, 0],
    ];
    const x = Float32Array.from(cases, ([value]) => value);
    expect(Array.from(toBfloat16(x), (half) => half.toString(16))).toEqual(cases.map(([, half]) => half.toString(16)));
  });

  it('keeps every NaN one, and makes it quiet', () => {
    const x = new Float32Array(Uint32Array.of(0x7fc00000, 0x7f800001, 0xffffffff).buffer);
    expect([...toBfloat16(x)]).toEqual([0x7fc0, 0x7fc0, 0xffff]);
    expect(fromBfloat16(toBfloat16(x)).every(Number.isNaN)).toBe(true);
  });

  it('widens exactly: every bfloat16 comes back', () => {
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const back = toBfloat16(fromBfloat16(all));
    const quiet = (half: number) => ((half & 0x7fff) > 0x7f80 ? half | 0x40 : half);
    expect(back.findIndex((half, i) => half !== quiet(i))).toBe(-1);
  });

  it('is within half a step, and fills out', () => {
    const x = Float32Array.from(normals(1000, 1));
    const [halves, wide] = [new Uint16Array(1000), new Float32Array(1000)];
    expect(toBfloat16(x, { out: halves })).toBe(halves);
    expect(fromBfloat16(halves, { out: wide })).toBe(wide);
    expect(wide.every((value, i) => Math.abs(value - (x[i] as number)) <= Math.abs(x[i] as number) * 2 ** -8)).toBe(true);
  });

  it('refuses other types, lengths and shared memory', () => {
    const x = new Float32Array(4);
    expect(() => toBfloat16([1] as never)).toThrow(expect.objectContaining({ code: 'ERR_TYPE', argument: 'x' }));
    expect(() => fromBfloat16(x as never)).toThrow(expect.objectContaining({ code: 'ERR_TYPE', argument: 'x' }));
    expect(() => toBfloat16(x, { out: new Uint16Array(3) })).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    expect(() => toBfloat16(x, { out: new Uint16Array(x.buffer, 0, 4) })).toThrow(expect.objectContaining({ code: 'ERR_ALIAS' }));
    structuredClone(x.buffer, { transfer: [x.buffer] });
    expect(() => toBfloat16(x)).toThrow(expect.objectContaining({ code: 'ERR_DETACHED' }));
  });
});
