// `check` itself: that it passes here, and that it would not if an op were wrong.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it, vi } from 'vitest';
import { check } from '../../lib/cli/check.js';
import { floatsOf, opCases, opInputs } from '../../lib/cli/op-cases.js';
import * as hs from '../../lib/index.js';
import { describeNative, levels } from '../helpers/native.js';

const bin = join(dirname(fileURLToPath(import.meta.url)), '../../dist/esm/cli/bin.js');
afterEach(() => vi.restoreAllMocks());

it('has every loss of the package, and each returns floats to compare', () => {
  const covered = new Set(Object.keys(opCases).map((name) => name.split(',')[0]));
  const losses = Object.keys(hs).filter((name) => /Loss$|CrossEntropy$/.test(name) && name !== 'hardmaxLoss');
  expect(losses.filter((name) => !covered.has(name))).toEqual([]);
  const inputs = opInputs(12, 8, 4, 1);
  for (const [name, run] of Object.entries(opCases)) {
    const found = floatsOf(run(inputs));
    expect(found.size, name).toBeGreaterThan(0);
    for (const values of found.values()) expect(values.some(Number.isNaN), name).toBe(false);
  }
});

describeNative('check', () => {
  it('passes at every level of this machine, and leaves backend and level as they were', () => {
    const before = hs.info();
    const { checked } = check(3);
    expect(checked.filter(({ passed }) => !passed)).toEqual([]);
    expect(new Set(checked.map(({ level }) => level))).toEqual(new Set(levels));
    expect(hs.info()).toEqual(before);
  });

  it('fails where one number of a result is off by a ten-thousandth', () => {
    const right = opCases['matmul'] as (typeof opCases)[string];
    const wrong = (inputs: Parameters<typeof right>[0]) => {
      const out = right(inputs)['out'] as hs.Matrix;
      if (hs.info().backend === 'native') out.data[0] = (out.data[0] as number) * (1 + 1e-5) + 1e-4;
      return { out };
    };
    Object.assign(opCases, { matmul: wrong });
    try {
      const failed = check(3).checked.filter(({ passed }) => !passed);
      expect(new Set(failed.map(({ op }) => op))).toEqual(new Set(['matmul']));
    } finally {
      Object.assign(opCases, { matmul: right });
    }
  });

  it('is a command that exits with 0, as text and as JSON', () => {
    const text = spawnSync(process.execPath, [bin, 'check'], { encoding: 'utf8' });
    expect(text.status, text.stdout).toBe(0);
    expect(text.stdout).toMatch(/\d+ passed, 0 failed\n$/);
    const { stdout } = spawnSync(process.execPath, [bin, 'check', '--json'], { encoding: 'utf8' });
    expect(JSON.parse(stdout).checked.length).toBeGreaterThan(50);
  });
});
