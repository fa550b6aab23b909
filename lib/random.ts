// A sound seeded generator: sfc32 (Chris Doty-Humphrey's Small Fast Counter, 128 bits of state, passes PractRand), its state
// filled by splitmix32. Built on Math.imul and 32-bit adds: the usual linear congruential formula exceeds 2⁵³ in JavaScript,
// loses its low bits and falls into short cycles.

import { checkInteger, checkSeed } from './checks.js';

/** A reproducible stream of random numbers. The methods are bound: they can be passed around. */
export interface Random {
  /** Uniform in [0, 1), 32 bits. */
  readonly next: () => number;
  /** Uniform integer in [0, bound), without modulo bias; bound from 1 to 2³². */
  readonly integer: (bound: number) => number;
  /** Standard normal (Box–Muller). */
  readonly normal: () => number;
  /** Shuffles in place (Fisher–Yates) and returns its argument. */
  readonly shuffle: <T extends { readonly length: number; [index: number]: unknown }>(array: T) => T;
}

/**
 * The stream that belongs to `seed`, an integer in [0, 2³²); equal seeds give equal streams on every machine.
 * @throws ERR_TYPE, ERR_OPTION_RANGE
 */
export function createRandom(seed: number): Random {
  let state = checkSeed('seed', seed) | 0;
  const mix = (): number => {
    state = (state + 0x9e3779b9) | 0;
    let z = state ^ (state >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    return z ^ (z >>> 15);
  };
  let [a, b, c, counter] = [mix(), mix(), mix(), 1];
  const bits = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 12; i++) bits();
  const next = (): number => bits() / 2 ** 32;
  const integer = (bound: number): number => {
    checkInteger('bound', bound, 1, 2 ** 32);
    const limit = 2 ** 32 - (2 ** 32 % bound);
    let value = bits();
    while (value >= limit) value = bits();
    return value % bound;
  };
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const shuffle: Random['shuffle'] = (array) => {
    const values = array as { length: number; [index: number]: unknown };
    for (let i = values.length - 1; i > 0; i--) {
      const j = integer(i + 1);
      [values[i], values[j]] = [values[j], values[i]];
    }
    return array;
  };
  return { next, integer, normal, shuffle };
}
