// The main job: every loss asked for, in 2-D for the pictures and in more dimensions on digits held out, then the report.
import { join } from 'node:path';
import { info } from '../index.js';
import { runJobs } from './pool.js';
import { withProgress } from './progress.js';
import { writeReport } from './report.js';
import { textTable } from './summary.js';
import type { Job } from './train.js';

export interface Comparison {
  readonly loss: readonly string[];
  readonly size: 'quick' | 'full';
  readonly dim: number;
  readonly steps?: number;
  readonly seed: number;
  readonly out: string;
  readonly workers: number;
}

const digits = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const splits = [
  { trainDigits: digits(0, 7), heldOut: [8, 9], name: '0–7 / 8–9' },
  { trainDigits: digits(2, 9), heldOut: [0, 1], name: '2–9 / 0–1' },
];
const plans = {
  quick: { steps: 400, splits: splits.slice(0, 1) },
  full: { steps: 1500, splits },
};

export async function runComparison({ loss, size, dim, steps = plans[size].steps, seed, out, workers }: Comparison): Promise<void> {
  const { backend } = info();
  const shared = { steps, seed };
  const chosen = plans[size].splits;
  const jobs: Job[] = loss.flatMap((name) => [
    { ...shared, loss: name, dim: 2, trainDigits: digits(0, 9), heldOut: [] },
    ...chosen.map(({ trainDigits, heldOut }) => ({ ...shared, trainDigits, heldOut, loss: name, dim })),
  ]);
  const names = loss.length > 3 ? `${loss.length} losses` : loss.join(', ');
  const where = chosen.map((split) => split.name).join(' and ');
  console.log(
    `Training ${names}, ${steps} steps each, in 2-D and on ${where}: the '${size}' comparison, ${backend} backend, ${workers} at a time.`,
  );
  if (size === 'quick')
    console.log("'quick' is the subset for the TypeScript backend; '--comparison full' runs both splits and 1500 steps.");
  const results = await withProgress(jobs.length * steps, 'steps', (progress) => runJobs(jobs, workers, progress));
  const rows = writeReport(out, results, { backend, comparison: size, steps, seed, dim, workers });
  console.log(`\n${textTable(rows)}\n\nReport: ${join(out, 'report.html')}`);
}
