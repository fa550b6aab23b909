// What the scripts for the device's kernels make of what compilers and tests say.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const script = (name: string): string => new URL(`../../scripts/${name}.mjs`, import.meta.url).href;
const { kernelsIn } = await import(script('ptxas-report'));
const { sectionsOf } = await import(script('cuda-races'));

const folder = mkdtempSync(join(tmpdir(), 'hypersphere-device-scripts-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A program of Node. */
function program(name: string, code: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!${process.execPath}\n${code}`, { mode: 0o755 });
  return path;
}

const said = `
ptxas info    : Compiling entry function 'rows' for 'sm_80'
ptxas info    : Function properties for rows
    40 bytes stack frame, 12 bytes spill stores, 16 bytes spill loads
ptxas info    : Used 48 registers, used 0 barriers, 456 bytes cmem[0]
ptxas info    : Compile time = 135.616 ms
ptxas info    : Function properties for _ZN11hypersphere8SoftplusEd
    8 bytes stack frame, 8 bytes spill stores, 8 bytes spill loads
ptxas info    : Function properties for _ZN11hypersphere3ExpEd
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Compiling entry function 'alone' for 'sm_80'
ptxas info    : Function properties for alone
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 20 registers, used 0 barriers
ptxas info    : Compiling entry function 'silent' for 'sm_80'
`;

describe("ptxas's report", () => {
  it('has the spills of a kernel and of what it calls', () => {
    expect([...kernelsIn(said)]).toEqual([
      ['rows', { spilled: 20, registers: 48 }],
      ['alone', { spilled: 0, registers: 20 }],
      ['silent', { spilled: undefined, registers: Number.NaN }],
    ]);
  });
});

// Windows starts no script by its first line.
describe.skipIf(process.platform === 'win32')('scripts that start programs', () => {
  it('races runs every section that cuda_tests has, but for the heads, and refuses a list without one that it names', () => {
    const named = ['kernels', 'nearest', 'heads', 'triplets', 'row-losses', 'fast', 'small-heads'];
    const listing = (sections: string[]): string => `console.log(${JSON.stringify(sections.join('\n'))})`;
    expect(sectionsOf(program('all', listing([...named, 'added'])))).toEqual([
      ...['nearest', 'triplets', 'row-losses', 'small-heads', 'fast', 'kernels'],
      'added',
    ]);
    expect(() => sectionsOf(program('less', listing(named.slice(1))))).toThrow('has no section kernels');
  });

  it('build:ptx refuses PTX with other bits and leaves nothing behind', () => {
    const out = "const { argv } = process; const at = argv.indexOf('-o'); if (at > 0) require('fs').writeFileSync(argv[at + 1], ";
    const clang = program('clang.cjs', `${out}'.visible .entry a()\\n add.ftz.f32 a, b, c;');`);
    const temporary = join(folder, 'temporary');
    mkdirSync(temporary);
    const env = { ...process.env, HYPERSPHERE_CLANG: clang, TMPDIR: temporary };
    const { status, stderr } = spawnSync(process.execPath, [fileURLToPath(script('build-ptx')), '--check'], { env, encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr).toContain('the PTX of module.cu has what it must not have:\n2: add.ftz.f32 a, b, c; flushes denormal numbers');
    expect(readdirSync(temporary)).toEqual([]);
  });
});
