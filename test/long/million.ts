// Training a head of very many classes on synthetic identities that can be told apart, within a bound on memory.
import { ClassifierHead, cosFace, createRandom, info, type Matrix, matrix, sgd } from '../../lib/index.js';

export interface MillionOptions {
  readonly classes: number;
  readonly dim: number;
  readonly batch: number;
  readonly steps: number;
  /** Classes that have images; the others are there to be told from. */
  readonly identities: number;
  readonly sampleRate: number;
  readonly precision: 'float32' | 'bfloat16';
}

export const million: MillionOptions = {
  classes: 1_000_000,
  dim: 128,
  batch: 64,
  steps: 1000,
  identities: 512,
  sampleRate: 1,
  precision: 'float32',
};

/** A step's own memory: what the issue allows beside weights and momentum. */
const allowance = 192 * 2 ** 20;

const peak = (): number => process.resourceUsage().maxRSS * 1024;
const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(2)} GiB`;

/** Rows of identities: a direction each, and noise of 0.4 of its length. */
function batches({ classes, dim, batch, identities }: MillionOptions): () => { x: Matrix; labels: Int32Array } {
  const random = createRandom(1);
  // Spread over all classes.
  const classOf = (identity: number): number => Math.floor(((identity + 0.5) * classes) / identities);
  const directions = Float32Array.from({ length: identities * dim }, () => random.normal());
  return () => {
    const x = matrix(new Float32Array(batch * dim), dim);
    const labels = new Int32Array(batch);
    for (let i = 0; i < batch; i++) {
      const identity = random.integer(identities);
      labels[i] = classOf(identity);
      for (let j = 0; j < dim; j++) x.data[i * dim + j] = (directions[identity * dim + j] as number) + 0.4 * random.normal();
    }
    return { x, labels };
  };
}

/** Throws where the loss does not fall to a third, the identities are not told apart, or memory goes beyond its bound. */
export function trainMillion(options: MillionOptions, print: (line: string) => void): void {
  const { classes, dim, steps, sampleRate, precision, batch } = options;
  const next = batches(options);
  const { backend, isa, threads } = info();
  print(
    `${classes} classes × ${dim}, ${precision}, batch ${batch}, sample rate ${sampleRate}, on ${backend} ${isa ?? ''}, ${threads} threads`,
  );
  const before = peak();
  const elements = classes * dim * (precision === 'float32' ? 4 : 2);
  const head = new ClassifierHead({
    classes,
    dim,
    margin: cosFace({ s: 32, m: 0.2 }),
    optimizer: sgd({ learningRate: 0.1, momentum: 0.9, weightDecay: 5e-4 }),
    sampleRate,
    precision,
  });
  print(`weights and momentum: ${precision} each, ${gib(2 * elements)} together`);
  const losses: number[] = [];
  const start = performance.now();
  for (let step = 0; step < steps; step++) {
    const { x, labels } = next();
    losses.push(head.step(x, labels).loss);
    if (step % Math.ceil(steps / 10) === 0) print(`step ${step}: loss ${losses[step]?.toFixed(3)}`);
  }
  const seconds = (performance.now() - start) / 1000;
  const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const share = Math.max(1, Math.floor(steps / 20));
  const [first, last] = [mean(losses.slice(0, share)), mean(losses.slice(-share))];
  const grown = peak() - before;
  const { x, labels } = next();
  const right = head.predict(x).classes.data.filter((c, i) => c === labels[i]).length;
  print(`loss ${first.toFixed(3)} → ${last.toFixed(3)}, ${right} of ${batch} fresh rows right, ${(seconds / steps).toFixed(3)} s a step`);
  print(`memory: ${gib(grown)} of at most ${gib(2 * elements + allowance)} beside ${gib(before)} at the start`);
  if (!(last < first / 3)) throw new Error('the loss did not fall to a third');
  if (right < 0.9 * batch) throw new Error('the identities are not told apart');
  if (grown > 2 * elements + allowance) throw new Error('more memory than allowed');
}
