// Renders the data set into data/: pictures of Chinese characters in every typeface of package.json, with character and typeface of each.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createCanvas, GlobalFonts } from '@napi-rs/canvas';
import * as fontkit from 'fontkit';
import { faults, likeness } from './glyphs.mjs';

const size = 24;
const characters = 3000;
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const { dependencies } = JSON.parse(readFileSync(here('package.json'), 'utf8'));
const fonts = Object.keys(dependencies).flatMap((name) => (name.startsWith('@fontsource/') ? [name.slice('@fontsource/'.length)] : []));

function claims(path) {
  return new Set(fontkit.openSync(path).characterSet.filter((code) => code >= 0x4e00 && code <= 0x9fff));
}

const canvas = createCanvas(size, size);
const context = canvas.getContext('2d', { willReadFrequently: true });
context.textAlign = 'center';

function draw(family, code) {
  context.fillStyle = '#fff';
  context.fillRect(0, 0, size, size);
  context.fillStyle = '#000';
  context.font = `21px ${family}`;
  context.fillText(String.fromCodePoint(code), size / 2, size - 5);
  const { data } = context.getImageData(0, 0, size, size);
  return Uint8Array.from({ length: size * size }, (_, k) => 255 - data[4 * k]);
}

const opened = fonts.map((font, i) => {
  const path = here(`node_modules/@fontsource/${font}/files/${font}-japanese-400-normal.woff2`);
  if (!GlobalFonts.registerFromPath(path, `F${i}`)) throw new Error(`${font} was not taken as a font`);
  return { font, family: `F${i}`, claimed: claims(path) };
});

// Drawn evenly from what every font claims, in the order of code points: no random number, so every machine has the same classes.
const shared = [...opened[0].claimed].filter((code) => opened.every(({ claimed }) => claimed.has(code))).sort((a, b) => a - b);
if (shared.length < characters) throw new Error(`the fonts share ${shared.length} characters; ${characters} are needed`);
const chosen = Array.from({ length: characters }, (_, i) => shared[Math.floor((i * shared.length) / characters)]);

const [pictures, labels, fontOf, drawn] = [[], [], [], []];
for (const [f, { font, family }] of opened.entries()) {
  const all = chosen.map((code) => draw(family, code));
  const wrong = faults(all);
  drawn.push(all.map((picture, c) => (wrong[c] ? undefined : picture)));
  drawn[f].forEach((picture, c) => {
    if (!picture) return;
    pictures.push(picture);
    labels.push(c);
    fontOf.push(f);
  });
  const count = (fault) => wrong.filter((found) => found === fault).length;
  console.log(`${font}: ${count(undefined)} characters, ${count('blank')} blank, ${count('boxed')} boxed`);
}

// How near to another font each is. Families share designs: one that draws these characters as another does adds none, and held out it would be no
// new one.
const twins = 0.99;
const nearest = fonts.map((_, f) => {
  const others = fonts.map((_, g) => (g === f ? -1 : likeness(drawn[f].slice(0, 300), drawn[g].slice(0, 300))));
  const best = others.indexOf(Math.max(...others));
  return { font: fonts[best], correlation: others[best] };
});
fonts.forEach((font, f) => {
  console.log(`${font} is most like ${nearest[f].font}, correlation ${nearest[f].correlation.toFixed(3)}`);
  if (nearest[f].correlation > twins) throw new Error(`${font} draws what ${nearest[f].font} draws: leave one of them out of package.json`);
});

function writeNpy(path, type, shape, bytes) {
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`;
  const padded = `${text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11)}\n`;
  const header = Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), Buffer.from([padded.length % 256, padded.length >> 8])]);
  writeFileSync(path, Buffer.concat([header, Buffer.from(padded, 'latin1'), bytes]));
}

mkdirSync(here('data'), { recursive: true });
writeNpy(here('data/glyphs.npy'), '|u1', [pictures.length, size * size], Buffer.concat(pictures));
for (const [name, values] of Object.entries({ labels, fonts: fontOf })) {
  writeNpy(here(`data/${name}.npy`), '<i4', [values.length], Buffer.from(Int32Array.from(values).buffer));
}
writeFileSync(here('data/set.json'), JSON.stringify({ size, characters: String.fromCodePoint(...chosen), fonts, nearest }, null, 1));
console.log(`${pictures.length} pictures of ${characters} characters in ${fonts.length} fonts`);
