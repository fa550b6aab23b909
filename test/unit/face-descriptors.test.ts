// Descriptors of two real face models (test/data/faces) through files, distances, search, mining, centers and verification: 40 rows of photographs, few of
// them of one person, and 44 of faces and their mirror images.
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { readEmbeddings, readLabels } from '../../lib/files/index.js';
import {
  type BackendName,
  Centers,
  distances,
  type Matrix,
  matrix,
  minePairs,
  mineTriplets,
  nearest,
  retrieval,
  roc,
  setBackend,
} from '../../lib/index.js';
import { describeNative } from '../helpers/native.js';

const at = (name: string): string => fileURLToPath(new URL(`../data/faces/${name}`, import.meta.url));

interface Descriptors {
  readonly model: string;
  readonly x: Matrix;
  readonly labels: Int32Array;
  /** Values that these files are known to have. */
  readonly persons: number;
  readonly pairs: number;
  readonly ofSeveral: number;
}

async function read(folder: string, scale: number): Promise<Pick<Descriptors, 'x' | 'labels'>> {
  const { data, shape } = await readEmbeddings(at(`${folder}descriptors.npy`));
  const { labels } = await readLabels(at(`${folder}labels.npy`));
  return {
    x: matrix(
      data.map((value) => value / scale),
      shape[1],
    ),
    labels,
  };
}

const models: readonly Descriptors[] = [
  // Three photographs of one person, two each of two others.
  { model: 'human', ...(await read('', 1e4)), persons: 36, pairs: 5, ofSeveral: 7 },
  { model: 'face-api', ...(await read('face-api/', 1)), persons: 22, pairs: 22, ofSeveral: 44 },
];

const inPairs = (data: Int32Array, width: number): number[][] =>
  Array.from({ length: data.length / width }, (_, i) => Array.from(data.subarray(width * i, width * i + width)));

function suite(backend: BackendName, { x, labels, persons, pairs: genuinePairs, ofSeveral }: Descriptors): void {
  const dim = x.shape[1];
  const n = labels.length;
  const rows = Array.from({ length: n }, (_, i) => i);

  /** The truth in float64, row by row. */
  const apart = rows.map((i) =>
    rows.map((j) => {
      let sum = 0;
      for (let k = 0; k < dim; k++) sum += ((x.data[dim * i + k] as number) - (x.data[dim * j + k] as number)) ** 2;
      return Math.sqrt(sum);
    }),
  );
  const between = (i: number, j: number): number => (apart[i] as number[])[j] as number;
  const genuine = (i: number, j: number): boolean => i !== j && labels[i] === labels[j];
  const strangers = (i: number): number[] => rows.filter((j) => labels[i] !== labels[j]);
  const byDistance = (i: number, candidates: readonly number[]): number[] => [...candidates].sort((a, b) => between(i, a) - between(i, b));

  it('are of the persons and pairs that README.md says', () => {
    expect(new Set(labels).size).toBe(persons);
    expect(x.data.every((value) => Math.abs(value) < 3)).toBe(true);
    expect(rows.flatMap((i) => rows.filter((j) => j < i && genuine(i, j)))).toHaveLength(genuinePairs);
  });

  beforeAll(() => setBackend(backend));

  it('have the distances of float64', () => {
    const { data } = distances(x, x, { metric: 'euclidean' });
    // Terms in float32, in any order.
    const tolerance = dim * 2 ** -24;
    for (const i of rows) {
      for (const j of rows) expect(Math.abs((data[n * i + j] as number) - between(i, j))).toBeLessThanOrEqual(tolerance * between(i, j));
      expect(data[n * i + i]).toBe(0);
    }
  });

  it('have the neighbours of a full sort, themselves first, and those of other persons alone', () => {
    const all = nearest(x, x, { k: 5, metric: 'euclidean' });
    const others = nearest(x, x, { k: 5, metric: 'euclidean', filter: 'different', labels, galleryLabels: labels });
    for (const i of rows) {
      expect(Array.from(all.indices.data.subarray(5 * i, 5 * i + 5)), `row ${i}`).toEqual(byDistance(i, rows).slice(0, 5));
      expect(Array.from(others.indices.data.subarray(5 * i, 5 * i + 5)), `row ${i}`).toEqual(byDistance(i, strangers(i)).slice(0, 5));
    }
  });

  it('mine to the farthest of the person and the nearest stranger', () => {
    const anchors = rows.filter((i) => rows.some((j) => genuine(i, j)));
    expect(anchors).toHaveLength(ofSeveral);
    const farthest = (i: number): number =>
      byDistance(
        i,
        rows.filter((j) => genuine(i, j)),
      ).at(-1) as number;
    const closest = (i: number): number => byDistance(i, strangers(i))[0] as number;
    const rule = { strategy: 'batchHard', distance: 'euclidean', normalize: false } as const;
    expect(inPairs(mineTriplets(x, labels, rule).data, 3)).toEqual(anchors.map((i) => [i, farthest(i), closest(i)]));
    const { positivePairs, negativePairs } = minePairs(x, labels, rule);
    expect(inPairs(positivePairs.data, 2)).toEqual(anchors.map((i) => [i, farthest(i)]));
    expect(inPairs(negativePairs.data, 2)).toEqual(rows.map((i) => [i, closest(i)]));
  });

  it('move centers by their own rows alone', () => {
    const centers = new Centers({ classes: persons + 1, dim, alpha: 0.5 });
    const before = centers.loss(x, labels).loss;
    centers.update(x, labels);
    for (let c = 0; c <= persons; c++) {
      const own = rows.filter((i) => labels[i] === c);
      // Wen et al.: c += α·Σ(x − c) / (1 + n), from c = 0.
      for (let k = 0; k < dim; k++) {
        const expected = (0.5 * own.reduce((sum, i) => sum + (x.data[dim * i + k] as number), 0)) / (1 + own.length);
        expect(Math.abs((centers.matrix.data[dim * c + k] as number) - expected)).toBeLessThanOrEqual(2 ** -21);
      }
    }
    expect(centers.loss(x, labels).loss).toBeLessThan(before);
  });

  it('verify and retrieve as counting by hand does', () => {
    const pairs = rows.flatMap((i) => rows.filter((j) => j < i).map((j) => [i, j] as const));
    const { data } = distances(x, x, { metric: 'euclidean' });
    const scores = Float32Array.from(pairs, ([i, j]) => -(data[n * i + j] as number));
    const { auc } = roc(
      scores,
      pairs.map(([i, j]) => (genuine(i, j) ? 1 : 0)),
    );
    const impostors = pairs.filter(([i, j]) => !genuine(i, j));
    const beaten = pairs
      .filter(([i, j]) => genuine(i, j))
      .map(([i, j]) => impostors.filter(([a, b]) => between(a, b) > between(i, j)).length);
    expect(auc).toBeCloseTo(beaten.reduce((a, b) => a + b) / (genuinePairs * impostors.length), 12);
    const first = rows
      .filter((i) => rows.some((j) => genuine(i, j)))
      .map((i) =>
        genuine(
          i,
          byDistance(
            i,
            rows.filter((j) => j !== i),
          )[0] as number,
        ),
      );
    expect(retrieval(x, labels).precisionAt1).toBeCloseTo(first.filter(Boolean).length / first.length, 12);
  });
}

for (const descriptors of models) {
  describe(`of ${descriptors.model}, on the ts backend`, () => suite('ts', descriptors));
  describeNative(`of ${descriptors.model}, on the native backend`, () => suite('native', descriptors));
}
