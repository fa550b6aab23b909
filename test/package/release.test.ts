// The release: nothing is published while a binary is missing, and the workflows call what is there.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { manifest, root, run } from './packing.js';

const workflows = join(root, '.github/workflows');
const script = join(root, 'scripts/check-release.mjs');
const missing = (text: string): string[] => Array.from(text.matchAll(/^prebuilds[\\/](\S+) is missing$/gm), ([, file = '']) => file);

describe('the check before a release', () => {
  const folder = join(inject('temp'), 'release');
  mkdirSync(folder);
  copyFileSync(join(root, 'package.json'), join(folder, 'package.json'));

  it('names each binary that is missing, and a tag of another version', () => {
    const { status, stderr } = run(process.execPath, [script, 'v999.0.0'], folder);
    expect(status).toBe(1);
    expect(stderr).toContain(`the tag is v999.0.0, the manifest's version ${manifest.version}`);
    const named = missing(stderr);
    for (const target of ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64', 'win32-x64']) {
      expect(named.filter((file) => file.startsWith(target)).length, target).toBe(target.startsWith('linux') ? 2 : 1);
    }
    const release = readFileSync(join(workflows, 'release.yml'), 'utf8');
    for (const file of named) expect(release).toContain(file.split(/[\\/]/)[0]);
  });

  it.runIf(process.platform === 'linux')('refuses what is for another machine, or is no addon', () => {
    for (const arch of ['x64', 'arm64']) {
      mkdirSync(join(folder, 'prebuilds', `linux-${arch}`), { recursive: true });
      copyFileSync('/bin/sh', join(folder, 'prebuilds', `linux-${arch}`, 'hypersphere.glibc.node'));
    }
    const { status, stderr } = run(process.execPath, [script, `v${manifest.version}`], folder);
    expect(status).toBe(1);
    expect(stderr).not.toContain('the tag is');
    expect(missing(stderr)).toHaveLength(5);
    expect(stderr.match(/hypersphere\.glibc\.node: not for /g)).toHaveLength(1);
    expect(stderr.match(/hypersphere\.glibc\.node: exports /g)).toHaveLength(2);
  });
});

describe('workflows', () => {
  it.each(readdirSync(workflows))('%s calls scripts and programs of the repository that exist', (file) => {
    const text = readFileSync(join(workflows, file), 'utf8');
    const scripts = Array.from(text.matchAll(/npm run ([\w:-]+)/g), ([, name = '']) => name);
    for (const name of scripts) expect(manifest.scripts).toHaveProperty([name]);
    const programs = Array.from(text.matchAll(/(?:node |run: )((?:scripts|\.ci)\/[\w./-]+)/g), ([, path = '']) => path);
    for (const path of programs) expect(existsSync(join(root, path)), path).toBe(true);
    expect(scripts.length + programs.length).toBeGreaterThan(0);
  });
});
