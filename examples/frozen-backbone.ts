// A frozen network and a head that is trained on its output. Any producer of Float32Array rows will do; here a fixed random network stands in for
// it, so that nothing is downloaded. With onnxruntime-node the same function would be
//
//   const session = await InferenceSession.create('backbone.onnx');
//   const embed = async (pixels: Float32Array, rows: number) => {
//     const input = new Tensor('float32', pixels, [rows, 3, 112, 112]);
//     const output = await session.run({ [session.inputNames[0]]: input });
//     return output[session.outputNames[0]].data as Float32Array; // rows × D, used in place
//   };
//
// and with transformers.js `(await extractor(images, { pooling: 'mean' })).data`.
import { arcFace, ClassifierHead, createRandom, type Matrix, matmul, matrix, sgd, takeRows } from 'hypersphere';

const [inputs, dim, people, perPerson] = [256, 64, 50, 20];
const random = createRandom(4);
const normals = (count: number, scale: number) => Float32Array.from({ length: count }, () => scale * random.normal());

/** The stand-in: one layer of fixed weights and a rectifier. It is never trained. */
const frozen = matrix(normals(dim * inputs, 1 / Math.sqrt(inputs)), inputs);
async function embed(pixels: Float32Array): Promise<Float32Array> {
  const { data } = matmul(matrix(pixels, inputs), frozen, { transposeB: true });
  return data.map((value) => Math.max(0, value));
}

// A face a person and noise an image; whatever is behind the backbone only runs once, and its rows are kept.
const faces = normals(people * inputs, 1);
const labels = Int32Array.from({ length: people * perPerson }, (_, i) => i % people);
const images = normals(labels.length * inputs, 1);
for (let i = 0; i < images.length; i++) {
  const person = labels[Math.floor(i / inputs)] as number;
  images[i] = (images[i] as number) + (faces[person * inputs + (i % inputs)] as number);
}
const embeddings = matrix(await embed(images), dim);

// The first three quarters of each person's images train the head.
const [seen, unseen] = [[], []] as [number[], number[]];
labels.forEach((_, i) => (i < 0.75 * labels.length ? seen : unseen).push(i));
const part = (rows: number[]) => ({ x: takeRows(embeddings, rows), y: rows.map((row) => labels[row] as number) });
const [training, held] = [part(seen), part(unseen)];

const head = new ClassifierHead({
  classes: people,
  dim,
  margin: arcFace({ s: 16, m: 0.3 }),
  optimizer: sgd({ learningRate: 0.1, momentum: 0.9, weightDecay: 5e-4 }),
});
const accuracy = ({ x, y }: { x: Matrix; y: number[] }): number => {
  const { classes } = head.predict(x);
  return y.filter((label, i) => classes.data[i] === label).length / y.length;
};
const before = accuracy(held);
for (let epoch = 0; epoch < 30; epoch++) {
  for (let step = 0; step < seen.length / 50; step++) {
    const rows = Array.from({ length: 50 }, () => random.integer(seen.length));
    head.step(
      takeRows(training.x, rows),
      rows.map((row) => training.y[row] as number),
      { learningRate: epoch < 20 ? 0.1 : 0.01 },
    );
  }
}
console.log({ unseenBefore: before, seen: accuracy(training), unseen: accuracy(held) });
