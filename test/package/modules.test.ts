// Every subpath of the exports map as ESM, as CommonJS and as both in one process.
import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { manifest, runBeside, specifiers } from './packing.js';

const consumer = inject('consumer');
const smoke = `
const x = hs.matrix(Float32Array.of(3, 4, 0, 2), 2);
let code;
try { hs.matrix([1, 2], 2); } catch (error) { code = error instanceof hs.HypersphereError && error instanceof TypeError && error.code; }
const result = { unit: [...hs.normalize(x).data], code };
console.log(JSON.stringify(result));`;
const expected = { unit: [Math.fround(0.6), Math.fround(0.8), 0, 1], code: 'ERR_TYPE' };

describe('modules', () => {
  it('imports as ESM', () => {
    const source = `import * as hs from '${manifest.name}';${smoke}`;
    expect(JSON.parse(runBeside(consumer, 'esm/main.mjs', source))).toEqual(expected);
  });

  it('requires as CommonJS', () => {
    const source = `'use strict';const hs = require('${manifest.name}');${smoke}`;
    expect(JSON.parse(runBeside(consumer, 'cjs/main.cjs', source))).toEqual(expected);
  });

  it.each(specifiers)('%s offers the same names to import and require, and types for both', (specifier, target) => {
    const source = `import { createRequire } from 'node:module';
const names = (exports) => Object.keys(exports).filter((name) => !['default', 'module.exports', '__esModule'].includes(name)).sort();
const required = names(createRequire(import.meta.url)('${specifier}'));
console.log(JSON.stringify({ imported: names(await import('${specifier}')), required }));`;
    const { imported, required } = JSON.parse(runBeside(consumer, 'names/main.mjs', source));
    expect(imported.length).toBeGreaterThan(0);
    expect(required).toEqual(imported);
    for (const condition of ['import', 'require']) {
      const entry = (target as Record<string, Record<string, string>>)[condition];
      expect(Object.keys(entry ?? {}), `${condition}: types come first, or TypeScript does not see them`).toEqual(['types', 'default']);
      expect(existsSync(join(consumer, 'node_modules', manifest.name, entry?.['types'] ?? '')), condition).toBe(true);
    }
  });

  it.each(['import', 'require'])('hypersphere/tfjs trains by %s', (by) => {
    const load = by === 'import' ? ['', 'await import'] : ["'use strict';", 'require'];
    const source = `${load[0]}
(async () => {
const [tf, hs, { headLoss, marginSoftmax }] = [${['@tensorflow/tfjs-core', manifest.name, `${manifest.name}/tfjs`]
      .map((name) => `${load[1]}('${name}')`)
      .join(', ')}];
${load[1]}('@tensorflow/tfjs-backend-cpu');
${load[1]}('@tensorflow/tfjs-layers');
const margin = hs.arcFace({ s: 4, m: 0.1 });
const head = new hs.ClassifierHead({ classes: 2, dim: 2, margin });
const x = tf.variable(tf.tensor2d([3, 4, 0, 2], [2, 2]));
const w = tf.variable(tf.tensor2d([1, 0, 0, 1], [2, 2]));
const optimizer = tf.train.sgd(0.5);
const before = tf.memory().numTensors;
const losses = [0, 1, 2].map(() => {
  const loss = optimizer.minimize(() => tf.add(headLoss(head, x, [0, 1]), marginSoftmax(x, w, [0, 1], { margin })), true);
  const [value] = loss.dataSync();
  loss.dispose();
  return value;
});
let code;
try { marginSoftmax(tf.zeros([2, 2], 'int32'), w, [0, 1], { margin }); } catch (error) { code = error instanceof hs.HypersphereError && error.code; }
console.log(JSON.stringify({ falling: losses[0] > losses[1] && losses[1] > losses[2], steps: head.steps, code, kept: tf.memory().numTensors - before }));
})();`;
    // The int32 tensor of the misuse is the program's own, and so is the one more.
    const expected = { falling: true, steps: 3, code: 'ERR_TYPE', kept: 1 };
    expect(JSON.parse(runBeside(consumer, `tfjs/main.${by === 'import' ? 'mjs' : 'cjs'}`, source))).toEqual(expected);
  });

  it('needs no peer, save hypersphere/tfjs its own', () => {
    const bare = join(inject('temp'), 'bare');
    cpSync(join(consumer, 'node_modules', manifest.name), join(bare, 'node_modules', manifest.name), { recursive: true });
    const source = `const outcomes = {};
for (const specifier of ${JSON.stringify(specifiers.map(([specifier]) => specifier))})
  outcomes[specifier] = await import(specifier).then(() => 'loaded', (error) => [error.code, /@[\\w/-]+/.exec(error.message)?.[0]]);
console.log(JSON.stringify(outcomes));`;
    const outcomes = JSON.parse(runBeside(bare, 'main.mjs', source));
    const loaded = Object.fromEntries(specifiers.map(([specifier]) => [specifier, 'loaded']));
    expect(outcomes).toEqual({ ...loaded, [`${manifest.name}/tfjs`]: ['ERR_MODULE_NOT_FOUND', '@tensorflow/tfjs-core'] });
  });

  it('hides what is not public, and shows package.json', () => {
    const source = `'use strict';
const codeOf = (specifier) => { try { require(specifier); return 'loaded'; } catch (error) { return error.code; } };
const { name, version } = require('${manifest.name}/package.json');
console.log(JSON.stringify([name, version, codeOf('${manifest.name}/dist/cjs/backend.js')]));`;
    expect(JSON.parse(runBeside(consumer, 'hidden/main.cjs', source))).toEqual([
      manifest.name,
      manifest.version,
      'ERR_PACKAGE_PATH_NOT_EXPORTED',
    ]);
  });

  it.each(['esm', 'cjs'])('shares brand and backend between both copies, %s loaded first', (first) => {
    const source = `import { createRequire } from 'node:module';
const load = { esm: () => import('${manifest.name}'), cjs: () => createRequire(import.meta.url)('${manifest.name}') };
const state = () => Object.getOwnPropertySymbols(globalThis).filter((s) => Symbol.keyFor(s)?.startsWith('hypersphere')).map((s) => globalThis[s]);
const order = '${first}' === 'esm' ? ['esm', 'cjs'] : ['cjs', 'esm'];
const a = await load[order[0]]();
const before = state();
const b = await load[order[1]]();
const after = state();
const thrownBy = (hs) => { try { hs.matrix([], 1); } catch (error) { return error; } };
const choices = ['ts', 'native', 'cuda'].filter((name) => !(name in a.info().unavailable));
console.log(JSON.stringify({
  twoCopies: a.matrix !== b.matrix && a.HypersphereError !== b.HypersphereError,
  crossBrand: thrownBy(a) instanceof b.HypersphereError && thrownBy(b) instanceof a.HypersphereError,
  strangers: new TypeError('x') instanceof a.HypersphereError,
  states: before.length,
  oneState: before.length === after.length && before.every((held, i) => held === after[i]),
  choices: choices.length,
  seen: choices.every((name) => {
    a.setBackend(name);
    const there = b.info().backend === name;
    b.setBackend(name);
    return there && a.info().backend === name;
  }),
}));`;
    const { states, choices, ...facts } = JSON.parse(runBeside(consumer, `both-${first}/main.mjs`, source));
    expect(facts).toEqual({ twoCopies: true, crossBrand: true, strangers: false, oneState: true, seen: true });
    expect(states).toBeGreaterThan(0);
    expect(choices).toBeGreaterThan(0);
  });
});
