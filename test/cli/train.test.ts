import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { mnistDataset } from '../../lib/cli/mnist.js';
import { objectives } from '../../lib/cli/objectives.js';
import { writeReport } from '../../lib/cli/report.js';
import { type Job, type RunResult, train } from '../../lib/cli/train.js';
import { setBackend } from '../../lib/index.js';
import { describeNative } from '../helpers/native.js';

const mnist = mnistDataset();
const job = (loss: string, changes: Partial<Job> = {}): Job => ({
  loss,
  dim: 8,
  trainClasses: [0, 1, 2, 3],
  heldOut: [8, 9],
  steps: 30,
  seed: 3,
  ...changes,
});
const timeless = ({ secondsPerStep: _, ...rest }: RunResult): unknown => rest;
const folder = mkdtempSync(join(tmpdir(), 'hypersphere-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.each(Object.keys(objectives))('%s', (loss) => {
  it('learns: its digits are told apart far better than by chance, and its loss falls', async () => {
    const result = await train(mnist, job(loss));
    // Four digits: chance is 0.25.
    expect(result.accuracy).toBeGreaterThan(0.5);
    // Margins are annealed in and triplets selected anew, and TCM is a mean over the pairs that still violate: those losses may rise by design.
    if (!['lSoftmax', 'aSoftmax', 'tripletOffline', 'tcm'].includes(loss)) {
      expect(result.curve.at(-1)?.loss).toBeLessThan(0.9 * (result.curve[0]?.loss as number));
    }
  });
});

describeNative('the main job', () => {
  it.each(['softmax', 'contrastiveRandom', 'tripletBatchHard', 'lSoftmax', 'arcFace'])(
    '%s takes the same first steps on both backends',
    async (loss) => {
      const curves = [];
      for (const backend of ['ts', 'native'] as const) {
        setBackend(backend);
        curves.push((await train(mnist, job(loss, { steps: 4, heldOut: [] }))).curve.map((point) => point.loss));
      }
      const [ts, native] = curves as [number[], number[]];
      expect(native).toHaveLength(4);
      // float32 products of 784 terms, through three layers and four steps of Adam, whose first are signs of gradients.
      native.forEach((value, i) => expect(Math.abs(value / (ts[i] as number) - 1), `step ${i}`).toBeLessThan(1e-3));
    },
  );
});

it('gives the same figures for one seed, and others for another', async () => {
  const run = (seed: number) => train(mnist, job('tripletOffline', { seed, steps: 12, dim: 2 }));
  const first = timeless(await run(5));
  expect(timeless(await run(5))).toEqual(first);
  expect(timeless(await run(6))).not.toEqual(first);
});

it('writes a report that needs no other file, and every chart as PNG', async () => {
  const results = [await train(mnist, job('softmax', { steps: 5, dim: 2, heldOut: [] })), await train(mnist, job('softmax', { steps: 5 }))];
  const rows = writeReport(folder, results, { data: 'MNIST', backend: 'ts', comparison: 'quick', steps: 5, seed: 3, dim: 8, workers: 1 });
  expect(rows.map((row) => row.loss)).toEqual(['softmax']);
  const html = readFileSync(join(folder, 'report.html'), 'utf8');
  const charts = [...html.matchAll(/data-chart="([^"]+)"/g)].map((m) => m[1]);
  expect(charts).toEqual(['scatter-softmax', 'roc-89', 'curves']);
  expect(html).not.toMatch(/(?:src|href)="(?!#)/);
  for (const name of charts) {
    const png = readFileSync(join(folder, `${name}.png`));
    expect([...png.subarray(0, 4)]).toEqual([0x89, 0x50, 0x4e, 0x47]);
  }
  expect(readdirSync(folder)).toContain('results.json');
});

describe('the command', () => {
  const bin = join(dirname(fileURLToPath(import.meta.url)), '../../dist/esm/cli/bin.js');
  const run = (...args: string[]) => spawnSync(process.execPath, [bin, ...args], { encoding: 'utf8' });
  it('is built', () => expect(existsSync(bin), 'npm run build:dist').toBe(true));
  it('explains itself', () => {
    const { status, stdout } = run('train', '--help');
    expect(status).toBe(0);
    for (const word of ['--loss', '--data', '--steps', '--seed', 'arcFace', 'Examples:']) expect(stdout).toContain(word);
  });
  it.each([
    ['an unknown option', ['train', '--los', 'arcFace'], /unknown option '--los'/],
    ['an unknown loss', ['train', '--loss', 'arcface'], /'arcface' is invalid/],
    ['a fractional count', ['train', '--steps', '1.5'], /expected an integer of at least 1/],
    ['an unknown command', ['trian'], /unknown command 'trian'/],
  ])('refuses %s', (_what, args, message) => {
    const { status, stderr } = run(...args);
    expect(status).toBe(1);
    expect(stderr).toMatch(message);
  });
  it('trains one loss and says where the report is', () => {
    const out = join(folder, 'one');
    const { status, stdout } = run('train', '--loss', 'cosFace', '--data', 'mnist', '--steps', '4', '--out', out);
    expect(status).toBe(0);
    expect(stdout).toContain('Training cosFace, 4 steps each');
    expect(stdout).toContain(join(out, 'report.html'));
    expect(existsSync(join(out, 'report.html'))).toBe(true);
  });
  it('tells what runs here', () => {
    expect(run('doctor').stdout).toMatch(/runs on the (ts|native) backend/);
  });
});
