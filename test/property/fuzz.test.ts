// What the fuzzer has found, once more; and that it would find a kernel that is wrong.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { opCases } from '../../lib/cli/op-cases.js';
import * as hs from '../../lib/index.js';
import { type FuzzCase, judge } from '../fuzz/differential.js';
import { describeNative } from '../helpers/native.js';

const corpus = join(import.meta.dirname, '../fuzz/corpus');
const right = { ...opCases };
afterEach(() => Object.assign(opCases, right));
const plain: FuzzCase = { op: 'matmul', rows: 5, dim: 7, classes: 3, kind: 'plain', seed: 1 };

describeNative('the fuzzer', () => {
  it.each(readdirSync(corpus))('finds nothing any more in %s', (file) => {
    expect(judge(JSON.parse(readFileSync(join(corpus, file), 'utf8')), { calls: 0 })).toBeUndefined();
  });

  const spoiled: readonly [what: string, test: FuzzCase, spoil: (out: hs.Matrix) => void, fault: RegExp][] = [
    ['a result that is off', plain, ({ data }) => (data[0] = (data[0] as number) + 1e-3), /out is .* off/],
    [
      'other bits on another number of threads',
      { ...plain, kind: 'wild' },
      ({ data }) => hs.info().threads === 2 && (data[0] = 3.25),
      /has other bits/,
    ],
  ];
  it.each(spoiled)('finds %s', (_what, test, spoil, fault) => {
    expect(judge(test, { calls: 0 })).toBeUndefined();
    Object.assign(opCases, {
      matmul: (inputs: Parameters<(typeof opCases)[string]>[0]) => {
        const out = hs.matmul(inputs.x, inputs.weights, { transposeB: true });
        if (hs.info().backend === 'native') spoil(out);
        return { out };
      },
    });
    expect(judge(test, { calls: 0 })).toMatch(fault);
  });

  it('finds an input that was written to', () => {
    Object.assign(opCases, { matmul: ({ x }: { x: hs.Matrix }) => ({ out: x.data.fill(1) }) });
    expect(judge({ ...plain, op: 'matmul' }, { calls: 0 })).toBe('an input has changed');
  });
});
