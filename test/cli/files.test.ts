// The commands that take files: eval and mine, as a user calls them.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readFileData } from '../../lib/cli/dataset.js';
import { evaluate } from '../../lib/cli/evaluation.js';
import { readEmbeddings, writeNpy } from '../../lib/files/index.js';
import { type Matrix, matrix, mineTripletsOffline, retrieval } from '../../lib/index.js';
import { SafetensorsFile } from '../../lib/safetensors.js';
import { cyclicLabels, normals } from '../helpers/data.js';

const bin = join(dirname(fileURLToPath(import.meta.url)), '../../dist/esm/cli/bin.js');
const run = (...args: string[]) => spawnSync(process.execPath, [bin, ...args], { encoding: 'utf8' });
const folder = mkdtempSync(join(tmpdir(), 'hypersphere-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

/** Rows around one direction for each class, the further apart the smaller the noise. */
function clustered(rows: number, classes: number, dim: number, noise: number): { x: Matrix; labels: Int32Array } {
  const [labels, centers, spread] = [cyclicLabels(rows, classes), normals(classes * dim, 1), normals(rows * dim, 2, noise)];
  const data = Float32Array.from(
    spread,
    (value, i) => value + (centers[(labels[Math.floor(i / dim)] as number) * dim + (i % dim)] as number),
  );
  return { x: matrix(data, dim), labels };
}
const { x, labels } = clustered(300, 10, 16, 0.6);
const evaluation = { metric: 'cosine', pairs: 2000, rows: 1000, seed: 0 } as const;

beforeAll(async () => {
  await writeNpy(at('x.npy'), x);
  await writeNpy(at('y.npy'), labels);
  const lines = Array.from(labels, (label, i) => [`c${label}`, ...x.data.subarray(16 * i, 16 * i + 16)].join(','));
  writeFileSync(at('x.csv'), `label,${Array.from({ length: 16 }, (_, k) => `f${k}`).join(',')}\n${lines.join('\n')}\n`);
});

describe('evaluate', () => {
  it('finds nothing to confuse where classes are far apart, and what is confused where they are not', () => {
    const apart = clustered(200, 5, 32, 0.01);
    const clear = evaluate(apart.x, apart.labels, evaluation);
    expect(clear.verification).toMatchObject({ auc: 1, eer: 0, bestAccuracy: 1, foldAccuracy: { mean: 1 } });
    expect(clear.confusions).toEqual([]);
    // Two rows of class 1 lie exactly on rows of class 0.
    const moved = matrix(apart.x.data.slice(), 32);
    for (const [to, from] of [
      [1, 0],
      [6, 5],
    ] as const)
      moved.data.set(apart.x.data.subarray(32 * from, 32 * from + 32), 32 * to);
    const confused = evaluate(moved, apart.labels, evaluation).confusions;
    expect(confused).toContainEqual({ label: 1, taken: 0, count: 2, share: 2 / 40 });
    expect(confused).toContainEqual({ label: 0, taken: 1, count: 2, share: 2 / 40 });
  });

  it('counts every pair once in its histogram, and reads only rates that its pairs can tell', () => {
    const { histogram, verification } = evaluate(x, labels, evaluation);
    const total = (side: 'genuine' | 'impostor') => histogram.reduce((sum, bin) => sum + bin[side], 0);
    expect([total('genuine'), total('impostor')]).toEqual([1000, 1000]);
    expect(verification.tarAtFar.map(({ far }) => far)).toEqual([1e-1, 1e-2]);
  });

  it('looks at as many rows as it is told, the same for one seed', () => {
    const limited = evaluate(x, labels, { ...evaluation, rows: 50 });
    expect(limited.retrieval.rows).toBe(50);
    expect(evaluate(x, labels, { ...evaluation, rows: 50 })).toEqual(limited);
  });
});

describe('eval', () => {
  it('prints as JSON what the library computes, from .npy and from .csv', async () => {
    const { mapAtR } = retrieval(x, labels);
    for (const args of [
      [at('x.npy'), '--labels', at('y.npy')],
      [at('x.csv'), '--label-column', 'label'],
    ]) {
      const { status, stdout, stderr } = run('eval', ...args, '--metric', 'euclidean', '--pairs', '2000', '--json');
      expect(status, stderr).toBe(0);
      const found = JSON.parse(stdout);
      expect(found).toMatchObject({ rows: 300, dim: 16, classes: 10 });
      expect(found.retrieval.mapAtR).toBe(mapAtR);
    }
  });

  it('writes a report that needs no other file', () => {
    const { status, stdout } = run('eval', at('x.csv'), '--label-column', '0', '--out', at('report'));
    expect(status).toBe(0);
    expect(stdout).toContain(join(at('report'), 'report.html'));
    expect(readdirSync(at('report')).sort()).toEqual(['confusion.png', 'evaluation.json', 'report.html', 'roc.png', 'scores.png']);
    const html = readFileSync(join(at('report'), 'report.html'), 'utf8');
    expect(html).not.toMatch(/(?:src|href)="(?!#)/);
    const { confusions } = JSON.parse(readFileSync(join(at('report'), 'evaluation.json'), 'utf8'));
    expect(html).toContain(`<td>c${confusions[0].label}</td><td>c${confusions[0].taken}</td>`);
  });

  it.each([
    ['labels that are missing', ['x.npy'], /--labels FILE is missing/],
    ['a column that is missing', ['x.csv'], /--label-column is missing/],
    ['a file that is not there', ['absent.npy', '--labels', 'y.npy'], /ENOENT/],
    ['labels for embeddings', ['y.npy', '--labels', 'y.npy'], /^hypersphere: y\.npy: expected .*, got/],
    ['embeddings for labels', ['x.npy', '--labels', 'x.npy'], /^hypersphere: x\.npy: expected one dimension, or one column, got/],
    ['another format', ['x.txt', '--labels', 'y.npy'], /ends in \.npy, \.npz, \.csv, \.tsv/],
  ])('refuses %s in a line', (_what, args, message) => {
    const { status, stderr } = spawnSync(process.execPath, [bin, 'eval', ...args], { encoding: 'utf8', cwd: folder });
    expect(status).toBe(1);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('    at ');
  });
});

describe('mine', () => {
  it('writes the triplets that mineTripletsOffline finds', async () => {
    const { status, stdout, stderr } = run(
      'mine',
      at('x.npy'),
      '--labels',
      at('y.npy'),
      '--anchors',
      '100',
      '--seed',
      '5',
      '--out',
      at('t.npy'),
      '--json',
    );
    expect(status, stderr).toBe(0);
    const { triplets, anchors } = await mineTripletsOffline(x, labels, { anchors: 100, seed: 5 });
    expect(JSON.parse(stdout)).toMatchObject({ triplets: triplets.shape[0], anchors });
    expect([...(await readEmbeddings(at('t.npy'))).data]).toEqual([...triplets.data]);
  });

  it('refuses a folder that is not there before it searches', () => {
    const { status, stderr } = run('mine', at('x.npy'), '--labels', at('y.npy'), '--out', at('absent/t.npy'));
    expect(status).toBe(1);
    expect(stderr).toMatch(/^hypersphere: ENOENT.*absent/);
    expect(stderr).not.toContain('of the search');
  });

  it.each([
    ['t.npz', /^hypersphere: --out .*t\.npz: expected a file that ends in \.npy/],
    ['folder.npy', /^hypersphere: --out .*folder\.npy: expected a file, got a folder/],
  ])('refuses %s before it searches', (name, expected) => {
    mkdirSync(at('folder.npy'), { recursive: true });
    const { status, stderr } = run('mine', at('x.npy'), '--labels', at('y.npy'), '--out', at(name));
    expect(status).toBe(1);
    expect(stderr).toMatch(expected);
    expect(stderr).not.toContain('of the search');
  });

  it('is interrupted without leaving a file', async () => {
    const large = clustered(60_000, 100, 32, 1);
    await writeNpy(at('large.npy'), large.x);
    await writeNpy(at('large-y.npy'), large.labels);
    const child = spawn(process.execPath, [bin, 'mine', at('large.npy'), '--labels', at('large-y.npy'), '--out', at('none.npy')], {
      env: { ...process.env, HYPERSPHERE_BACKEND: 'ts' },
    });
    // The bar is drawn once the signal is being listened to.
    await once(child.stderr, 'data');
    child.kill('SIGINT');
    expect(await once(child, 'exit')).toEqual([130, null]);
    expect(existsSync(at('none.npy'))).toBe(false);
  });
});

describe('train on a file', () => {
  it('holds classes out, and leaves the network and the embeddings of all rows behind', async () => {
    const { trainClasses, heldOut } = await readFileData(at('x.npy'), { labels: at('y.npy') }, 1);
    expect([trainClasses.length, heldOut.length]).toEqual([8, 2]);
    expect([...trainClasses, ...heldOut].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const out = at('trained');
    const args = ['train', '--data', at('x.npy'), '--labels', at('y.npy'), '--loss', 'arcFace', 'supCon', '--dim', '8', '--steps', '40'];
    const { status, stdout, stderr } = run(...args, '--out', out, '--json');
    expect(status, stderr).toBe(0);
    const { summary } = JSON.parse(stdout);
    expect(summary.map(({ loss }: { loss: string }) => loss)).toEqual(['arcFace', 'supCon']);
    for (const { accuracy } of summary) expect(accuracy).toBeGreaterThan(0.5);
    expect(readdirSync(out)).toEqual(
      expect.arrayContaining(['arcFace.npy', 'arcFace.safetensors', 'report.html', `roc-${heldOut.join('')}.png`, 'supCon.npy']),
    );
    const embedded = await readEmbeddings(join(out, 'arcFace.npy'));
    expect(embedded.shape).toEqual([300, 8]);
    const file = await SafetensorsFile.open(join(out, 'arcFace.safetensors'));
    expect(Object.fromEntries(Array.from(file.tensors, ([name, { shape }]) => [name, shape]))).toEqual({
      '0.weight': [256, 16],
      '0.bias': [256],
      '0.slope': [256],
      '1.weight': [128, 256],
      '1.bias': [128],
      '1.slope': [128],
      '2.weight': [8, 128],
      '2.bias': [8],
    });
    await file.close();
    const same = retrieval(embedded, labels).precisionAt1;
    expect(same).toBeGreaterThan(0.8);
  });

  it('is interrupted with what is finished in the report', async () => {
    const out = at('interrupted');
    const args = ['train', '--data', at('x.npy'), '--labels', at('y.npy'), '--loss', 'softmax', 'arcFace', '--workers', '1', '--out', out];
    const child = spawn(process.execPath, [bin, ...args, '--steps', '1500']);
    let [result, notes] = ['', ''];
    child.stdout.on('data', (text) => (result += text));
    child.stderr.on('data', (text) => (notes += text));
    while (!existsSync(join(out, 'softmax.npy'))) await new Promise((resolve) => setTimeout(resolve, 20));
    // The result follows the file on its way out of the thread.
    await new Promise((resolve) => setTimeout(resolve, 200));
    child.kill('SIGINT');
    expect(await once(child, 'close')).toEqual([130, null]);
    expect(notes).toContain('1 of 2 runs are finished');
    expect(result).toContain('Report: ');
    expect(JSON.parse(readFileSync(join(out, 'results.json'), 'utf8')).runs).toHaveLength(1);
  });

  it('refuses too few classes in a line', async () => {
    await writeNpy(at('two.npy'), matrix(x.data.slice(0, 160), 16));
    await writeNpy(at('two-y.npy'), cyclicLabels(10, 2));
    const { status, stderr } = run('train', '--data', at('two.npy'), '--labels', at('two-y.npy'));
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(/four classes of 5 rows .* has 2\n$/) });
  });
});
