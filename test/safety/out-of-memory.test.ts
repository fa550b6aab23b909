// Scratch memory that cannot be had in the addon: a typed error, at the call and from a promise, with every buffer as it was, and an addon
// that goes on. Each allocation of each op fails in test/native/allocation_test.cc; here the way of the error through Node is shown.
import { beforeAll, expect, it } from 'vitest';
import { cosFace, marginSoftmax, matrix, setBackend } from '../../lib/index.js';
import { marginSoftmax as marginSoftmaxAsync } from '../../lib/promises.js';
import { normalMatrix } from '../helpers/data.js';
import { describeNative } from '../helpers/native.js';

/** So many rows and classes that their logits are beyond any address space. */
const many = 2 ** 23;

describeNative('memory that cannot be had', () => {
  beforeAll(() => setBackend('native'));

  const x = matrix(new Float32Array(many), 1);
  const gradEmbeddings = matrix(new Float32Array(many).fill(7), 1);
  const buffers = [x, gradEmbeddings].map(({ data }) => Buffer.from(data.buffer));
  const before = buffers.map((buffer) => Buffer.from(buffer));
  const labels = new Int32Array(many);
  const options = { margin: cosFace(), gradients: true, workspaceBytes: Number.MAX_SAFE_INTEGER, out: { gradEmbeddings } } as const;
  const refusal = { code: 'ERR_OUT_OF_MEMORY', argument: 'workspace' };

  const expectUntouched = (): void => buffers.forEach((buffer, i) => void expect(buffer.equals(before[i] as Buffer)).toBe(true));

  const small = (): number =>
    marginSoftmax(normalMatrix(9, 5, 1), normalMatrix(4, 5, 2), [0, 1, 2, 3, 0, 1, 2, 3, 0], { margin: cosFace() }).loss;

  it('is an error of the call', () => {
    const expected = small();
    let error: unknown;
    try {
      marginSoftmax(x, x, labels, options);
    } catch (reason) {
      error = reason;
    }
    expect(error).toMatchObject(refusal);
    expectUntouched();
    expect(small()).toBe(expected);
  });

  it('rejects the promise', async () => {
    const expected = small();
    await expect(marginSoftmaxAsync(x, x, labels, options)).rejects.toMatchObject(refusal);
    expectUntouched();
    expect(small()).toBe(expected);
  });
});
