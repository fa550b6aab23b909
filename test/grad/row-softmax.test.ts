import { describe, expect, it } from 'vitest';
import { circleLoss } from '../../lib/reference/circle.js';
import { infoNceLoss } from '../../lib/reference/info-nce.js';
import { liftedStructureLoss } from '../../lib/reference/lifted-structure.js';
import { multiSimilarityLoss } from '../../lib/reference/multi-similarity.js';
import { nPairsLoss } from '../../lib/reference/npairs.js';
import { ntXentLoss } from '../../lib/reference/ntxent.js';
import { proxyAnchorLoss } from '../../lib/reference/proxy-anchor.js';
import { proxyNcaLoss } from '../../lib/reference/proxy-nca.js';
import { normals } from '../helpers/data.js';
import { expectGradient, type Inputs } from '../helpers/gradcheck.js';

const [n, d, classes] = [8, 3, 5];
// A class of four, one of three, one of a single row; and classes that no row belongs to.
const labels = Int32Array.of(0, 1, 0, 3, 1, 0, 0, 1);
const of = (inputs: Inputs, name: string): Float64Array => inputs[name] as Float64Array;
const batch = { labels, n, d };
const x = (seed: number): Float64Array => normals(n * d, seed);

it.each([1, 0.1])('ntXentLoss at temperature %s', (temperature) => {
  expectGradient({ x: x(1) }, (v, g) => ntXentLoss({ ...batch, temperature, x: of(v, 'x'), gradX: of(g, 'x') }));
});

it.each([undefined, 0, 0.3])('multiSimilarityLoss, epsilon %s', (epsilon) => {
  const op = { ...batch, alpha: 2, beta: 10, base: 0.4, epsilon, perExample: new Float64Array(n) };
  expectGradient({ x: x(2) }, (v, g) => multiSimilarityLoss({ ...op, x: of(v, 'x'), gradX: of(g, 'x') }));
});

describe.each([true, false])('liftedStructureLoss, generalized %s', (generalized) => {
  it.each([true, false])('normalize %s', (normalize) => {
    const op = { ...batch, negMargin: 2, posMargin: 0.3, normalize, generalized };
    expectGradient({ x: x(3) }, (v, g) => liftedStructureLoss({ ...op, x: of(v, 'x'), gradX: of(g, 'x') }));
  });
});

describe.each([true, false])('with normalize %s', (normalize) => {
  it.each([true, false])('infoNceLoss, symmetric %s', (symmetric) => {
    const op = { n, d, temperature: 0.4, symmetric, normalize, perExample: new Float64Array(n) };
    expectGradient({ x: x(4), y: x(5) }, (v, g) =>
      infoNceLoss({ ...op, x: of(v, 'x'), y: of(v, 'y'), gradX: of(g, 'x'), gradY: of(g, 'y') }),
    );
  });
  it.each([0, 0.3])('nPairsLoss, l2Reg %s', (l2Reg) => {
    const op = { n, d, normalize, l2Reg, perExample: new Float64Array(n) };
    expectGradient({ a: x(6), p: x(7) }, (v, g) =>
      nPairsLoss({ ...op, anchors: of(v, 'a'), positives: of(v, 'p'), gradAnchors: of(g, 'a'), gradPositives: of(g, 'p') }),
    );
  });
});

it.each([1, 8])('proxyNcaLoss at scale %s', (scale) => {
  const op = { ...batch, classes, scale, perExample: new Float64Array(n) };
  expectGradient({ x: x(8), p: normals(classes * d, 9) }, (v, g) =>
    proxyNcaLoss({ ...op, x: of(v, 'x'), proxies: of(v, 'p'), gradX: of(g, 'x'), gradProxies: of(g, 'p') }),
  );
});

it.each([2, 32])('proxyAnchorLoss at alpha %s', (alpha) => {
  const op = { ...batch, classes, margin: 0.1, alpha };
  expectGradient({ x: x(10), p: normals(classes * d, 11) }, (v, g) =>
    proxyAnchorLoss({ ...op, x: of(v, 'x'), proxies: of(v, 'p'), gradX: of(g, 'x'), gradProxies: of(g, 'p') }),
  );
});

describe('circleLoss takes the weights [·]₊ as constants', () => {
  const still = x(12);
  const cosine = (v: Float64Array, i: number, j: number): number => {
    const row = (k: number): number[] => [...v.subarray(k * d, k * d + d)];
    const [a, b] = [row(i), row(j)];
    return a.reduce((sum, value, k) => sum + value * (b[k] as number), 0) / (Math.hypot(...a) * Math.hypot(...b));
  };
  /** The loss by its formula, its weights from `still`. */
  const frozen = (v: Float64Array, m: number, gamma: number): number => {
    const terms: number[] = [];
    for (let i = 0; i < n; i++) {
      let [own, others] = [0, 0];
      for (let j = 0; j < n; j++) {
        const [s, before] = [cosine(v, i, j), cosine(still, i, j)];
        if (labels[i] !== labels[j]) others += Math.exp(gamma * Math.max(0, before + m) * (s - m));
        else if (i !== j) own += Math.exp(-gamma * Math.max(0, 1 + m - before) * (s - 1 + m));
      }
      if (own > 0 && others > 0) terms.push(Math.log1p(own * others));
    }
    return terms.reduce((sum, term) => sum + term, 0) / terms.length;
  };
  it.each([
    [0.4, 4],
    [0.25, 20],
  ])('m %s, gamma %s', (m, gamma) => {
    const op = { ...batch, m, gamma, perExample: new Float64Array(n) };
    expect(Math.abs(circleLoss({ ...op, x: still }) - frozen(still, m, gamma))).toBeLessThanOrEqual(1e-12 * frozen(still, m, gamma));
    expectGradient({ x: still.slice() }, (v, g) => {
      circleLoss({ ...op, x: still, gradX: of(g, 'x') });
      return frozen(of(v, 'x'), m, gamma);
    });
  });
});
