import { defineConfig } from 'vitest/config';

const shared = { pool: 'forks' as const, testTimeout: 30_000 };

export default defineConfig({
  test: {
    reporters: ['default', './scripts/summary-reporter.mjs'],
    projects: [
      { test: { ...shared, name: 'default', include: ['test/**/*.test.ts'], exclude: ['test/system/**'] } },
      { test: { ...shared, name: 'system', include: ['test/system/**/*.test.ts'], testTimeout: 120_000 } },
    ],
  },
});
