// Writes to a file what packed_text_test unpacks: texts of every kind beside their packed form. Unpacks them here, too, as build-ptx.mjs does.
//   each: size of the text, size of the packed form, checksum (uint32, little-endian), both of them
import assert from 'node:assert';
import { writeFileSync } from 'node:fs';
import { checksum, pack, unpack } from '../../scripts/packed-text.mjs';

let state = 1;
const draw = (below) => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % below;
const drawn = (length, next) => Uint8Array.from({ length }, next);
const words = ['fma.rn.f32 ', 'add.s64 ', '%f', '%rd', ', ', ';\n', '0f3F800000', 'bra $L__BB0_', '[%rd1+', ']'];
const sentence = (count) =>
  Buffer.from(Array.from({ length: count }, () => words[draw(words.length)] + (draw(3) === 0 ? draw(2000) : '')).join(''));
const texts = [
  new Uint8Array(0),
  ...[0, 10, 255].map((byte) => Uint8Array.of(byte)),
  ...[2, 3, 5, 70000].map((length) => drawn(length, () => 97)), // a repeat that runs into itself
  ...[1, 2, 3, 4, 7].map((period) => drawn(500 + period, (_, at) => 97 + (at % period))),
  ...[4, 300, 20000].map((length) => drawn(length, () => draw(65536) >> 8)), // that cannot shrink
  drawn(3000, () => draw(65536) >> 15), // zeros and ones
  ...[1, 5, 40, 300, 20000].map(sentence),
  // A repeat of the farthest: 17 digits.
  Buffer.concat([Buffer.from('far away and long ago'), drawn(150000, () => draw(65536) >> 8), Buffer.from('far away and long ago')]),
];
for (let k = 0; k < 60; k++) texts.push(drawn(draw(90), () => 97 + (draw(65536) >> 14)));

const parts = texts.flatMap((text) => {
  const packed = pack(text);
  assert.deepStrictEqual(Buffer.from(unpack(packed, text.length)), Buffer.from(text));
  assert.throws(() => unpack(packed.subarray(0, -1), text.length), /packed text/);
  const sizes = Buffer.from(Uint32Array.of(text.length, packed.length, checksum(text)).buffer);
  return [sizes, text, packed];
});
writeFileSync(process.argv[2], Buffer.concat(parts));
