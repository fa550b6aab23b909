// How the addon carries long texts (native/cuda/packed_text.h has the reader and the format): repeats of what came before and single bytes, each
// decision by an adaptive binary arithmetic coder. Whole numbers alone decide, so that a text has the same bytes whoever packs it, which those of
// zlib have not; and it looks back over all of the text, where deflate has 32 KiB.

const rate = 4; // of learning
const after = (one) => one * 256;
const literals = 0; // by the byte before, a tree of bits
const flags = 65536; // repeat or byte: by whether a repeat came last, and the byte before
const same = flags + 512; // whether the distance is the last one
const lengths = same + 2;
const distances = lengths + 1312; // a number has 32 contexts for its digits, 256 for short ones, 1024 for long ones
const contexts = distances + 1312;

const leastRepeat = 4;
const mostTried = 64;

/** Both ways: a coder's bit(context, wanted) writes `wanted` and returns it, or ignores it and returns what was written. */
function number(coder, first, wanted) {
  let digits = 0;
  while (coder.bit(first + digits, wanted >>> (digits + 1) > 0 ? 1 : 0)) digits++;
  let prefix = 1;
  for (let k = digits - 1; k >= 0; k--) {
    const context = digits < 8 ? (1 << digits) + prefix : 256 + digits * 32 + k;
    prefix = prefix * 2 + coder.bit(first + 32 + context, (wanted >>> k) & 1);
  }
  return prefix;
}

function byte(coder, before, wanted) {
  let prefix = 1;
  for (let k = 7; k >= 0; k--) prefix = prefix * 2 + coder.bit(literals + before * 256 + prefix, (wanted >>> k) & 1);
  return prefix & 255;
}

/** What was learned: the chance of a 1 in each context, of 65536. */
class Chances {
  of = new Uint16Array(contexts).fill(32768);
  low = 0;
  high = 0xffffffff;

  /** The last value of the interval that means 1. */
  split(context) {
    return this.low + Math.floor((this.high - this.low) / 65536) * this.of[context];
  }
  narrow(context, split, bit) {
    const chance = this.of[context];
    this.of[context] = bit ? chance + ((65535 - chance) >> rate) : chance - (chance >> rate);
    if (bit) this.high = split;
    else this.low = split + 1;
  }
  /** Calls back for each byte that both ends agree on. */
  settle(done) {
    while ((this.low ^ this.high) >>> 24 === 0) {
      done(this.high >>> 24);
      this.low = (this.low << 8) >>> 0;
      this.high = ((this.high << 8) | 255) >>> 0;
    }
  }
}

class Writer {
  #chances = new Chances();
  #bytes = [];

  bit(context, wanted) {
    this.#chances.narrow(context, this.#chances.split(context), wanted);
    this.#chances.settle((byte) => this.#bytes.push(byte));
    return wanted;
  }
  end() {
    for (let shift = 24; shift >= 0; shift -= 8) this.#bytes.push((this.#chances.low >>> shift) & 255);
    return Uint8Array.from(this.#bytes);
  }
}

class Reader {
  #chances = new Chances();
  #bytes;
  #at = 0;
  #value = 0;

  constructor(bytes) {
    this.#bytes = bytes;
    for (let k = 0; k < 4; k++) this.#take();
  }
  #take() {
    if (this.#at === this.#bytes.length) throw new Error('a packed text that was cut');
    this.#value = ((this.#value << 8) | this.#bytes[this.#at++]) >>> 0;
  }
  bit(context) {
    const split = this.#chances.split(context);
    const bit = this.#value <= split ? 1 : 0;
    this.#chances.narrow(context, split, bit);
    this.#chances.settle(() => this.#take());
    return bit;
  }
}

/** Of the repeats that may begin at a place the one that saves most bits, by a rough price. */
class Repeats {
  #text;
  #heads = new Int32Array(1 << 18).fill(-1);
  #before;

  constructor(text) {
    this.#text = text;
    this.#before = new Int32Array(text.length);
  }
  #slot(at) {
    const text = this.#text;
    return Math.imul(text[at] | (text[at + 1] << 8) | (text[at + 2] << 16) | (text[at + 3] << 24), 0x9e3779b1) >>> 14;
  }
  #length(at, from) {
    let length = 0;
    while (at + length < this.#text.length && this.#text[at + length] === this.#text[from + length]) length++;
    return length;
  }
  /** Must be called for each place in order. */
  add(at) {
    if (at + leastRepeat > this.#text.length) return;
    const slot = this.#slot(at);
    this.#before[at] = this.#heads[slot];
    this.#heads[slot] = at;
  }
  find(at, lastDistance) {
    let best = { saved: 0, length: 0, distance: 0 };
    const offer = (distance, price, least) => {
      const length = this.#length(at, at - distance);
      const saved = length * 5 - price;
      if (length >= least && saved > best.saved) best = { saved, length, distance };
    };
    if (lastDistance <= at) offer(lastDistance, 6, 2);
    if (at + leastRepeat > this.#text.length) return best;
    for (let from = this.#heads[this.#slot(at)], tries = mostTried; from >= 0 && tries > 0; from = this.#before[from], tries--) {
      const distance = at - from;
      offer(distance, 10 + 1.25 * (31 - Math.clz32(distance)), leastRepeat);
    }
    return best;
  }
}

/** The bytes of a text, a Uint8Array, packed. */
export function pack(text) {
  const coder = new Writer();
  const repeats = new Repeats(text);
  let last = 1;
  let repeated = 0;
  let next = repeats.find(0, last);
  for (let at = 0; at < text.length; ) {
    const found = next;
    const before = at > 0 ? text[at - 1] : 0;
    repeats.add(at);
    next = repeats.find(at + 1, last);
    // A byte first where the repeat that begins after it saves more.
    const taken = found.length > 0 && next.saved <= found.saved + 6;
    coder.bit(flags + after(repeated) + before, taken ? 1 : 0);
    if (taken) {
      const { length, distance } = found;
      if (!coder.bit(same + repeated, distance === last ? 1 : 0)) number(coder, distances, distance);
      number(coder, lengths, length);
      for (let k = 1; k < length; k++) repeats.add(at + k);
      last = distance;
      at += length;
      next = repeats.find(at, last);
    } else {
      byte(coder, before, text[at]);
      at++;
    }
    repeated = taken ? 1 : 0;
  }
  return coder.end();
}

/** `size` bytes of text. */
export function unpack(bytes, size) {
  const coder = new Reader(bytes);
  const text = new Uint8Array(size);
  let last = 1;
  let repeated = 0;
  for (let at = 0; at < size; ) {
    const before = at > 0 ? text[at - 1] : 0;
    const taken = coder.bit(flags + after(repeated) + before);
    if (taken) {
      if (!coder.bit(same + repeated)) last = number(coder, distances);
      const length = number(coder, lengths);
      if (last > at || length > size - at) throw new Error('a packed text that is damaged');
      for (let k = 0; k < length; k++, at++) text[at] = text[at - last];
    } else {
      text[at++] = byte(coder, before);
    }
    repeated = taken;
  }
  return text;
}

/** FNV-1a, which the addon compares before it hands a text on. */
export function checksum(text) {
  let hash = 0x811c9dc5;
  for (const one of text) hash = Math.imul(hash ^ one, 0x01000193);
  return hash >>> 0;
}
