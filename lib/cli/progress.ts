// Progress of a long command: a bar on a terminal, a plain line now and then elsewhere. On stderr, so that stdout is the result alone.
import { SingleBar } from 'cli-progress';

const plainEvery = 20_000;

/** Runs `work`, which is told how to report how many units are done since it last did. */
export async function withProgress<T>(total: number, unit: string, work: (advance: (units: number) => void) => Promise<T>): Promise<T> {
  const bar = new SingleBar({
    format: `{bar} {percentage}% | {value}/{total} ${unit} | {eta_formatted} left`,
    noTTYOutput: true,
    notTTYSchedule: plainEvery,
    stream: process.stderr,
  });
  bar.start(total, 0);
  try {
    return await work((units) => bar.increment(units));
  } finally {
    bar.stop();
  }
}
