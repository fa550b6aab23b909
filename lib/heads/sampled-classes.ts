// Which classes take part in a step of Partial FC (An et al., CVPR 2022): those of the batch, and a uniform choice of the others.
import { allocated } from '../errors.js';
import { Sfc32 } from '../random.js';

/**
 * `count` of the classes [0, classes), ascending, or the distinct labels alone where they are more. Every label in that range is among them;
 * the rest is a uniform choice without replacement that depends on seed and step alone, not on shards. Takes O(classes / 32 + count)
 * time and memory: one bit a class beside the result.
 */
export function sampleClasses(labels: Int32Array, classes: number, count: number, seed: number, step: number): Int32Array {
  const words = (classes + 31) >>> 5;
  const chosen = allocated('options.sampleRate', `a bit for each of ${classes} classes`, () => new Int32Array(words));
  let kept = 0;
  for (const label of labels) {
    if (label < 0 || label >= classes || marked(chosen, label)) continue;
    mark(chosen, label);
    kept++;
  }
  const more = Math.max(0, count - kept);
  const free = classes - kept;
  const random = new Sfc32(seed, step >>> 0, Math.floor(step / 2 ** 32));
  if (2 * more <= free) {
    draw(chosen, classes, more, random);
    return listed(chosen, classes, kept + more, 0);
  }
  // Most are chosen: draw those that are not, beside the positives.
  const excluded = chosen;
  const positives = allocated('options.sampleRate', `a bit for each of ${classes} classes`, () => chosen.slice());
  draw(excluded, classes, free - more, random);
  for (let w = 0; w < words; w++) excluded[w] = (excluded[w] as number) ^ (positives[w] as number);
  return listed(excluded, classes, kept + more, -1);
}

const marked = (bits: Int32Array, c: number): boolean => ((bits[c >>> 5] as number) & (1 << (c & 31))) !== 0;

function mark(bits: Int32Array, c: number): void {
  bits[c >>> 5] = (bits[c >>> 5] as number) | (1 << (c & 31));
}

/** Marks `count` classes more. At most half of the free ones are asked for, so that few draws meet a marked one. */
function draw(bits: Int32Array, classes: number, count: number, random: Sfc32): void {
  const mask = classes > 1 ? 2 ** (32 - Math.clz32(classes - 1)) - 1 : 0;
  for (let left = count; left > 0; ) {
    const c = random.bits() & mask;
    if (c >= classes || marked(bits, c)) continue;
    mark(bits, c);
    left--;
  }
}

/** The classes whose bit is set, or unset with `flip` −1, ascending. */
function listed(bits: Int32Array, classes: number, count: number, flip: 0 | -1): Int32Array {
  const list = allocated('options.sampleRate', `${count} sampled classes`, () => new Int32Array(count));
  let at = 0;
  for (let w = 0; w < bits.length; w++) {
    for (let word = (bits[w] as number) ^ flip; word !== 0; word &= word - 1) {
      const c = 32 * w + 31 - Math.clz32(word & -word);
      if (c < classes) list[at++] = c;
    }
  }
  return list;
}

/** Place of `value` in the ascending list, or −1. */
export function placeIn(list: Int32Array, value: number): number {
  const place = lowerBound(list, value);
  return list[place] === value ? place : -1;
}

/** How many of the list lie below `value`. */
export function lowerBound(list: Int32Array, value: number): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((list[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
