// The command `bench`: which rows it has and what it prints. How fast anything is, no test says.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { bench } from '../../lib/cli/bench.js';
import { info } from '../../lib/index.js';

const bin = join(dirname(fileURLToPath(import.meta.url)), '../../dist/esm/cli/bin.js');
const flags = { rows: 6, dim: 4, classes: 3, time: 1 };

it('times every side of the rows asked for, and leaves the backend as it was', async () => {
  const before = info().backend;
  let advanced = 0;
  let peerRuns = 0;
  const peer = { name: 'peer', ops: { matmul: () => peerRuns++ } };
  const rows = await bench({ ...flags, only: ['matmul', 'distances, e'] }, peer, () => advanced++);
  expect(rows.map(({ op }) => op)).toEqual(['matmul', 'distances, euclidean']);
  expect(advanced).toBe(2);
  expect(peerRuns).toBeGreaterThan(0);
  const own = before === 'ts' ? ['ts'] : [before, 'ts'];
  expect(rows.map(({ ms }) => Object.keys(ms))).toEqual([[...own, 'peer'], own]);
  for (const { ms } of rows) for (const value of Object.values(ms)) expect(value).toBeGreaterThan(0);
  expect(info().backend).toBe(before);
});

it('is a command, as text and as JSON', () => {
  const args = [bin, 'bench', '--rows', '6', '--dim', '4', '--classes', '3', '--time', '1', '--only', 'normalize'];
  const text = spawnSync(process.execPath, args, { encoding: 'utf8' });
  expect(text.status, text.stderr).toBe(0);
  expect(text.stdout).toMatch(/^normalizeGradient .*×/m);
  const json = spawnSync(process.execPath, [...args, '--json'], { encoding: 'utf8' });
  expect(JSON.parse(json.stdout)).toMatchObject({
    rows: 6,
    dim: 4,
    classes: 3,
    results: [{ op: 'normalize' }, { op: 'normalizeGradient' }],
  });
});
