// What the README and examples/ show, compiled strictly and run against the installed tarball.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { compile } from './compiling.js';
import { mustRun, root } from './packing.js';

const folder = join(inject('consumer'), 'examples');
const examples = join(root, 'examples');
mkdirSync(folder, { recursive: true });
if (existsSync(examples)) cpSync(examples, folder, { recursive: true });
writeFileSync(join(folder, 'package.json'), '{"type":"module"}');

const readme = /^## Twenty lines\n[\s\S]*?^```ts\n([\s\S]*?)^```/m.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1];
writeFileSync(join(folder, 'readme.ts'), readme ?? '');

/** Compiled together: the files share the libraries, which take most of the time. */
const files = readdirSync(folder).filter((file) => file.endsWith('.ts'));
// @types/node is a user's to check; the package's own declarations are checked in types.test.ts.
const node = ['--typeRoots', join(root, 'node_modules/@types'), '--types', 'node', '--skipLibCheck', 'true'];

describe('examples', () => {
  it('README.md has the block that stands for all', () => {
    expect(readme?.split('\n').length).toBeGreaterThan(10);
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
