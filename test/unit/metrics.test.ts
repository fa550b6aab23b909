import { describe, expect, it } from 'vitest';
import { alloc, clustering, matrix, roc, verification } from '../../lib/index.js';

describe('clustering', () => {
  it('of one class in one cluster is perfect, of nothing has no majority', () => {
    expect(clustering([3, 3], [5, 5])).toEqual({ nmi: 1, purity: 1 });
    expect(clustering([], [])).toEqual({ nmi: 1, purity: 0 });
  });
  it('of two classes in one cluster says nothing', () => {
    expect(clustering([0, 1, 1, 1], [2, 2, 2, 2])).toEqual({ nmi: 0, purity: 0.75 });
  });
  it('takes 200,000 classes in one cluster', () => {
    const labels = Int32Array.from({ length: 200_000 }, (_, i) => i);
    expect(clustering(labels, new Int32Array(200_000)).purity).toBe(1 / 200_000);
  });
});

describe('roc', () => {
  it('has the equal error rates it promises where one kind of pair is missing', () => {
    const scores = Float32Array.of(0.9, 0.5, 0.1);
    expect(roc(scores, [0, 0, 0]).eer).toBe(1);
    expect(roc(scores, [1, 1, 1]).eer).toBe(0);
    expect(roc(new Float32Array(0), []).eer).toBe(0);
    expect(roc(scores, [1, 1, 0])).toMatchObject({ eer: 0, auc: 1 });
    // Without impostors nothing can be told apart.
    expect(roc(scores, [1, 1, 1]).auc).toBe(0);
    expect(roc(scores, [0, 0, 0]).auc).toBe(0);
  });
});

it('verification works on few pairs, and on none', () => {
  const x = matrix(Float32Array.of(0, 0, 0), 1);
  const y = matrix(Float32Array.of(0, 0.1, 3), 1);
  expect(verification(x, y, [1, 1, 0]).foldAccuracy).toHaveLength(3);
  const none = matrix(new Float32Array(0), 1);
  expect(verification(none, none, []).meanAccuracy).toBe(0);
});

it('alloc gives shared memory, zeroed', () => {
  const { data, shape } = alloc(2, 3);
  expect(data.buffer).toBeInstanceOf(SharedArrayBuffer);
  expect(data).toEqual(new Float32Array(new SharedArrayBuffer(24)));
  expect(shape).toEqual([2, 3]);
});
