// Online and offline triplet selection around a linear embedding, on four noisy classes in 20 dimensions.
import {
  balancedBatches,
  batchTripletLoss,
  createRandom,
  type Matrix,
  matmul,
  matrix,
  mineTriplets,
  mineTripletsOffline,
  OfflineMiner,
  retrieval,
  takeRows,
} from 'hypersphere';

const [count, inputs, dim, classes] = [400, 20, 4, 4];
const random = createRandom(1);
const labels = Int32Array.from({ length: count }, (_, i) => i % classes);
// A class shows in its own coordinate only; the other sixteen are louder noise.
const data = matrix(
  Float32Array.from({ length: count * inputs }, (_, at) => {
    const [row, k] = [Math.floor(at / inputs), at % inputs];
    return k < classes ? (k === labels[row] ? 1 : 0) + 0.3 * random.normal() : 2 * random.normal();
  }),
  inputs,
);
const weights = matrix(
  Float32Array.from({ length: dim * inputs }, () => 0.2 * random.normal()),
  inputs,
);
const embed = (x: Matrix): Matrix => matmul(x, weights, { transposeB: true });

const before = retrieval(embed(data), labels).precisionAt1;
const batches = balancedBatches(labels, { classes, perClass: 8, seed: 2 });
for (let step = 0; step < 300; step++) {
  const rows = batches.next().value;
  const x = takeRows(data, rows);
  const batch = rows.map((row) => labels[row] as number);
  const { gradEmbeddings } = batchTripletLoss(embed(x), batch, { mining: 'batchHard', normalize: false, soft: true, margin: 0 });
  const gradient = matmul(gradEmbeddings, x, { transposeA: true });
  for (let i = 0; i < weights.data.length; i++) weights.data[i] = (weights.data[i] as number) - 0.05 * (gradient.data[i] as number);
}
const after = retrieval(embed(data), labels).precisionAt1;

// Every 50 steps a training loop would select anew, over a subset it embeds with the newest network.
const miner = new OfflineMiner({ labels, every: 50, subset: 100, margin: 0.2, seed: 3 });
const triplets = miner.due(300) ? await miner.refresh((rows) => embed(takeRows(data, rows))) : undefined;
// Over a whole data set, however large: here in two chunks, where a million rows would come from a file. All rows compete as negatives.
const all = embed(data);
const chunks = () => [0, 1].map((half) => matrix(all.data.subarray((half * count * dim) / 2, ((half + 1) * count * dim) / 2), dim));
const mined = await mineTripletsOffline(chunks, labels, { strategy: 'hardest', signal: AbortSignal.timeout(60_000) });
const hardest = mineTriplets(embed(data), labels, { strategy: 'batchHard', normalize: false });
console.log({
  precisionBefore: before,
  precisionAfter: after,
  offline: triplets?.shape[0],
  overAllRows: mined.triplets.shape[0],
  hardest: hardest.shape[0],
});
