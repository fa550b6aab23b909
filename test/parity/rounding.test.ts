// bfloat16 weights that move: the native rounding against the reference's, bit for bit, on every kind of float32.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backend } from '../../lib/backend.js';
import * as hs from '../../lib/index.js';
import { reference } from '../../lib/reference/index.js';
import { normals } from '../helpers/data.js';
import { describeNative, levels } from '../helpers/native.js';

// Both signs of: zero, the least and the greatest denormal, the least normal, halves that tie and their neighbours, halves that carry into the
// exponent, the greatest that bfloat16 holds, what rounds to ∞ always and sometimes, the greatest float32.
const words = [
  0x00000000, 0x00000001, 0x0000ffff, 0x00010000, 0x007fffff, 0x00800000, 0x3f800000, 0x3f807fff, 0x3f808000, 0x3f808001, 0x3f818000,
  0x3fffffff, 0x7f7f0000, 0x7f7f0001, 0x7f7f7fff, 0x7f7f8000, 0x7f7fffff,
].flatMap((word) => [word, word + 0x80000000]);
const special = new Float32Array(Uint32Array.from(words).buffer);

const quiet = (halves: Uint16Array): Uint16Array => halves.map((half) => ((half & 0x7fff) > 0x7f80 ? 0x7fc0 : half));

/**
 * A step on weights of zero, whose gradient is exactly ∓½·upstream·x in either arithmetic: two classes, all logits 0. So the first class moves to
 * upstream/2·x, the second to its negative, before they are rounded; the momentum becomes the gradient.
 */
function moved(op: typeof reference.marginSoftmax, x: Float32Array, upstream: number, seed: number | undefined) {
  const d = x.length;
  const [weights, state] = [new Uint16Array(2 * d), new Uint16Array(2 * d)];
  const rule = { kind: 'sgd', learningRate: 1, momentum: 0.5, weightDecay: 0 } as const;
  const shape = { n: 1, classes: 2, d, labelSmoothing: 0, ignoreIndex: -1, workspaceBytes: 1, reduction: 'none' as const };
  const arrays = { x, weights, labels: Int32Array.of(0), perExample: new Float32Array(1), gradOutput: Float32Array.of(upstream) };
  op({ ...shape, ...arrays, margin: hs.softmaxMargin(), update: { rule, state, seed } });
  return { weights: quiet(weights), state: quiet(state) };
}

describeNative('rounding to bfloat16', () => {
  beforeAll(() => {
    hs.setBackend('native');
    expect(backend().marginSoftmax).not.toBe(reference.marginSoftmax);
  });
  afterAll(() => hs.setIsa(levels.at(-1) as hs.Isa));

  describe.each(levels)('at %s', (isa) => {
    beforeAll(() => hs.setIsa(isa));
    const both = (x: Float32Array, upstream: number, seed: number | undefined) => {
      const expected = moved(reference.marginSoftmax, x, upstream, seed);
      expect(moved(backend().marginSoftmax, x, upstream, seed)).toEqual(expected);
      return expected;
    };

    it.each([undefined, 0, 1, 2 ** 32 - 1])('is the reference’s for zeros, denormals, ties and the greatest numbers, seed %s', (seed) => {
      const { weights, state } = both(special, 2, seed);
      // Of ±1 nothing is cut off; the greatest float32 becomes ∞ unless its noise is too small to carry, which nearest is not.
      const one = words.indexOf(0x3f800000);
      expect([weights[one], state[one]]).toEqual([0x3f80, 0xbf80]);
      if (seed === undefined) expect(weights[words.indexOf(0x7f7fffff)]).toBe(0x7f80);
    });
    it.each([undefined, 3])('keeps infinities, which gradients overflow to, seed %s', (seed) => {
      const { weights, state } = both(Float32Array.of(3e38, -3e38, 1), 16, seed);
      expect([...weights]).toEqual([0x7f80, 0xff80, 0x4100, 0xff80, 0x7f80, 0xc100]);
      expect([...state]).toEqual([0xff80, 0x7f80, 0xc100, 0x7f80, 0xff80, 0x4100]);
    });
    it.each([undefined, 3])('keeps NaN one, seed %s', (seed) => {
      const { weights, state } = both(Float32Array.of(Number.NaN, 1), 2, seed);
      expect([...weights, ...state].every((half) => half === 0x7fc0)).toBe(true);
    });
    it('takes the noise of a weight from its place among all, by row and by column', () => {
      for (const seed of [5, 6]) both(Float32Array.from(normals(1000, seed)), 2, seed);
    });
  });
});
