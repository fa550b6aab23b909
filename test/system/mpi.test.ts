// Processes of an MPI job, as mpirun starts them, against the threads of one process and against one head alone.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { mpiCollective } from '../../lib/integrations/mpi.js';
import { root } from '../helpers/child.js';
import { runRanks } from '../helpers/ranks.js';

const folder = mkdtempSync(join(tmpdir(), 'hypersphere-mpi-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const size = 4;
// Open MPI asks for these where the user is root, as in a container.
const env = { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1', NO_COLOR: '1' };

const resultOf = (rank: number): string => join(folder, `result-${rank}.json`);

/** Runs a body, with `hs`, `mpi` and `collective`, on every rank; what it returns, by rank. */
function job(ranks: number, body: string): { readonly status: number | null; readonly results: unknown[]; readonly stderr: string } {
  const program = join(folder, 'program.mjs');
  const lines = [
    "import { writeFileSync } from 'node:fs';",
    `import * as hs from '${join(root, 'dist/esm/index.js')}';`,
    `import { mpiCollective } from '${join(root, 'dist/esm/integrations/mpi.js')}';`,
    'const collective = mpiCollective();',
    `const result = (() => { ${body} })();`,
    // Not over stdout, where mpirun mixes what ranks write.
    "writeFileSync('result-' + collective.rank + '.json', JSON.stringify(result));",
  ];
  writeFileSync(program, lines.join('\n'));
  const args = ['--oversubscribe', '-n', String(ranks), process.execPath, program];
  for (let rank = 0; rank < ranks; rank++) rmSync(resultOf(rank), { force: true });
  const { status, stderr } = spawnSync('mpirun', args, { env, encoding: 'utf8', timeout: 60_000, cwd: folder });
  const results = Array.from({ length: ranks }, (_, rank) => resultOf(rank)).filter((path) => existsSync(path));
  return { status, results: results.map((path) => JSON.parse(readFileSync(path, 'utf8'))), stderr };
}

const transfers = `
  const random = hs.createRandom(collective.rank + 1);
  const values = (type, length) => type.from({ length }, () => random.normal() * 10 ** random.integer(6));
  const sum = values(Float32Array, 1003);
  const most = values(Float64Array, 7);
  collective.allReduce(sum, 'sum');
  collective.allReduce(most, 'max');
  return {
    sum: [...sum],
    most: [...most],
    all: [...collective.allGather(Int32Array.of(collective.rank, -1))],
    mine: [...collective.reduceScatter(values(Float32Array, 4 * collective.size))],
    none: [...collective.allGather(new Float32Array(0))],
  };
`;

const training = `
  const [classes, dim, batch] = [53, 16, 12];
  const random = hs.createRandom(5);
  const rows = Float32Array.from({ length: batch * dim }, () => random.normal());
  const labels = Int32Array.from({ length: batch }, () => random.integer(classes));
  const weights = hs.matrix(Float32Array.from({ length: classes * dim }, () => random.normal()), dim);
  const part = batch / collective.size;
  const x = hs.matrix(rows.subarray(collective.rank * part * dim, (collective.rank + 1) * part * dim), dim);
  const own = labels.subarray(collective.rank * part, (collective.rank + 1) * part);
  const options = { classes, dim, margin: hs.arcFace({ s: 16, m: 0.3 }), optimizer: hs.sgd({ learningRate: 0.1, momentum: 0.9 }), seed: 3 };
  const head = new hs.ClassifierHead(collective.size > 1 ? { ...options, collective } : options);
  return Array.from({ length: 8 }, () => head.step(x, own).loss);
`;

describe('an MPI job', () => {
  it('sums, takes maxima, gathers and scatters as threads do, to the bit', async () => {
    const { status, results, stderr } = job(size, transfers);
    expect(status, stderr).toBe(0);
    expect(results).toEqual(await runRanks(size, transfers));
  });

  it('trains a head in shards: the curve of one process, the same bits each time and as in threads', async () => {
    const alone = job(1, training);
    expect(alone.status, alone.stderr).toBe(0);
    const [first, second] = [job(size, training), job(size, training)];
    expect(first.status, first.stderr).toBe(0);
    expect(first.results).toHaveLength(size);
    for (const curve of first.results) expect(curve).toEqual(first.results[0]);
    expect(second.results).toEqual(first.results);
    expect(first.results).toEqual(await runRanks(size, training, { env: { HYPERSPHERE_BACKEND: 'native' } }));
    const [curve, expected] = [first.results[0] as number[], alone.results[0] as number[]];
    // Shards fold other partial sums: a few roundings of a loss, over eight steps.
    curve.forEach((loss, step) => expect(Math.abs(loss / (expected[step] as number) - 1), `step ${step}`).toBeLessThan(1e-5));
    expect(curve.at(-1)).toBeLessThan(curve[0] as number);
  });

  it('sends what is longer than a part in parts', () => {
    const body = `
      const length = 5_000_003;
      const data = Float32Array.from({ length }, (_, i) => (i % 1000) + collective.rank);
      collective.allReduce(data, 'sum');
      const wrong = data.findIndex((value, i) => value !== 4 * (i % 1000) + 6);
      const gathered = collective.allGather(new Float64Array(2_500_000).fill(collective.rank));
      return [wrong, gathered.findIndex((value, i) => value !== Math.floor(i / 2_500_000)), gathered.length];
    `;
    const { status, results, stderr } = job(size, body);
    expect(status, stderr).toBe(0);
    expect(results).toEqual(Array.from({ length: size }, () => [-1, -1, 10_000_000]));
  });

  it('refuses calls that do not belong together on every rank, and goes on', () => {
    const body = `
      let code;
      try { collective.allGather(new Float32Array(collective.rank === 1 ? 2 : 3)); } catch (error) { code = error.code; }
      return [code, ...collective.allGather(Int32Array.of(collective.rank))];
    `;
    const { status, results, stderr } = job(size, body);
    expect(status, stderr).toBe(0);
    expect(results).toEqual(Array.from({ length: size }, () => ['ERR_SHAPE', 0, 1, 2, 3]));
  });

  it('ends, with an error and no hang, when a rank dies', () => {
    const { status, results } = job(
      size,
      "if (collective.rank === 2) throw new Error('gone'); return [...collective.allGather(Int32Array.of(1))];",
    );
    expect(status).not.toBe(0);
    expect(status).not.toBe(null);
    expect(results).toEqual([]);
  });
});

it('runs the program of the guide', () => {
  const [, program = ''] = /^```js\n([\s\S]*?)^```/m.exec(readFileSync(join(root, 'docs/guide/scale-out.md'), 'utf8')) ?? [];
  // Inside of the package, which then is found by its name.
  mkdirSync(join(root, '.build'), { recursive: true });
  const inside = mkdtempSync(join(root, '.build/mpi-'));
  try {
    writeFileSync(join(inside, 'train.mjs'), program);
    const { status, stdout, stderr } = spawnSync('mpirun', ['--oversubscribe', '-n', '2', process.execPath, 'train.mjs'], {
      env,
      encoding: 'utf8',
      cwd: inside,
    });
    expect(status, stderr).toBe(0);
    const losses = stdout
      .trim()
      .split('\n')
      .map((line) => Number(line.split(' ')[1]));
    expect(losses).toHaveLength(10);
    expect(losses.at(-1)).toBeLessThan(losses[0] as number);
  } finally {
    rmSync(inside, { recursive: true });
  }
});

it('names a library that does not load', () => {
  expect(() => mpiCollective({ library: 'libabsent.so' })).toThrow(/libabsent\.so/);
});
