import { describe, expect, it } from 'vitest';
import { imageRows, loadMnist, readIdx } from '../../lib/cli/mnist.js';

const idx = (magic: number, ...dims: number[]): Uint8Array => {
  const bytes = new Uint8Array(4 + 4 * dims.length + 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic);
  dims.forEach((d, i) => view.setUint32(4 + 4 * i, d));
  return bytes;
};

describe('readIdx', () => {
  it('returns the values behind a sound header', () => {
    expect(readIdx(idx(0x803, 1, 2, 2), 'images', 2, 2)).toHaveLength(4);
    expect(readIdx(idx(0x801, 4), 'labels')).toHaveLength(4);
  });
  it.each([
    ['too short for a header', new Uint8Array(3)],
    ['another magic number', idx(0x801, 1, 2, 2)],
    ['other dimensions', idx(0x803, 1, 2, 3)],
    ['a count beyond the bytes', idx(0x803, 2 ** 31, 2, 2)],
    ['more bytes than counted', idx(0x803, 0, 2, 2)],
  ])('refuses %s by name', (_what, bytes) => {
    expect(() => readIdx(bytes, 'images', 2, 2)).toThrowError(/^images: expected/);
  });
});

it('reads the full MNIST, standardised', () => {
  const { train, test } = loadMnist();
  expect([train.labels.length, test.labels.length]).toEqual([60_000, 10_000]);
  expect([...train.labels.subarray(0, 8)]).toEqual([5, 0, 4, 1, 9, 2, 1, 3]);
  let [sum, squares] = [0, 0];
  for (const value of train.data) {
    sum += value / 255;
    squares += (value / 255) ** 2;
  }
  const mean = sum / train.data.length;
  expect(mean).toBeCloseTo(0.1307, 4);
  expect(Math.sqrt(squares / train.data.length - mean ** 2)).toBeCloseTo(0.3081, 4);
  const { data, shape } = imageRows(train, [7, 7]);
  expect(shape).toEqual([2, 784]);
  expect(data.subarray(0, 784)).toEqual(data.subarray(784));
  expect(Math.max(...data)).toBeCloseTo((Math.max(...train.data.subarray(7 * 784, 8 * 784)) / 255 - 0.1307) / 0.3081, 6);
});
