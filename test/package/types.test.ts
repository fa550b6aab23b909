// A strict TypeScript consumer under every way of resolving a package that is in use.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { compile } from './compiling.js';
import { mustRun, runBeside, specifiers } from './packing.js';

const consumer = inject('consumer');

const program = `
const x: Matrix = matrix(Float32Array.of(3, 4, 0, 2), 2);
const margin: Margin = arcFace({ s: 8, m: 0.2 });
const options: MarginSoftmaxOptions = { margin };
export const result: MarginSoftmaxResult = marginSoftmax(x, x, [0, 1], { ...options, gradients: true });
const [labels, wanted]: [Labels, boolean] = [[0, 1], Math.PI > 3];
const centers = new Centers({ classes: 2, dim: 2 });
/** Every loss: its gradients are there by default, so that no caller writes an exclamation mark. */
export const certain: readonly Matrix[] = [
  marginSoftmax(x, x, labels, { margin }).gradWeights,
  softmaxCrossEntropy(x, labels).gradLogits,
  linearCrossEntropy(x, x, labels, { labelSmoothing: 0.1 }).gradEmbeddings,
  hardmaxLoss(x, labels).gradLogits,
  hardmaxHingeLoss(x, labels, { margin: 2 }).gradLogits,
  contrastiveLoss(x, x, labels).gradX1,
  batchContrastiveLoss(x, labels, { gradients: true }).gradEmbeddings,
  tripletLoss(x, x, x).gradAnchor,
  batchTripletLoss(x, labels).gradEmbeddings,
  centerLoss(x, labels, x).gradEmbeddings,
  centers.loss(x, labels).gradEmbeddings,
  supConLoss(x, labels).gradEmbeddings,
  pnpLoss(x, labels).gradEmbeddings,
  vicRegLoss(x, x).gradY,
  ntXentLoss(x, labels).gradEmbeddings,
  circleLoss(x, labels).gradEmbeddings,
  multiSimilarityLoss(x, labels, { epsilon: null }).gradEmbeddings,
  liftedStructureLoss(x, labels).gradEmbeddings,
  infoNceLoss(x, x).gradY,
  nPairsLoss(x, x).gradAnchors,
  proxyNcaLoss(x, x, labels).gradProxies,
  proxyAnchorLoss(x, x, labels).gradProxies,
];
export const perhaps: readonly (Matrix | undefined)[] = [
  marginSoftmax(x, x, labels, { ...options, gradients: false }).gradWeights,
  softmaxCrossEntropy(x, labels, { gradients: wanted }).gradLogits,
  centerLoss(x, labels, x).gradCenters,
  linearCrossEntropy(x, x, labels).logits,
];
// @ts-expect-error without a backward pass there may be none
export const doubtful: Matrix = tripletLoss(x, x, x, { gradients: wanted }).gradAnchor;
// @ts-expect-error a gradient to the centers has to be asked for
export const unasked: Matrix = centerLoss(x, labels, x).gradCenters;
export const shape: readonly [rows: number, cols: number] = normalize(x).shape;
export function codeOf(error: unknown): ErrorCode | undefined {
  return error instanceof HypersphereError ? error.code : undefined;
}
export const misuses = [
  // @ts-expect-error a misspelt option
  () => marginSoftmax(x, x, [0, 1], { margin, gradient: false }),
  // @ts-expect-error float64 data
  () => matrix(new Float64Array(4), 2),
  // @ts-expect-error a number that is no metric
  () => distances(x, x, { metric: 2 }),
];
console.log(JSON.stringify({ shape, finite: Number.isFinite(result.loss), thrown: misuses.map((misuse) => { try { misuse(); return undefined; } catch (error) { return codeOf(error); } }) }));
`;
const values = `Centers, HypersphereError, arcFace, batchContrastiveLoss, batchTripletLoss, centerLoss, contrastiveLoss, distances,
  hardmaxHingeLoss, hardmaxLoss, linearCrossEntropy, marginSoftmax, matrix, normalize, pnpLoss,
  softmaxCrossEntropy, supConLoss, tripletLoss, vicRegLoss,
  circleLoss, infoNceLoss, liftedStructureLoss, multiSimilarityLoss, nPairsLoss, ntXentLoss, proxyAnchorLoss, proxyNcaLoss`;
const types = 'ErrorCode, Labels, Margin, MarginSoftmaxOptions, MarginSoftmaxResult, Matrix';
const imported = `import { ${values} } from 'hypersphere';\nimport type { ${types} } from 'hypersphere';\n${program}`;
const required = `import hypersphere = require('hypersphere');\nimport type { ${types} } from 'hypersphere';\nconst { ${values} } = hypersphere;\n${program
  // Narrowing by instanceof needs the class itself, not a copy in a variable of another type.
  .replace('instanceof HypersphereError', 'instanceof hypersphere.HypersphereError')}`;

/** Every public subpath as a namespace whose every runtime export has a type. */
const surface = specifiers
  .map(([specifier], i) => {
    const names = runBeside(consumer, 'surface/main.mjs', `console.log(JSON.stringify(Object.keys(await import('${specifier}'))));`).trim();
    return `import * as m${i} from '${specifier}';
export const names${i}: readonly (keyof typeof m${i})[] = ${names};
// @ts-expect-error were the module 'any', any name would do
export const stranger${i}: keyof typeof m${i} = 'no such export';`;
  })
  .join('\n');

const cases: [name: string, flags: string[], files: string[]][] = [
  ['nodenext', ['--module', 'nodenext'], ['main.mts', 'main.cts', 'surface.mts', 'surface.cts']],
  ['node20', ['--module', 'node20'], ['main.mts', 'main.cts', 'surface.mts', 'surface.cts']],
  ['node16', ['--module', 'node16'], ['main.mts', 'main.cts', 'surface.mts', 'surface.cts']],
  ['commonjs with bundler', ['--module', 'commonjs', '--moduleResolution', 'bundler'], ['main.ts', 'surface.ts']],
  ['esnext with bundler', ['--module', 'esnext', '--moduleResolution', 'bundler'], ['main.ts', 'surface.ts']],
  ['the strictest flags', ['--module', 'nodenext', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess'], ['main.mts']],
];

describe('types', () => {
  it.each(cases)('%s', (name, flags, files) => {
    const folder = join(consumer, 'types', name.replaceAll(' ', '-'));
    mkdirSync(folder, { recursive: true });
    if (name.startsWith('esnext')) writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    const paths = files.map((file) => {
      const main = file.endsWith('.cts') ? required : imported;
      writeFileSync(join(folder, file), file.startsWith('surface') ? surface : main);
      return join(folder, file);
    });
    expect(compile(paths, flags)).toBe('');
    for (const path of paths.filter((file) => file.includes('main.'))) {
      const output = mustRun(process.execPath, [path.replace(/ts$/, 'js')], folder);
      expect(JSON.parse(output)).toEqual({ shape: [2, 2], finite: true, thrown: ['ERR_OPTION_RANGE', 'ERR_TYPE', 'ERR_OPTION_RANGE'] });
    }
  });
});
