import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

// Sanitized builds run everything several times slower.
const patience = Number(process.env.HYPERSPHERE_TEST_PATIENCE ?? 1);
const shared = { pool: 'forks' as const, testTimeout: 30_000 * patience };
// The addon's loader is a .cts file, which vite does not transform by itself.
const oxc = { include: /\.([cm]?ts|[jt]sx)$/ };

// What takes longest, which at the end would keep one core alone. The rest as vitest sorts them, by size.
const longest = [
  'package/native',
  'parity/triplet',
  'parity/bits',
  'parity/batch-losses',
  'parity/nearest',
  'package/examples',
  'cli/train',
];
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = longest.findIndex((name) => moduleId.endsWith(`test/${name}.test.ts`));
      return at < 0 ? longest.length : at;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  test: {
    // By default one core is left idle, which on a machine of two doubles the time.
    maxWorkers: '100%',
    sequence: { sequencer: LongestFirst },
    reporters: ['default', './scripts/summary-reporter.mjs'],
    projects: [
      {
        oxc,
        test: {
          ...shared,
          name: 'default',
          include: ['test/**/*.test.ts'],
          exclude: ['test/system/**', 'test/package/**', 'test/cuda/**'],
        },
      },
      {
        oxc,
        test: {
          ...shared,
          name: 'package',
          include: ['test/package/**/*.test.ts'],
          globalSetup: 'test/package/setup.ts',
          testTimeout: 60_000,
        },
      },
      { oxc, test: { ...shared, name: 'cuda', include: ['test/cuda/**/*.test.ts'] } },
      { oxc, test: { ...shared, name: 'system', include: ['test/system/**/*.test.ts'], testTimeout: 120_000 } },
    ],
  },
});
