import { availableParallelism } from 'node:os';
import { afterAll, beforeAll, describe } from 'vitest';
import { HypersphereError, type Isa, setBackend, setIsa, setThreads } from '../../lib/index.js';
import { isas } from '../../lib/native/binding.js';

/** Whether `run` succeeds; false where the machine or the build lacks what it asks for. */
function possible(run: () => void): boolean {
  try {
    run();
    return true;
  } catch (error) {
    if (error instanceof HypersphereError && error.code === 'ERR_NO_DEVICE') return false;
    throw error;
  }
}

/** Whether the addon loads. Where HYPERSPHERE_REQUIRE_NATIVE=1 its absence is an error. */
export const hasNative = possible(() => setBackend('native'));
if (!hasNative && process.env['HYPERSPHERE_REQUIRE_NATIVE'] === '1') setBackend('native');

/** Levels that this CPU and this build have, lowest first; the addon is left at the highest. Without one the suites still count a level each. */
export const levels: Isa[] = hasNative ? isas.filter((isa) => possible(() => setIsa(isa))) : ['baseline'];

/** Rows of a batch whose pairs a suite walks in TypeScript. Where sanitizers make all of it slow, small batches take the same paths. */
export const mostRows = process.env['HYPERSPHERE_TEST_PATIENCE'] ? 64 : Infinity;

/** A suite for the addon alone. Without one its tests are skipped, and the summary counts them as such by the mark in the name. */
export function describeNative(name: string, body: () => void): void {
  const suite = `${name} [native]`;
  if (hasNative) describe(suite, body);
  else describe.skip(suite, body);
}

/** The same suite at every level that is here; the body sets the threads it wants. Level and threads are the machine's again afterwards. */
export function describeLevels(name: string, body: (isa: Isa) => void): void {
  describeNative(name, () => {
    beforeAll(() => setBackend('native'));
    afterAll(() => {
      setIsa(levels.at(-1) as Isa);
      setThreads(availableParallelism());
    });
    describe.each(levels)('%s', (isa) => {
      beforeAll(() => setIsa(isa));
      body(isa);
    });
  });
}

/** The same suite on the TypeScript backend, whose sums are float64's, and on the native one, whose values are float32's. */
export function onBothBackends(name: string, body: (backend: 'ts' | 'native') => void): void {
  describe(`${name} on ts`, () => {
    beforeAll(() => setBackend('ts'));
    body('ts');
  });
  describeNative(`${name} on native`, () => {
    beforeAll(() => setBackend('native'));
    body('native');
  });
}

/** What `run` gives at every level with FMA on 1, 2, 3 and 8 threads: all of it should be one result. */
export function atEveryFmaLevel<T>(run: () => T): T[] {
  return levels
    .filter((isa) => isa !== 'baseline')
    .flatMap((isa) => {
      setIsa(isa);
      return [1, 2, 3, 8].map((threads) => {
        setThreads(threads);
        return run();
      });
    });
}
