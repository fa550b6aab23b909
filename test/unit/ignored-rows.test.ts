// A row that counts nowhere leaves no trace, whatever it holds: 0·NaN is NaN, so it has to be left out, not weighed with 0.
import { expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { normalMatrix } from '../helpers/data.js';
import { onBothBackends } from '../helpers/native.js';

const margins: hs.Margin[] = [
  hs.softmaxMargin(),
  hs.lSoftmax(),
  hs.aSoftmax(),
  hs.aSoftmax({ gradient: 'caffe' }),
  hs.arcFace(),
  hs.adaFace(),
  hs.magFace(),
  hs.curricularFace(),
  hs.sphereFace2(),
  hs.p2sGrad(),
  hs.subCenters(2, hs.arcFace()),
  hs.softTriple({ k: 2 }),
];

onBothBackends('ignored rows', () => {
  it.each(margins.map((margin) => ({ name: margin.kind, margin })))('of NaN and infinity: $name', ({ margin }) => {
    const k = margin.kind === 'subCenters' || margin.kind === 'softTriple' ? 2 : 1;
    const [x, w] = [normalMatrix(4, 19, 1), normalMatrix(5 * k, 19, 2)];
    const counted = hs.takeRows(x, [0, 2]);
    x.data.fill(Number.NaN, 19, 38);
    x.data.fill(Infinity, 57);
    const expected = hs.marginSoftmax(counted, w, [3, 1], { margin });
    const got = hs.marginSoftmax(x, w, [3, -100, 1, -100], { margin });
    expect(got.loss).toBeCloseTo(expected.loss, 5);
    expect([...got.perExample]).toEqual([expected.perExample[0], 0, expected.perExample[1], 0]);
    expect(hs.takeRows(got.gradEmbeddings, [0, 2]).data).toEqual(expected.gradEmbeddings.data);
    expect(hs.takeRows(got.gradEmbeddings, [1, 3]).data.every((g) => g === 0)).toBe(true);
    expect(got.gradWeights.data).toEqual(expected.gradWeights.data);
  });
  it('in a step of a head', () => {
    const head = new hs.ClassifierHead({ classes: 4, dim: 2, margin: hs.arcFace() });
    head.step(hs.matrix(Float32Array.of(1, 2, Number.NaN, Number.NaN), 2), [0, -100]);
    expect((head.weights.data as Float32Array).every(Number.isFinite)).toBe(true);
  });
});
