// Runs are independent, so they are spread over worker threads; results come back in the order of the jobs. An abort ends the threads: what is
// finished then is what comes back.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { info, setThreads } from '../index.js';
import type { Job, RunResult } from './train.js';
import type { Message, PoolData } from './worker.js';

export async function runJobs(
  jobs: readonly Job[],
  threads: number,
  workerData: PoolData,
  progress: (steps: number) => void,
  signal: AbortSignal,
): Promise<RunResult[]> {
  // The runs share the cores already; a call that spread over them as well would only wait for the others.
  if (info().backend !== 'ts') setThreads(Math.max(1, Math.floor(availableParallelism() / Math.min(threads, jobs.length))));
  const results = new Array<RunResult>(jobs.length);
  let next = 0;
  const workers = Array.from(
    { length: Math.min(threads, jobs.length) },
    () => new Worker(new URL('./worker.js', import.meta.url), { workerData }),
  );
  const serve = (worker: Worker): Promise<void> =>
    new Promise((resolve, reject) => {
      let current = -1;
      const take = (): void => {
        current = next++;
        if (current < jobs.length) worker.postMessage(jobs[current]);
        else resolve();
      };
      signal.addEventListener('abort', () => resolve());
      // A rejection inside the worker arrives here too: Node turns it into an error of the thread.
      worker.on('error', reject);
      worker.on('exit', (code) => reject(new Error(`a training thread ended early with code ${code}`)));
      worker.on('message', (message: Message) => {
        if (message.kind === 'progress') progress(message.steps);
        else {
          results[current] = message.result;
          take();
        }
      });
      take();
    });
  try {
    await Promise.all(workers.map(serve));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return results.filter(Boolean);
}
