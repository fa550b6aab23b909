// The short form of `npm run verify:long -- files`.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { damage, hostile } from '../long/damaged-files.js';

const folder = mkdtempSync(join(tmpdir(), 'hypersphere-damaged-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('a file that is cut, bit-flipped or spliced is refused, or read as it was', async () => {
  const found = await damage(folder, 41, 1);
  expect(found.length).toBe(8);
  for (const { name, files, refused } of found) {
    expect(files, name).toBeGreaterThan(5);
    expect(refused, name).toBeGreaterThan(files / 4);
  }
  // Their checksum covers every byte.
  for (const { files, refused, name } of found.filter((each) => each.name.startsWith('safetensors'))) expect(refused, name).toBe(files);
}, 120_000);

it('a file that claims what it has not is refused in bounded memory', async () => {
  expect((await hostile(folder, 1)).files).toBeGreaterThan(40);
}, 120_000);
