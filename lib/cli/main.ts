// The command line: `hypersphere train` and `hypersphere doctor`.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { SingleBar } from 'cli-progress';
import { Command, InvalidArgumentError, Option } from 'commander';
import { info } from '../index.js';
import { objectives } from './objectives.js';
import { runJobs } from './pool.js';
import { writeReport } from './report.js';
import { textTable } from './summary.js';
import type { Job } from './train.js';

interface TrainFlags {
  readonly loss: string[];
  readonly comparison?: 'quick' | 'full';
  readonly dim: number;
  readonly steps?: number;
  readonly seed: number;
  readonly out: string;
  readonly workers: number;
}

const digits = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const splits = [
  { trainDigits: digits(0, 7), heldOut: [8, 9] },
  { trainDigits: digits(2, 9), heldOut: [0, 1] },
];
const comparisons = {
  quick: { steps: 400, splits: splits.slice(0, 1), about: 'every loss in 2-D and on the split 0–7 / 8–9, 400 steps' },
  full: { steps: 1500, splits, about: 'every loss in 2-D and on both splits, 1500 steps' },
};

function whole(min: number) {
  return (text: string): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < min) throw new InvalidArgumentError(`expected an integer of at least ${min}`);
    return value;
  };
}

async function train(flags: TrainFlags): Promise<void> {
  const { backend } = info();
  const comparison = flags.comparison ?? (backend === 'ts' ? 'quick' : 'full');
  const plan = comparisons[comparison];
  const steps = flags.steps ?? plan.steps;
  const shared = { steps, seed: flags.seed };
  const jobs: Job[] = flags.loss.flatMap((loss) => [
    { ...shared, loss, dim: 2, trainDigits: digits(0, 9), heldOut: [] },
    ...plan.splits.map((split) => ({ ...shared, ...split, loss, dim: flags.dim })),
  ]);
  console.log(`Comparison '${comparison}' (${plan.about}) on the ${backend} backend, ${flags.workers} workers.`);
  if (comparison === 'quick') console.log("It is the subset for the TypeScript backend; '--comparison full' runs all.");
  const results = await withProgress(jobs.length * steps, (progress) => runJobs(jobs, flags.workers, progress));
  const rows = writeReport(flags.out, results, { backend, comparison, steps, seed: flags.seed, dim: flags.dim });
  console.log(`\n${textTable(rows)}\n\nReport: ${join(flags.out, 'report.html')}`);
}

async function withProgress<T>(total: number, work: (progress: (steps: number) => void) => Promise<T>): Promise<T> {
  const options = {
    format: '{bar} {percentage}% | {value}/{total} steps | {eta_formatted} left',
    noTTYOutput: true,
    notTTYSchedule: 20_000,
  };
  const bar = new SingleBar({ ...options, stream: process.stdout });
  bar.start(total, 0);
  try {
    return await work((steps) => bar.increment(steps));
  } finally {
    bar.stop();
  }
}

function doctor(): void {
  const { backend, unavailable } = info();
  console.log(`hypersphere runs on the ${backend} backend, Node ${process.version}, ${process.platform}-${process.arch}.`);
  for (const [name, reason] of Object.entries(unavailable)) console.log(`  ${name}: not available, ${reason}`);
}

export async function main(argv: readonly string[]): Promise<void> {
  const names = Object.keys(objectives);
  const program = new Command('hypersphere')
    .description('Losses, mining and metrics of metric learning.')
    .showHelpAfterError('(--help shows what there is)');
  program
    .command('train')
    .description('Train embeddings with one loss or all of them; write a table and a report with plots.')
    .addOption(new Option('--loss <name...>', 'losses to train').choices(names).default(names, 'all of them'))
    .addOption(new Option('--data <set>', 'what to train on').choices(['mnist']).default('mnist'))
    .addOption(new Option('--comparison <size>', 'how much to run').choices(['quick', 'full']).default(undefined, 'quick on ts, else full'))
    .option('--dim <n>', 'dimension of the embeddings behind the table', whole(2), 16)
    .option('--steps <n>', 'steps of every run (default: 400 quick, 1500 full)', whole(1))
    .option('--seed <n>', 'everything but the timings follows from it', whole(0), 1)
    .option('--workers <n>', 'runs trained at a time', whole(1), availableParallelism())
    .option('--out <folder>', 'where the report goes', 'report')
    .addHelpText(
      'after',
      '\nExamples:\n  hypersphere train --loss arcFace --data mnist\n  hypersphere train --loss softmax softmaxCenter --steps 1000 --seed 7',
    )
    .action(train);
  program.command('doctor').description('Say which backend runs here, and why no faster one does.').action(doctor);
  await program.parseAsync(argv);
}
