// A loss over embeddings and labels as tfjs-layers wants one: a function of targets and outputs, which must have the same shape.
import { type Scalar, type Tensor, type Tensor2D, tensor2d } from '@tensorflow/tfjs-core';
import { checkInteger, checkLabels } from '../../checks.js';
import { failure } from '../../errors.js';
import { labelsOf, type TensorLabels } from './tensors.js';

/**
 * A `loss` for `model.compile`. `model.fit` refuses targets of another shape than the embeddings, so give it `fitTargets(labels, D)`.
 * Weights that are trained beside the model belong in a head (`headLoss`): tfjs-layers moves those of its own layers alone.
 * @param loss of embeddings [B, D] and labels [B], as `(x, labels) => supConLoss(x, labels)`
 */
export function fitLoss(loss: (x: Tensor, labels: Int32Array) => Scalar): (targets: Tensor, outputs: Tensor) => Scalar {
  return (targets, outputs) => loss(outputs, firstColumn(targets));
}

/** Labels as targets [B, D] for `fitLoss`, the label in every column of its row. @throws ERR_TYPE, ERR_SHAPE, ERR_DETACHED, ERR_LABEL_RANGE, ERR_OPTION_RANGE */
export function fitTargets(labels: TensorLabels, dim: number): Tensor2D {
  const checked = checkLabels('labels', labelsOf('labels', labels));
  checkInteger('dim', dim, 1);
  const repeated = new Int32Array(checked.length * dim);
  for (let i = 0; i < checked.length; i++) repeated.fill(checked[i] as number, i * dim, (i + 1) * dim);
  return tensor2d(repeated, [checked.length, dim], 'int32');
}

function firstColumn(targets: Tensor): Int32Array {
  const [rows = 0, dim] = targets.shape;
  if (targets.dtype !== 'int32')
    throw failure('ERR_TYPE', 'targets', 'a tensor of int32, as fitTargets makes it', `one of ${targets.dtype}`);
  if (dim === undefined) throw failure('ERR_SHAPE', 'targets', 'a column of labels', `shape [${targets.shape.join(', ')}]`);
  const values = targets.dataSync<'int32'>();
  const stride = rows === 0 ? 0 : values.length / rows;
  return Int32Array.from({ length: rows }, (_, i) => values[i * stride] as number);
}
