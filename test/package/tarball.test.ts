// What a user downloads: everything needed, nothing else, and nothing that runs on install.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { install, manifest, pack, packWith, root } from './packing.js';

const packed = inject('packed');
const paths = packed.files.map(({ path }) => path);

/** Every file that an exports or bin entry names. */
function targets(entry: unknown): string[] {
  if (typeof entry === 'string') return [entry.replace(/^\.\//, '')];
  return typeof entry === 'object' && entry !== null ? Object.values(entry).flatMap(targets) : [];
}

describe('tarball', () => {
  it('holds every file that the manifest names', () => {
    const named = [...targets(manifest.exports), ...targets(manifest.bin), 'README.md', 'LICENSE'];
    if (existsSync(join(root, 'CHANGELOG.md'))) named.push('CHANGELOG.md');
    expect(named.length).toBeGreaterThan(6);
    for (const name of named) expect(paths).toContain(name);
    expect(paths).toContain('dist/cjs/package.json');
  });

  it('holds nothing but what is published on purpose', () => {
    const published = /^(dist|prebuilds|native)\/|^docs\/(guide\/)?[\w-]+\.md$|^(package\.json|(README|CHANGELOG|SECURITY)\.md|LICENSE)$/;
    expect(paths.filter((path) => !published.test(path))).toEqual([]);
    expect(
      paths.filter((path) =>
        /(^|\/)(tests?|vectors|bench|\.build|node_modules)\/|\.(test\.|tsbuildinfo|[cm]?[jt]s\.map$|npy$|log$)/.test(path),
      ),
    ).toEqual([]);
  });

  it('stays small', () => {
    const kib = (bytes: number): string => `${(bytes / 1024).toFixed(0)} KiB`;
    console.log(`tarball ${kib(packed.size)}, unpacked ${kib(packed.unpackedSize)}, ${paths.length} files`);
    // Prebuilt binaries have a bound of their own; the kernels of the GPU are generated, and grow with their number.
    const generated = ['native/cuda/ptx.cc', 'native/cuda/fast_ptx.cc'];
    for (const path of generated) expect(paths).toContain(path);
    const own = packed.files
      .filter(({ path }) => !path.startsWith('prebuilds/') && !generated.includes(path))
      .reduce((sum, { size }) => sum + size, 0);
    expect(own).toBeLessThan(3 * 2 ** 20);
    expect(packed.size).toBeLessThan(2 ** 20);
  });

  it('has what its pages link to, or README says where that is', () => {
    const elsewhere = ['CONTRIBUTING.md', 'examples', 'examples/training-service/README.md', 'bench/NOTES.md'];
    const met = new Set<string>();
    for (const page of paths.filter((path) => path.endsWith('.md'))) {
      const text = readFileSync(join(root, page), 'utf8');
      for (const [, link, picture] of text.matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)|src="([^"]+)"/g)) {
        const target = posix.join(posix.dirname(page), (link ?? picture) as string);
        expect(existsSync(join(root, target)), `${page}: ${target}`).toBe(true);
        met.add(target);
      }
    }
    const missing = [...met].filter((target) => !paths.includes(target) && !target.startsWith('docs/pictures/'));
    expect(missing.sort()).toEqual(elsewhere.sort());
    expect(readFileSync(join(root, 'README.md'), 'utf8')).toContain('`node_modules/hypersphere/docs`');
  });

  it('holds what the addon is built from, and not what only makes its PTX', () => {
    const gyp = readFileSync(join(root, 'native/addon.gyp'), 'utf8');
    const sources = Array.from(gyp.matchAll(/'(native\/[^']+\.cc)'/g), ([, path]) => path as string);
    expect(sources.length).toBeGreaterThan(40);
    for (const source of sources) expect(paths).toContain(source);
    expect(paths.filter((path) => /^native\/cuda\/(simt|kernels)\/|\.cu$/.test(path))).toEqual([]);
  });

  it('is the same where a build, a report or a test run left its files', () => {
    const leftovers = {
      'build/Release/hypersphere.node': 'x',
      'binding.gyp': '{}',
      '.build/lib/index.js': 'x',
      'report/report.html': 'x',
      'docs/api/index.html': 'x',
      'old-0.0.1.tgz': 'x',
    };
    const again = packWith(inject('temp'), 'leftovers', leftovers);
    expect(again.files.map(({ path }) => path)).toEqual(paths);
  });

  it('names no path of the machine it was built on', () => {
    const installed = join(inject('consumer'), 'node_modules', manifest.name);
    const texts = paths.filter((path) => /\.([cm]?js|ts|json)$/.test(path));
    expect(texts.length).toBeGreaterThan(50);
    for (const path of texts) {
      const text = readFileSync(join(installed, path), 'utf8');
      expect(text.includes(root) || text.includes(inject('temp')), path).toBe(false);
    }
  });
});

describe('install', () => {
  const filesOf = (folder: string): string[] =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
      .sort();

  it('has no install script, and no package manager would invent one', () => {
    expect(Object.keys(manifest.scripts).filter((name) => ['preinstall', 'install', 'postinstall'].includes(name))).toEqual([]);
    // npm and Yarn run `node-gyp rebuild` by themselves where they find this; Yarn even where the manifest says no.
    expect(paths).not.toContain('binding.gyp');
    expect(manifest.gypfile).toBe(false);
    expect(manifest.dependencies ?? {}).toEqual({});
  });

  it('has no script that npm would run before another one of its own accord', () => {
    const names = Object.keys(manifest.scripts);
    expect(names).toContain('prebuild');
    // `npm run build` would build every binary first.
    expect(names.filter((name) => names.includes(name.replace(/^(pre|post)/, '')) && /^(pre|post)/.test(name))).toEqual([]);
  });

  it('runs and builds nothing even where scripts are allowed', () => {
    // Beside a package that does run something, which shows that scripts were on and would have been seen.
    const control = join(inject('temp'), 'control');
    mkdirSync(control);
    const postinstall = { name: 'control', version: '1.0.0', scripts: { postinstall: 'node -e 0' } };
    writeFileSync(join(control, 'package.json'), JSON.stringify(postinstall));
    const folder = join(inject('temp'), 'scripts-on');
    const output = install([packed.tarball, pack(control, control).tarball], folder, 'with scripts');
    expect(Array.from(output.matchAll(/^> (\S+ \w+)$/gm), ([, announced]) => announced)).toEqual(['control@1.0.0 postinstall']);

    expect(filesOf(join(folder, 'node_modules', manifest.name))).toEqual([...paths].sort());
    const lock = JSON.parse(readFileSync(join(folder, 'node_modules/.package-lock.json'), 'utf8'));
    expect(Object.keys(lock.packages)).toEqual(['node_modules/control', `node_modules/${manifest.name}`]);
    expect(lock.packages['node_modules/control']).toHaveProperty('hasInstallScript');
    expect(lock.packages[`node_modules/${manifest.name}`]).not.toHaveProperty('hasInstallScript');
  });
});
