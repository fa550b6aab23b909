// What comes with the package, and what the package is built and tested with: nothing at run time, and of the rest every byte by its hash.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { manifest, root } from './packing.js';

interface Locked {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
}

const parse = (path: string): Record<string, Record<string, unknown>> => JSON.parse(readFileSync(path, 'utf8'));

describe('the packed manifest', () => {
  const packed = parse(join(inject('consumer'), 'node_modules', manifest.name, 'package.json'));

  it('has no dependencies, and no peer that has to be there', () => {
    for (const kind of ['dependencies', 'optionalDependencies', 'bundleDependencies', 'bundledDependencies'])
      expect(packed, kind).not.toHaveProperty(kind);
    const peers = Object.keys(packed['peerDependencies'] as object);
    expect(peers.length).toBeGreaterThan(3);
    for (const peer of peers) expect(packed['peerDependenciesMeta']?.[peer], peer).toEqual({ optional: true });
  });

  it('runs nothing on installation', () => {
    const onInstall = ['preinstall', 'install', 'postinstall', 'preprepare', 'postprepare', 'prepublish'];
    expect(Object.keys(packed['scripts'] as object).filter((name) => onInstall.includes(name))).toEqual([]);
  });
});

describe('the lock file', () => {
  const lock = parse(join(root, 'package-lock.json'));
  const { '': own, ...locked } = lock['packages'] as unknown as Record<string, Locked>;
  const packages = Object.entries(locked);

  it('has a hash of every package, and none from elsewhere than a registry', () => {
    expect(lock['lockfileVersion']).toBe(3);
    expect(packages.length).toBeGreaterThan(100);
    for (const [name, { version, integrity, resolved, link }] of packages) {
      expect(integrity, name).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/);
      expect(version, name).toMatch(/^\d+\.\d+\.\d+/);
      expect(link, name).toBeUndefined();
      if (resolved !== undefined) expect(resolved, name).toMatch(/^https:\/\/registry\.npmjs\.org\//);
    }
  });

  it('has none with a script that runs on installation', () => {
    expect(packages.filter(([, { hasInstallScript }]) => hasInstallScript).map(([name]) => name)).toEqual([]);
  });

  it('is of this manifest, whose own tools are named to the version', () => {
    const wanted = parse(join(root, 'package.json'));
    for (const kind of ['devDependencies', 'peerDependencies', 'peerDependenciesMeta'])
      expect((own as Record<string, unknown>)[kind], kind).toEqual(wanted[kind]);
    const versions = Object.entries(wanted['devDependencies'] as Record<string, string>);
    for (const [name, version] of versions) {
      expect(version, name).toMatch(/^\d+\.\d+\.\d+(-[\w.]+)?$/);
      expect(locked[`node_modules/${name}`]?.version, name).toBe(version);
    }
  });
});

it('SECURITY.md and docs/reliability.md name commands that are there', () => {
  const long = readFileSync(join(root, 'test/long/run.ts'), 'utf8');
  const commands = new Set(Array.from(long.matchAll(/\.command\('([\w-]+)'\)/g), ([, name]) => name));
  for (const page of ['SECURITY.md', 'docs/reliability.md']) {
    const text = readFileSync(join(root, page), 'utf8');
    const named = Array.from(text.matchAll(/`npm run ([\w:]+)(?: -- ([a-z][\w-]*))?/g));
    expect(named.length, page).toBeGreaterThan(0);
    for (const [all, script = '', command] of named) {
      expect(Object.keys(manifest.scripts), all).toContain(script);
      if (script === 'verify:long' && command !== undefined) expect([...commands], all).toContain(command);
    }
  }
});
