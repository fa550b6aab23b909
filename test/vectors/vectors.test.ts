import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { setBackend } from '../../lib/index.js';
import { onBothBackends } from '../helpers/native.js';
import { compare, readCases, type VectorCase } from './case.js';
import { ops } from './ops.js';
import { runVectors } from './run.js';

const here = dirname(fileURLToPath(import.meta.url));
const data = join(here, 'data');
const cases = readCases(data);

onBothBackends('reference vectors', () => {
  it.each(cases.map((test) => [test.id, test] as const))('%s', (_id, test) => {
    const run = ops[test.op] as NonNullable<(typeof ops)[string]>;
    expect(compare(test, run(test)).faults).toEqual([]);
  });
});

describe('the vectors', () => {
  it('name every op of the table, and no other', () => {
    expect(new Set(Object.keys(ops))).toEqual(new Set(cases.map((test) => test.op)));
  });
  const original = join(here, '../../../shared/vectors');
  it.runIf(existsSync(original))('equal the shared originals', () => {
    expect(readdirSync(data).sort()).toEqual(readdirSync(original).sort());
    for (const file of readdirSync(original))
      expect(readFileSync(join(data, file)).equals(readFileSync(join(original, file))), file).toBe(true);
  });
});

describe('the runner', () => {
  beforeAll(() => setBackend('ts'));
  const one = cases.find((test) => test.id === 'cosface.basic') as VectorCase;
  const run = (tests: VectorCase[], strict = false) => {
    const lines: string[] = [];
    return { code: runVectors(tests, { backend: 'ts', strict }, (line) => lines.push(line)), text: lines.join('\n') };
  };
  it('passes what is right', () => {
    expect(run([one])).toMatchObject({ code: 0, text: expect.stringContaining('1 passed, 0 failed, 0 unsupported on ts') });
  });
  it('fails on a wrong value, a missing result and a null that is not finite', () => {
    const loss = one.expected['loss'] as NonNullable<(typeof one.expected)[string]>;
    const wrong = { ...one, expected: { ...one.expected, loss: { ...loss, data: [(loss.data[0] as number) * 1.01] } } };
    expect(run([wrong])).toMatchObject({ code: 1, text: expect.stringContaining('FAILED cosface.basic: loss[0]') });
    expect(run([{ ...one, expected: { unheard: loss } }])).toMatchObject({ code: 1, text: expect.stringContaining('no such result') });
    expect(compare({ ...one, expected: { loss: { ...loss, data: [null] } } }, { loss: Number.NaN }).faults).toHaveLength(1);
  });
  it('fails on a parameter the function does not know', () => {
    expect(run([{ ...one, params: { ...one.params, novelty: 1 } }]).code).toBe(1);
  });
  it('counts an unknown op as unsupported, which fails in strict runs or alone', () => {
    const unknown = { ...one, op: 'loss_of_tomorrow' };
    expect(run([one, unknown])).toMatchObject({ code: 0, text: expect.stringContaining('1 unsupported') });
    expect(run([one, unknown], true).code).toBe(1);
    expect(run([unknown]).code).toBe(1);
    expect(run([]).code).toBe(1);
  });
});
