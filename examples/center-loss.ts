// Softmax and center loss together, the centers moving along with the network (Wen et al. 2016), on points in the plane.
import { Centers, createRandom, linearCrossEntropy, matrix } from 'hypersphere';

const [count, classes] = [90, 3];
const random = createRandom(4);
const labels = Int32Array.from({ length: count }, (_, i) => i % classes);
// The embeddings themselves are trained here; a network would stand between them and its inputs.
const x = matrix(
  Float32Array.from({ length: 2 * count }, () => random.normal()),
  2,
);
const weights = matrix(Float32Array.of(1, 0, -0.5, 0.8, -0.5, -0.8), 2);
const centers = new Centers({ classes, dim: 2, alpha: 0.5 });

let [softmaxLoss, centerLoss] = [0, 0];
for (let step = 0; step < 200; step++) {
  const softmax = linearCrossEntropy(x, weights, labels, { reduction: 'sum' });
  const center = centers.loss(x, labels, { reduction: 'halfSum' });
  centers.update(x, labels);
  const [fromSoftmax, fromCenter] = [softmax.gradEmbeddings.data, center.gradEmbeddings.data];
  for (let i = 0; i < x.data.length; i++) {
    x.data[i] = (x.data[i] as number) - 0.1 * ((fromSoftmax[i] as number) + 0.5 * (fromCenter[i] as number));
  }
  [softmaxLoss, centerLoss] = [softmax.loss / count, center.loss / count];
}
console.log({ softmaxLoss, centerLoss, firstCenter: [...centers.matrix.data.subarray(0, 2)] });
