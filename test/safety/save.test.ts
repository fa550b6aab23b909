// The short form of `npm run verify:long -- kills`.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { killSaves } from '../long/kill-saves.js';

const folder = mkdtempSync(join(tmpdir(), 'hypersphere-kills-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('kill −9 during saves leaves the old file or the new one', async () => {
  const { saves } = await killSaves(8, folder, 1);
  expect(saves).toBeGreaterThanOrEqual(8);
}, 120_000);
