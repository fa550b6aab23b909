// hypersphere/tfjs: the losses as ops of @tensorflow/tfjs-core, an optional peer that nothing else of the package imports. Values are read
// by dataSync(), so the backend must have it: cpu, wasm, node, webgl; not webgpu.
export { fitLoss, fitTargets } from './fit.js';
export { type HeadLossOptions, headLoss } from './head.js';
export * from './losses.js';
export type { OpOptions } from './operation.js';
export type { Rows, TensorLabels } from './tensors.js';
