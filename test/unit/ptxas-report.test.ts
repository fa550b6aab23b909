import { describe, expect, it } from 'vitest';

const { kernelsIn } = await import(new URL('../../scripts/ptxas-report.mjs', import.meta.url).href);

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
