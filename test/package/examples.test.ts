// What the README, the guide and examples/ show, compiled strictly and run against the installed tarball.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { compile } from './compiling.js';
import { mustRun, root } from './packing.js';

const folder = join(inject('consumer'), 'examples');
const examples = join(root, 'examples');
mkdirSync(folder, { recursive: true });
// A folder in there has a package.json of its own and is tested where it belongs (typefaces: test/cli).
const isOwn = (path: string): boolean => path === examples || statSync(path).isFile();
if (existsSync(examples)) cpSync(examples, folder, { recursive: true, filter: isOwn });
writeFileSync(join(folder, 'package.json'), '{"type":"module"}');

/**
 * Every block of TypeScript of a page is a program of its own. What it takes for granted stands before it in a comment that readers do not see:
 * `<!-- before … -->`.
 */
function programs(page: string): string[] {
  const blocks = /(?:<!-- before\n([\s\S]*?)-->\s*)?^```ts\n([\s\S]*?)^```/gm;
  return [...readFileSync(join(root, page), 'utf8').matchAll(blocks)].map(([, before = '', block = '']) => `${before}${block}`);
}

const guide = readdirSync(join(root, 'docs/guide')).map((page) => `docs/guide/${page}`);
const pages = ['README.md', ...guide].map((page) => ({ page, blocks: programs(page) }));
for (const { page, blocks } of pages) {
  const name = page.replace(/.*\//, '').replace('.md', '');
  blocks.forEach((block, i) => writeFileSync(join(folder, `${name}-${i + 1}.ts`), block));
}

/** Compiled together: the files share the libraries, which take most of the time. */
const files = readdirSync(folder).filter((file) => file.endsWith('.ts'));
// @types/node is a user's to check; the package's own declarations are checked in types.test.ts.
const node = ['--typeRoots', join(root, 'node_modules/@types'), '--types', 'node', '--skipLibCheck', 'true'];

describe('examples', () => {
  it('are on the pages', () => {
    expect(pages.find(({ page }) => page === 'README.md')?.blocks.length).toBeGreaterThan(0);
    expect(pages.flatMap(({ blocks }) => blocks).length).toBeGreaterThan(10);
    for (const page of ['README.md', ...guide]) {
      const shown = readFileSync(join(root, page), 'utf8').match(/^```ts$/gm)?.length ?? 0;
      expect(programs(page), page).toHaveLength(shown);
    }
  });

  it('compile', () => {
    const paths = files.map((file) => join(folder, file));
    expect(compile(paths, ['--module', 'nodenext', ...node])).toBe('');
  });

  it.each(files)('%s prints finite numbers', (file) => {
    const output = mustRun(process.execPath, [join(folder, file.replace(/ts$/, 'js'))], folder);
    expect(output).toMatch(/\d/);
    expect(output).not.toMatch(/NaN|Infinity/);
  });
});
