// The command's libraries are optional peers: without them it says what to install, with them it runs.
import { cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { manifest, type Outcome, root, run } from './packing.js';

const peers = Object.keys(manifest.peerDependencies);
const bin = join('node_modules/.bin', process.platform === 'win32' ? 'hypersphere.cmd' : 'hypersphere');
const help = (folder: string): Outcome => run(join(folder, bin), ['--help'], folder);

describe('bin', () => {
  it('names every missing package and exits 1', () => {
    const { status, stdout, stderr } = help(inject('consumer'));
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(peers.length).toBeGreaterThan(0);
    for (const peer of peers) expect(stderr).toContain(peer);
    expect(stderr).not.toContain('    at ');
  });

  it('runs with all of them, and with one gone names that one only', () => {
    const folder = join(inject('temp'), 'with-peers');
    cpSync(inject('consumer'), folder, { recursive: true, verbatimSymlinks: true });
    for (const peer of peers) {
      const link = join(folder, 'node_modules', peer);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(join(root, 'node_modules', peer), link, 'junction');
    }
    const { status, stdout, stderr } = help(folder);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('train');

    const [gone = '', ...rest] = peers;
    rmSync(join(folder, 'node_modules', gone));
    const without = help(folder);
    expect(without.status).toBe(1);
    expect(without.stderr).toContain(gone);
    for (const peer of rest) expect(without.stderr).not.toContain(peer);
  });
});
