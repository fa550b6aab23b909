// ArcFace over 20,000 identities with Partial FC: the head owns the weights, a step moves them, and a file keeps them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { arcFace, ClassifierHead, createRandom, matrix, sgd } from 'hypersphere';

const [classes, dim, batch, seen] = [20_000, 32, 32, 40];
const random = createRandom(2);
// Forty of the identities have images: a direction and some noise. A network would stand between image and embedding.
const directions = Float32Array.from({ length: seen * dim }, () => random.normal());
const draw = () => {
  const people = Int32Array.from({ length: batch }, () => random.integer(seen));
  const data = Float32Array.from({ length: batch * dim }, (_, at) => {
    const person = people[Math.floor(at / dim)] as number;
    return (directions[person * dim + (at % dim)] as number) + 0.3 * random.normal();
  });
  return { x: matrix(data, dim), labels: people.map((person) => person * 500) };
};

const head = new ClassifierHead({
  classes,
  dim,
  margin: arcFace({ s: 32, m: 0.3 }),
  optimizer: sgd({ learningRate: 0.1, momentum: 0.9, weightDecay: 5e-4 }),
  // A tenth of the classes a step: those of the batch, and a fresh choice of the others.
  sampleRate: 0.1,
  seed: 7,
});
let [first, last] = [0, 0];
for (let step = 0; step < 60; step++) {
  const { x, labels } = draw();
  // The result also has gradEmbeddings, for the network to go on with. Schedules pass a learning rate.
  const { loss } = head.step(x, labels, { learningRate: step < 40 ? 0.1 : 0.02 });
  if (step === 0) first = loss;
  last = loss;
}

const folder = mkdtempSync(join(tmpdir(), 'hypersphere-example-'));
const path = join(folder, 'head.safetensors');
await head.save(path);
const restored = await ClassifierHead.load(path);
rmSync(folder, { recursive: true });

const { x, labels } = draw();
const { classes: best } = restored.predict(x, { k: 3 });
const right = labels.filter((label, i) => best.data[3 * i] === label).length;
console.log({ firstLoss: first, lastLoss: last, right, of: batch, steps: restored.steps });
