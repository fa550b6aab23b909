// What a user of onnxruntime would run for exact neighbours: ‖g‖² − 2·x·gᵀ as one Gemm over a constant gallery, then TopK, on two
// threads. onnxruntime_peer.mjs nearest:1000,100000,128,10 …
import { peer, report, uniforms } from './timing.mjs';

const { InferenceSession, Tensor } = peer('onnxruntime-node');

// As much of the protobuf encoding as the model needs: numbers, floats, and what has a length.
function varint(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return Buffer.from([...bytes, value]);
}
const number = (field, value) => Buffer.concat([varint(field * 8), varint(value)]);
const float = (field, value) => Buffer.concat([varint(field * 8 + 5), Buffer.from(Float32Array.of(value).buffer)]);
const bytes = (field, ...parts) => {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
  return Buffer.concat([varint(field * 8 + 2), varint(body.length), body]);
};
const view = (values) => Buffer.from(values.buffer, values.byteOffset, values.byteLength);

const [floatType, int64Type] = [1, 7];
const tensor = (name, type, dims, values) =>
  bytes(5, ...dims.map((dim) => number(1, dim)), number(2, type), bytes(8, name), bytes(9, view(values)));
const value = (field, name, type, dims) =>
  bytes(field, bytes(1, name), bytes(2, bytes(1, number(1, type), bytes(2, ...dims.map((dim) => bytes(1, number(1, dim)))))));
const floatAttribute = (name, x) => bytes(5, bytes(1, name), float(2, x), number(20, 1));
const intAttribute = (name, x) => bytes(5, bytes(1, name), number(3, x), number(20, 2));
const node = (type, inputs, outputs, ...attributes) =>
  bytes(1, ...inputs.map((name) => bytes(1, name)), ...outputs.map((name) => bytes(2, name)), bytes(4, type), ...attributes);

function model(n, m, d, k, gallery) {
  const norms = Float32Array.from({ length: m }, (_, i) => gallery.subarray(i * d, i * d + d).reduce((sum, x) => sum + x * x, 0));
  const graph = bytes(
    7,
    node('Gemm', ['x', 'gallery', 'norms'], ['scores'], floatAttribute('alpha', -2), intAttribute('transB', 1)),
    node('TopK', ['scores', 'k'], ['values', 'indices'], intAttribute('largest', 0)),
    bytes(2, 'nearest'),
    tensor('gallery', floatType, [m, d], gallery),
    tensor('norms', floatType, [m], norms),
    tensor('k', int64Type, [1], BigInt64Array.of(BigInt(k))),
    value(11, 'x', floatType, [n, d]),
    value(12, 'values', floatType, [n, k]),
    value(12, 'indices', int64Type, [n, k]),
  );
  return Buffer.concat([number(1, 8), graph, bytes(8, number(2, 13))]);
}

await report(async (op, [n, m, d, k]) => {
  // A model of 2 GiB is more than protobuf takes, and half of it more than is worth copying twice.
  if (op !== 'nearest' || m * d > 2 ** 27) return;
  const session = await InferenceSession.create(model(n, m, d, k, uniforms(m * d, 2)), { intraOpNumThreads: 2 });
  const x = new Tensor('float32', uniforms(n * d, 1), [n, d]);
  return () => session.run({ x });
});
