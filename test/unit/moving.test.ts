// The first table of docs/guide/moving.md is true: its second column, run as it stands, is what the first one gave (test/data/moving/record.py).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { root } from '../helpers/child.js';

interface Recorded {
  readonly loss: number;
  readonly gradient: readonly number[];
  readonly weights?: readonly number[];
}
interface Mined {
  /** Of each tuple its first rows, its second ones, …; of pairs the positive ones, then the negative ones. */
  readonly mined: readonly (readonly number[])[];
}
interface Records {
  readonly dim: number;
  readonly x: readonly number[];
  readonly y: readonly number[];
  readonly labels: readonly number[];
  readonly calls: Readonly<Record<string, Recorded | Mined>>;
}

const { dim, labels, calls, ...flat } = JSON.parse(readFileSync(join(root, 'test/data/moving/recorded.json'), 'utf8')) as Records;
const rowsOf = (values: readonly number[]): hs.Matrix => hs.matrix(Float32Array.from(values), dim);
const [x, y] = [rowsOf(flat.x), rowsOf(flat.y)];
/** The first and the second row of each class. */
const [first, second] = [0, 1].map((at) =>
  [...new Set(labels)].map((label) => labels.indexOf(label, at === 0 ? 0 : labels.indexOf(label) + 1)),
);
const [anchors, positives] = [hs.takeRows(x, first as number[]), hs.takeRows(x, second as number[])];

const [table = ''] = readFileSync(join(root, 'docs/guide/moving.md'), 'utf8').split('What has another shape');
const rows = [...table.matchAll(/^\| `((?:losses|miners)\..*?)` \| `(.*?)` \|/gm)].map(
  ([, theirs = '', ours = '']) => [theirs, ours] as const,
);

function run(ours: string, record: Recorded | Mined): unknown {
  const weights = 'weights' in record ? rowsOf(record.weights as number[]) : undefined;
  const scope = { ...hs, x, y, labels, anchors, positives, weights, proxies: weights };
  return new Function(...Object.keys(scope), `return ${ours};`)(...Object.values(scope));
}

type Result = Readonly<Record<'gradEmbeddings' | 'gradX' | 'gradAnchors' | 'gradPositives', hs.Matrix | undefined>> & {
  readonly loss: number;
};

function gradientOf({ gradEmbeddings, gradX, gradAnchors, gradPositives }: Result): Float32Array {
  const whole = gradEmbeddings ?? gradX;
  if (whole !== undefined) return whole.data;
  const gathered = new Float32Array(x.data.length);
  for (const [places, gradient] of [[first, gradAnchors] as const, [second, gradPositives] as const])
    places?.forEach((row, i) => gathered.set((gradient as hs.Matrix).data.subarray(i * dim, (i + 1) * dim), row * dim));
  return gathered;
}

const tuples = (columns: readonly (readonly number[])[]): string[] =>
  (columns[0] ?? []).map((_, i) => columns.map((column) => column[i]).join()).sort();
const tuplesOf = ({ data, shape: [count, width] }: hs.IndexMatrix): string[] =>
  Array.from({ length: count }, (_, i) => data.subarray(i * width, (i + 1) * width).join()).sort();

describe('moving from pytorch-metric-learning', () => {
  it('has a record of every row, and a row of every record', () => {
    expect(rows.map(([theirs]) => theirs).sort()).toEqual(Object.keys(calls).sort());
    expect(rows.length).toBeGreaterThan(30);
  });

  it.each(rows)('%s', (theirs, ours) => {
    const record = calls[theirs] as Recorded | Mined;
    const got = run(ours, record);
    if ('mined' in record) {
      if ('data' in (got as object)) {
        expect(tuplesOf(got as hs.IndexMatrix)).toEqual(tuples(record.mined));
        return;
      }
      const { positivePairs, negativePairs } = got as hs.MinedPairs;
      expect([tuplesOf(positivePairs), tuplesOf(negativePairs)]).toEqual([tuples(record.mined.slice(0, 2)), tuples(record.mined.slice(2))]);
      return;
    }
    // Both sides are float32; exponents up to 64·2 pass on what a cosine is off.
    const near = 2 ** -17;
    expect(Math.abs((got as Result).loss - record.loss)).toBeLessThanOrEqual(near * Math.abs(record.loss));
    const largest = Math.max(...record.gradient.map(Math.abs));
    expect(largest).toBeGreaterThan(0);
    gradientOf(got as Result).forEach((value, i) => {
      expect(Math.abs(value - (record.gradient[i] as number))).toBeLessThanOrEqual(near * largest);
    });
  });
});
