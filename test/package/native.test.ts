// The installed package with the addon: built in place by the commands the warning names, and shipped as a prebuilt binary.
import { copyFileSync, cpSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, inject, it } from 'vitest';
import { describeNative } from '../helpers/native.js';
import { install, manifest, mustRun, packWith, root, runBeside } from './packing.js';

const told = `
const x = hs.matrix(Float32Array.of(3, 4, 0, 2), 2);
console.log(JSON.stringify([hs.info().backend, [...hs.distances(x).data]]));`;
const esm = `import * as hs from '${manifest.name}';${told}`;
const cjs = `const hs = require('${manifest.name}');${told}`;
const native = ['native', [0, 13, 13, 0]];

function expectNative(consumer: string): void {
  expect(JSON.parse(runBeside(consumer, 'native/main.mjs', esm))).toEqual(native);
  expect(JSON.parse(runBeside(consumer, 'native/main.cjs', cjs))).toEqual(native);
}

describeNative('the package with its addon', () => {
  it('serves natively after a build in place, and from a prebuilt binary', () => {
    const built = join(inject('temp'), 'native-build');
    cpSync(inject('consumer'), built, { recursive: true, verbatimSymlinks: true });
    const installed = join(built, 'node_modules', manifest.name);
    for (const tool of ['node-gyp', 'node-addon-api']) {
      const link = join(built, 'node_modules', tool);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(join(root, 'node_modules', tool), link, 'junction');
    }
    copyFileSync(join(installed, 'native/addon.gyp'), join(installed, 'binding.gyp'));
    // As `npm run build:native` does; npm itself would hand over the folder of Node's headers where the machine names one.
    const headers = process.env['npm_config_nodedir'];
    const gyp = join(built, 'node_modules/node-gyp/bin/node-gyp.js');
    mustRun(process.execPath, [gyp, 'rebuild', '--jobs=max', ...(headers ? [`--nodedir=${headers}`] : [])], installed);
    expectNative(built);

    const libc = process.platform === 'linux' ? '.glibc' : '';
    const path = `prebuilds/${process.platform}-${process.arch}/hypersphere${libc}.node`;
    const { tarball } = packWith(inject('temp'), 'with-prebuild', {
      [path]: readFileSync(join(installed, 'build/Release/hypersphere.node')),
    });
    const consumer = join(inject('temp'), 'prebuilt');
    install([tarball], consumer, 'without scripts');
    expectNative(consumer);
  }, 180_000);
});
