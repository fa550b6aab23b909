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

/** The bits beneath `createRandom`, for loops that count nanoseconds; equal words give equal streams. Internal. */
export class Sfc32 {
  #a = 0;
  #b = 0;
  #c = 0;
  #counter = 1;

  constructor(first: number, ...more: number[]) {
    this.reseed(first, ...more);
  }

  /** Starts the stream of these 32-bit words; one word w starts that of `createRandom(w)`. */
  reseed(first: number, ...more: number[]): void {
    let state = first | 0;
    const mix = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let z = state ^ (state >>> 16);
      z = Math.imul(z, 0x21f0aaad);
      z ^= z >>> 15;
      z = Math.imul(z, 0x735a2d97);
      return z ^ (z >>> 15);
    };
    for (const word of more) state = mix() ^ word;
    this.#a = mix();
    this.#b = mix();
    this.#c = mix();
    this.#counter = 1;
    for (let i = 0; i < 12; i++) this.bits();
  }

  /** Uniform in [0, 2³²). */
  bits(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** Uniform integer in [0, bound), without modulo bias; bound an integer from 1 to 2³². */
  integer(bound: number): number {
    const limit = 2 ** 32 - (2 ** 32 % bound);
    let value = this.bits();
    while (value >= limit) value = this.bits();
    return value % bound;
  }
}

/**
 * The stream that belongs to `seed`, an integer in [0, 2³²); equal seeds give equal streams on every machine.
 * @throws ERR_TYPE, ERR_OPTION_RANGE
 */
export function createRandom(seed: number): Random {
  const stream = new Sfc32(checkSeed('seed', seed));
  const bits = (): number => stream.bits();
  const next = (): number => bits() / 2 ** 32;
  const integer = (bound: number): number => stream.integer(checkInteger('bound', bound, 1, 2 ** 32));
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
