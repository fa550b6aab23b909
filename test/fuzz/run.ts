// npm run fuzz -- --minutes N: random operations on random shapes and data until the time is over. What it finds, shrunk, is printed and belongs
// into test/fuzz/corpus, which the tests replay.
import { Command } from 'commander';
import fc from 'fast-check';
import { opCases } from '../../lib/cli/op-cases.js';
import { type FuzzCase, judge, kinds } from './differential.js';

const cases: fc.Arbitrary<FuzzCase> = fc.record({
  op: fc.constantFrom(...Object.keys(opCases)),
  rows: fc.integer({ min: 1, max: 70 }),
  dim: fc.integer({ min: 1, max: 70 }),
  classes: fc.integer({ min: 1, max: 40 }),
  kind: fc.constantFrom(...kinds),
  seed: fc.nat({ max: 2 ** 31 - 1 }),
});

new Command('fuzz')
  .option('--minutes <n>', 'how long', Number, 1)
  .option('--seed <n>', 'where to begin', Number, Date.now() % 2 ** 31)
  .action(({ minutes, seed }: { minutes: number; seed: number }) => {
    const count = { calls: 0 };
    let ran = 0;
    const property = fc.property(cases, (test) => {
      ran++;
      const fault = judge(test, count);
      if (fault !== undefined) throw new Error(fault);
    });
    const found = fc.check(property, {
      seed,
      numRuns: 2 ** 31 - 1,
      interruptAfterTimeLimit: minutes * 60_000,
      markInterruptAsFailure: false,
    });
    console.log(`${ran} cases, ${count.calls} native calls, seed ${seed}`);
    if (found.failed) {
      console.log(`found: ${JSON.stringify(found.counterexample?.[0])}`);
      console.log(String((found.errorInstance as Error | undefined)?.message ?? ''));
      console.log('Keep it as a file of test/fuzz/corpus: the tests replay what lies there.');
    }
    console.log(`${found.failed ? 0 : 1} passed, ${found.failed ? 1 : 0} failed, 0 skipped`);
    process.exitCode = found.failed ? 1 : 0;
  })
  .parse();
