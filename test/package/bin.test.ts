// The command's libraries are optional peers: without them it says what to install, with them it runs.
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { link, manifest, type Outcome, run } from './packing.js';

const peers = Object.keys(manifest.peerDependencies);
const bin = join('node_modules/.bin', process.platform === 'win32' ? 'hypersphere.cmd' : 'hypersphere');
const hypersphere = (folder: string, ...args: string[]): Outcome => run(join(folder, bin), args, folder);

describe('bin', () => {
  it('names the missing command library and exits 1', () => {
    const { status, stdout, stderr } = hypersphere(inject('consumer'), '--help');
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/npm install commander\n$/);
  });

  it('diagnoses a fresh installation without any', () => {
    const { status, stdout } = hypersphere(inject('consumer'), 'doctor');
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: expect.stringContaining(`hypersphere ${manifest.version} runs on the ts backend`),
    });
    const { version, backend, unavailable } = JSON.parse(hypersphere(inject('consumer'), 'doctor', '--json').stdout);
    expect({ version, backend, unavailable }).toEqual({
      version: manifest.version,
      backend: 'ts',
      unavailable: { native: expect.any(String), cuda: expect.any(String) },
    });
  });

  it('helps and tells its version with that one alone; to train it names whatever else is missing', () => {
    const folder = join(inject('temp'), 'with-peers');
    cpSync(inject('consumer'), folder, { recursive: true, verbatimSymlinks: true });
    const add = (peer: string): void => link(folder, peer);
    add('commander');
    expect(hypersphere(folder, '--help')).toMatchObject({ status: 0, stderr: '' });
    expect(hypersphere(folder, '--version')).toMatchObject({ status: 0, stdout: `${manifest.version}\n` });
    expect(hypersphere(folder, 'doctor', '--jsn')).toMatchObject({ status: 1, stderr: expect.stringContaining("unknown option '--jsn'") });
    const others = peers.filter((peer) => peer !== 'commander');
    const [last = '', ...rest] = others;
    rest.forEach(add);
    const without = hypersphere(folder, 'train', '--steps', '1');
    expect(without.status).toBe(1);
    expect(without.stderr).toContain(`npm install ${last}\n`);
    expect(without.stderr).not.toContain('    at ');
    add(last);
    const trained = hypersphere(folder, 'train', '--steps', '1', '--loss', 'softmax', '--workers', '1');
    expect(trained.status, trained.stderr).toBe(0);
    expect(trained.stdout).toContain('Report: ');
  });
});
