// examples/typefaces without its fonts: the same modules on characters made of random strokes.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Glyphs, shifted, split } from '../../examples/typefaces/data.js';
import { faults, likeness } from '../../examples/typefaces/glyphs.mjs';
import { baselines, type Plan, run } from '../../examples/typefaces/runs.js';
import { placed, tableOf } from '../../examples/typefaces/table.js';
import { figuresOf, standardized } from '../../examples/typefaces/verify.js';
import { pairSquaredDistances } from '../../lib/cli/rows.js';
import { createRandom, matrix } from '../../lib/index.js';

const [characters, size] = [60, 12];
const fontNames = ['thin', 'bold', 'left', 'right', 'high', 'low'];

/** A character is nine strokes of three pixels; a typeface has its own weight, place and noise. */
function syntheticGlyphs(): Glyphs {
  const random = createRandom(11);
  const strokes = Array.from({ length: characters }, () =>
    Array.from({ length: 9 }, () => [2 + random.integer(size - 4), 2 + random.integer(size - 4), random.integer(2)] as const),
  );
  const count = characters * fontNames.length;
  const x = matrix(new Float32Array(count * size * size), size * size);
  const labels = Int32Array.from({ length: count }, (_, i) => Math.floor(i / fontNames.length));
  const fonts = Int32Array.from({ length: count }, (_, i) => i % fontNames.length);
  labels.forEach((label, i) => {
    const font = fontNames[fonts[i] as number] as string;
    const [dx, dy] = [font === 'left' ? -1 : font === 'right' ? 1 : 0, font === 'high' ? -1 : font === 'low' ? 1 : 0];
    for (const [row, col, vertical] of strokes[label] as (readonly [number, number, number])[]) {
      for (let t = -1; t <= 1; t++) {
        const at = (row + dy + (vertical ? t : 0)) * size + col + dx + (vertical ? 0 : t);
        x.data[i * size * size + at] = font === 'thin' ? 0.5 : 1;
        if (font === 'bold') x.data[i * size * size + at + 1] = 1;
      }
    }
  });
  for (let k = 0; k < x.data.length; k++) x.data[k] = Math.min(1, (x.data[k] as number) + 0.2 * random.next());
  return { size, x, labels, fonts, fontNames };
}

const glyphs = syntheticGlyphs();
const heldOut = ['bold', 'low'];
const parts = split(glyphs, 45, heldOut, 3);

describe('pictures of a font', () => {
  const picture = (...ink: number[]): Uint8Array => Uint8Array.from({ length: 576 }, (_, k) => ink[k] ?? 0);
  const drawn = [picture(255, 255, 255), picture(0, 255, 255, 255)];

  it('are refused where they are blank, or the box that stands for all that is missing', () => {
    const [blank, box] = [picture(255, 255, 254), picture(255, 255, 255, 255)];
    expect(faults([...drawn, blank, box, box, box])).toEqual([undefined, undefined, 'blank', 'boxed', 'boxed', 'boxed']);
  });

  it('may be alike for two characters', () => {
    expect(faults([...drawn, ...drawn])).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('are compared where both fonts have one', () => {
    expect(likeness([...drawn, undefined], [...drawn, drawn[0]])).toBeCloseTo(1, 12);
    expect(likeness([drawn[0]], [drawn[1]])).toBeLessThan(0.7);
    expect(likeness([undefined], [drawn[0]])).toBe(0);
  });
});

describe('the split', () => {
  it('keeps characters and typefaces apart', () => {
    const characterOf = (row: number): number => glyphs.labels[row] as number;
    const fontOf = (row: number): string => fontNames[glyphs.fonts[row] as number] as string;
    const trained = new Set(Array.from(parts.train, characterOf));
    expect(trained.size).toBe(45);
    expect(Array.from(parts.train, fontOf).filter((font) => heldOut.includes(font))).toEqual([]);
    expect(new Set(Array.from(parts.train, fontOf)).size).toBe(4);
    expect(Array.from(parts.unseen).filter((row) => trained.has(characterOf(row)))).toEqual([]);
    expect(parts.unseen).toHaveLength(15 * fontNames.length);
    expect(new Set(Array.from(parts.unseenFonts, fontOf))).toEqual(new Set(heldOut));
    expect(parts.unseenFonts).toHaveLength(15 * heldOut.length);
    // One class for one character, from 0 on.
    expect(new Set(Array.from(parts.train, (row, i) => `${characterOf(row)} ${parts.trainLabels[i]}`)).size).toBe(45);
    expect(Math.max(...parts.trainLabels)).toBe(44);
  });

  it('says what is not there', () => {
    expect(() => split(glyphs, 45, ['italic'], 3)).toThrow('italic');
    expect(() => split(glyphs, 60, heldOut, 3)).toThrow('60 characters leave none');
  });
});

it('moves a picture by at most a pixel, its border filled with none', () => {
  const one: Glyphs = {
    size: 3,
    x: matrix(Float32Array.of(0, 0, 0, 0, 1, 0, 0, 0, 0), 9),
    labels: Int32Array.of(0),
    fonts: Int32Array.of(0),
    fontNames,
  };
  const moved = shifted(one, new Int32Array(200), createRandom(1));
  const places = new Set<number>();
  for (let i = 0; i < 200; i++) {
    const own = Array.from(moved.data.subarray(9 * i, 9 * i + 9));
    expect(own.reduce((a, b) => a + b)).toBe(1);
    places.add(own.indexOf(1));
  }
  expect(places.size).toBe(9);
  const full: Glyphs = { ...one, x: matrix(new Float32Array(9).fill(1), 9) };
  const sums = new Set(
    Array.from({ length: 200 }, (_, i) => shifted(full, Int32Array.of(0), createRandom(i)).data.reduce((a, b) => a + b)),
  );
  expect([...sums].sort()).toEqual([4, 6, 9]);
});

it('has rows whose distance is their correlation', () => {
  const rows = standardized(matrix(Float32Array.of(1, 2, 3, 4, 1, 3, 2, 4), 4));
  // Deviations (−1.5, −0.5, 0.5, 1.5) and (−1.5, 0.5, −0.5, 1.5): 4 of 5.
  expect(pairSquaredDistances(rows, Int32Array.of(0, 1))[0]).toBeCloseTo(2 - 2 * 0.8, 6);
});

it('gives full marks to rows that are their labels, and none beyond chance to noise', () => {
  const labels = Int32Array.from({ length: 200 }, (_, i) => i % 20);
  const sure = figuresOf(matrix(Float32Array.from(labels), 1), labels, 1);
  expect(sure).toEqual({ auc: 1, eer: 0, tarAt1e2: 1, tarAt1e3: 1 });
  const random = createRandom(2);
  const noise = figuresOf(
    matrix(
      Float32Array.from({ length: 1600 }, () => random.normal()),
      8,
    ),
    labels,
    1,
  );
  expect(Math.abs(noise.auc - 0.5)).toBeLessThan(0.05);
  expect(noise.tarAt1e2).toBeLessThan(0.1);
});

describe('runs', () => {
  const plan: Plan = { steps: 150, dim: 16, seed: 4, batch: { classes: 15, perClass: 4 } };
  const [pixels, untrained] = baselines(glyphs, parts, plan);

  it.each(['arcFace', 'supCon', 'contrastiveRandom', 'tripletOffline'])(
    '%s tells unseen characters apart better than no training',
    async (loss) => {
      const trained = await run(glyphs, parts, plan, loss);
      expect(trained.unseen.auc).toBeGreaterThan((untrained?.unseen.auc as number) + 0.02);
      expect(trained.loss).toHaveLength(2);
      expect(await run(glyphs, parts, plan, loss)).toEqual(trained);
    },
  );

  it('become rows of the table on the page', () => {
    const table = tableOf([pixels, untrained].filter((row) => row !== undefined));
    expect(table.split('\n')).toHaveLength(4);
    expect(table).toMatch(/^\| pixel correlation \| 0\.\d{4} \| \d+\.\d % \|/m);
    expect(placed('a\n<!-- longer -->\nold\n<!-- /longer -->\nb', 'longer', table)).toBe(
      `a\n<!-- longer -->\n${table}\n<!-- /longer -->\nb`,
    );
    expect(() => placed('a page', 'equal', table)).toThrow('no <!-- equal -->');
  });
});

it('pins what it is rendered from', () => {
  const { dependencies } = JSON.parse(readFileSync(new URL('../../examples/typefaces/package.json', import.meta.url), 'utf8'));
  const versions = Object.values(dependencies) as string[];
  expect(versions.length).toBeGreaterThan(20);
  for (const version of versions) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
});
