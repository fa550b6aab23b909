// The main job: every loss asked for, in 2-D for the pictures and in more dimensions on digits held out, then the report.
import { join } from 'node:path';
import { info } from '../index.js';
import type { DataSpec, FileData } from './dataset.js';
import { interruptedCode, interruptible } from './inputs.js';
import { runJobs } from './pool.js';
import { withProgress } from './progress.js';
import { writeReport } from './report.js';
import { textTable } from './summary.js';
import type { Job } from './train.js';

export interface Comparison {
  readonly data: DataSpec;
  readonly loss: readonly string[];
  readonly size: 'quick' | 'full';
  readonly dim: number;
  readonly steps?: number;
  readonly seed: number;
  readonly out: string;
  readonly workers: number;
  readonly json?: boolean;
}

const digits = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const splits = [
  { trainClasses: digits(0, 7), heldOut: [8, 9], name: '0–7 / 8–9' },
  { trainClasses: digits(2, 9), heldOut: [0, 1], name: '2–9 / 0–1' },
];
const plans = {
  quick: { steps: 400, splits: splits.slice(0, 1) },
  full: { steps: 1500, splits },
};

interface Plan {
  readonly jobs: readonly Job[];
  /** What the comparison is of, in words. */
  readonly what: string;
}

function mnistPlan(loss: readonly string[], size: 'quick' | 'full', dim: number, shared: { steps: number; seed: number }): Plan {
  const chosen = plans[size].splits;
  const jobs = loss.flatMap((name): Job[] => [
    { ...shared, loss: name, dim: 2, trainClasses: digits(0, 9), heldOut: [] },
    ...chosen.map(({ trainClasses, heldOut }) => ({ ...shared, trainClasses, heldOut, loss: name, dim })),
  ]);
  return { jobs, what: `in 2-D and on ${chosen.map((split) => split.name).join(' and ')}: the '${size}' comparison` };
}

function filePlan(
  loss: readonly string[],
  { name: path, trainClasses, heldOut }: FileData,
  dim: number,
  shared: { steps: number; seed: number },
): Plan {
  const jobs = loss.map((name): Job => ({ ...shared, loss: name, dim, trainClasses, heldOut }));
  return { jobs, what: `on ${trainClasses.length} classes of ${path}, verified on ${heldOut.length} others` };
}

export async function runComparison({
  data,
  loss,
  size,
  dim,
  steps = plans[size].steps,
  seed,
  out,
  workers,
  json,
}: Comparison): Promise<void> {
  const { backend } = info();
  const shared = { steps, seed };
  const { jobs, what } = data.kind === 'mnist' ? mnistPlan(loss, size, dim, shared) : filePlan(loss, data, dim, shared);
  const names = loss.length > 3 ? `${loss.length} losses` : loss.join(', ');
  // What is no result goes beside it.
  const tell = json ? console.error : console.log;
  tell(`Training ${names}, ${steps} steps each, ${what}, ${backend} backend, ${workers} at a time.`);
  if (data.kind === 'mnist' && size === 'quick')
    tell("'quick' is the subset for the TypeScript backend; '--comparison full' runs both splits and 1500 steps.");
  const signal = interruptible();
  const results = await withProgress(jobs.length * steps, 'steps', (progress) => runJobs(jobs, workers, { data, out }, progress, signal));
  if (signal.aborted) {
    console.error(
      `hypersphere: interrupted; ${results.length} of ${jobs.length} runs are finished${results.length > 0 ? ' and in the report' : ''}`,
    );
    process.exitCode = interruptedCode;
    if (results.length === 0) return;
  }
  const name = data.kind === 'mnist' ? 'MNIST' : data.name;
  const rows = writeReport(out, results, { data: name, backend, comparison: size, steps, seed, dim, workers });
  if (json) console.log(JSON.stringify({ report: join(out, 'report.html'), summary: rows }));
  else console.log(`\n${textTable(rows)}\n\nReport: ${join(out, 'report.html')}`);
}
