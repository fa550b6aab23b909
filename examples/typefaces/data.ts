// The rendered set, and which of it is trained on: characters and typefaces are held out apart from one another.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readEmbeddings, readLabels } from '../../lib/files/index.js';
import { createRandom, type Matrix, matrix, type Random } from '../../lib/index.js';

export interface Glyphs {
  /** Edge of a picture in pixels. */
  readonly size: number;
  /** Ink, 0 to 1, [N, size²]. */
  readonly x: Matrix;
  /** Character and typeface of each picture, [N]. */
  readonly labels: Int32Array;
  readonly fonts: Int32Array;
  readonly fontNames: readonly string[];
}

export async function readGlyphs(folder: string): Promise<Glyphs> {
  const { size, fonts: fontNames } = JSON.parse(readFileSync(join(folder, 'set.json'), 'utf8'));
  const x = await readEmbeddings(join(folder, 'glyphs.npy'));
  for (let k = 0; k < x.data.length; k++) x.data[k] = (x.data[k] as number) / 255;
  const { labels } = await readLabels(join(folder, 'labels.npy'));
  const { labels: fonts } = await readLabels(join(folder, 'fonts.npy'));
  return { size, x, labels, fonts, fontNames };
}

export interface Split {
  /** Rows of characters and typefaces trained on, and the class of each, 0 to classes − 1. */
  readonly train: Int32Array;
  readonly trainLabels: Int32Array;
  readonly classes: number;
  /** Rows of the other characters: in every typeface, and in those alone that were never trained on. */
  readonly unseen: Int32Array;
  readonly unseenFonts: Int32Array;
}

/** The seed alone draws the classes to train on. */
export function split({ labels, fonts, fontNames }: Glyphs, classes: number, heldOut: readonly string[], seed: number): Split {
  const missing = heldOut.filter((font) => !fontNames.includes(font));
  if (missing.length > 0) throw new Error(`not in the set: ${missing.join(', ')}`);
  const characters = Int32Array.from(new Set(labels)).sort();
  if (characters.length <= classes) throw new Error(`${characters.length} characters leave none beside ${classes} to train on`);
  const drawn = createRandom(seed).shuffle(characters).subarray(0, classes);
  const classOf = new Map(Array.from(drawn, (character, c) => [character, c]));
  const isHeld = (row: number): boolean => heldOut.includes(fontNames[fonts[row] as number] as string);
  const rows = Int32Array.from(labels, (_, row) => row);
  const isTrained = (row: number): boolean => classOf.has(labels[row] as number);
  const train = rows.filter((row) => isTrained(row) && !isHeld(row));
  const unseen = rows.filter((row) => !isTrained(row));
  return {
    train,
    trainLabels: train.map((row) => classOf.get(labels[row] as number) as number),
    classes,
    unseen,
    unseenFonts: unseen.filter(isHeld),
  };
}

/** The named pictures, each moved by up to a pixel either way: the width of a stroke, which no two typefaces place alike. */
export function shifted({ x, size }: Glyphs, rows: Int32Array, random: Random): Matrix {
  const pixels = size * size;
  const out = new Float32Array(rows.length * pixels);
  rows.forEach((row, i) => {
    const [dx, dy] = [random.integer(3) - 1, random.integer(3) - 1];
    for (let y = Math.max(0, -dy); y < Math.min(size, size - dy); y++) {
      const from = row * pixels + (y + dy) * size + Math.max(0, dx);
      out.set(x.data.subarray(from, from + size - Math.abs(dx)), i * pixels + y * size + Math.max(0, -dx));
    }
  });
  return matrix(out, pixels);
}
