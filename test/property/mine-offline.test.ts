// What holds for offline mining whatever the data: the definition, and that neither chunks, files nor the workspace leave a trace.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { createRandom, type Matrix, matrix, mineTripletsOffline } from '../../lib/index.js';
import { offlineStrategies } from '../../lib/mine-offline.js';
import { pairDistances } from '../../lib/ops/pairs.js';
import { onBothBackends } from '../helpers/native.js';
import { npyBytes } from '../helpers/npy.js';
import { pairsOf } from '../helpers/offline.js';

const folder = mkdtempSync(join(tmpdir(), 'hypersphere-mine-'));
afterAll(() => rmSync(folder, { recursive: true }));

const sets = fc.record({
  n: fc.integer({ min: 1, max: 40 }),
  d: fc.integer({ min: 1, max: 6 }),
  classes: fc.integer({ min: 1, max: 8 }),
  seed: fc.integer({ min: 0, max: 1e6 }),
  // Small integers tie everywhere.
  coarse: fc.boolean(),
  normalize: fc.boolean(),
  strategy: fc.constantFrom(...offlineStrategies),
  distance: fc.constantFrom(...pairDistances.filter((distance) => distance !== 'snr')),
  margin: fc.constantFrom(0, 0.05, 0.2, 1, 3),
  candidates: fc.integer({ min: 1, max: 5 }),
});
type Set = typeof sets extends fc.Arbitrary<infer T> ? T : never;

function drawn({ n, d, classes, seed, coarse }: Set): { x: Matrix; labels: Int32Array } {
  const random = createRandom(seed);
  const data = Float32Array.from({ length: n * d }, () => (coarse ? random.integer(3) : random.normal()));
  return { x: matrix(data, d), labels: Int32Array.from({ length: n }, () => 7 * random.integer(classes) - 20) };
}

const chunksOf = (x: Matrix, seed: number): Matrix[] => {
  const random = createRandom(seed);
  const [n, d] = x.shape;
  const chunks: Matrix[] = [];
  for (let row = 0; row < n; ) {
    const rows = Math.min(random.integer(9), n - row);
    chunks.push({ data: x.data.slice(row * d, (row + rows) * d), shape: [rows, d] });
    row += rows;
  }
  return chunks;
};

onBothBackends('properties of mineTripletsOffline', () => {
  it('is the definition over all distances', async () => {
    const property = fc.asyncProperty(sets, async (set) => {
      const { x, labels } = drawn(set);
      const { strategy, distance, normalize, margin, candidates, seed } = set;
      const rule = { strategy, distance, normalize, margin };
      const mined = await mineTripletsOffline(x, labels, { ...rule, candidates, seed, positivesPerAnchor: 'all' });
      const found = new Map<string, number>();
      for (let t = 0; t < mined.triplets.data.length; t += 3) {
        const [a, p, n] = mined.triplets.data.subarray(t, t + 3) as unknown as [number, number, number];
        found.set(`${a},${p}`, n);
      }
      let [pairs, without] = [0, 0];
      for (const { a, p, admitted } of pairsOf(x, labels, rule)) {
        pairs++;
        const negative = found.get(`${a},${p}`);
        if (admitted.length === 0) {
          without++;
          expect(negative).toBe(undefined);
        } else if (candidates === 1) expect(negative).toBe(admitted[0]);
        else expect(admitted.slice(0, candidates)).toContain(negative);
      }
      expect(mined).toMatchObject({ pairs, withoutNegative: without });
      expect(mined.triplets.shape).toEqual([pairs - without, 3]);
      expect(found.size).toBe(pairs - without);
      const sizes = new Map<number, number>();
      for (const label of labels) sizes.set(label, (sizes.get(label) ?? 0) + 1);
      expect(mined.withoutPositive).toBe([...sizes.values()].filter((size) => size === 1).length);
      expect(mined.anchors).toBe(labels.length - mined.withoutPositive);
    });
    await fc.assert(property, { numRuns: 40 });
  });

  it('neither the source, its chunks nor the workspace leave a trace', async () => {
    const path = join(folder, 'rows.npy');
    const more = fc.record({
      anchors: fc.option(fc.integer({ min: 0, max: 30 }), { nil: undefined }),
      positives: fc.integer({ min: 1, max: 4 }),
    });
    const property = fc.asyncProperty(
      sets,
      more,
      fc.integer({ min: 1, max: 4000 }),
      async (set, { anchors, positives }, workspaceBytes) => {
        const { x, labels } = drawn(set);
        const { strategy, distance, normalize, margin, candidates, seed } = set;
        const options = {
          strategy,
          distance,
          normalize,
          margin,
          candidates,
          seed,
          positivesPerAnchor: positives,
          ...(anchors === undefined ? {} : { anchors }),
        };
        const expected = await mineTripletsOffline(x, labels, options);
        const small = { ...options, workspaceBytes };
        expect(await mineTripletsOffline(x, labels, small)).toEqual(expected);
        const chunks = chunksOf(x, seed);
        expect(await mineTripletsOffline(chunks, labels, small)).toEqual(expected);
        const memory = matrix(new Float32Array(x.data.length), x.shape[1]);
        const stream = async function* () {
          for (const { data, shape } of chunks) {
            // All in the same memory, one after another.
            memory.data.fill(Number.NaN).set(data);
            yield { data: memory.data.subarray(0, data.length), shape };
          }
        };
        expect(await mineTripletsOffline(stream, labels, small)).toEqual(expected);
        writeFileSync(path, npyBytes(x.data, x.shape[1]));
        expect(await mineTripletsOffline(path, labels, small)).toEqual(expected);
      },
    );
    await fc.assert(property, { numRuns: 25 });
  });
});
