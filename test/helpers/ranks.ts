// A group of threads in a process of its own, on the built package: each runs the same text as one rank of a Collective.
import { runChild } from './child.js';

export interface RanksOptions {
  /** Of createCollectives. */
  readonly group?: object;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Runs `body` on `size` worker threads. It has `hs` (the package), `collective`, `rank`, `size`, may await, and returns what can be
 * written as JSON; an error it throws comes back as `{ code, message }`. Results in rank order.
 */
export async function runRanks<T>(size: number, body: string, { group = {}, env = {} }: RanksOptions = {}): Promise<T[]> {
  const text = `
    const { parentPort, workerData } = require('node:worker_threads');
    const hs = require('hypersphere');
    const collective = hs.attachCollective(workerData);
    const { rank, size } = collective;
    const run = async () => { ${body} };
    run().then(
      (result) => parentPort.postMessage(result),
      ({ code, message }) => parentPort.postMessage({ code, message }),
    );
  `;
  const { end, stdout, stderr } = await runChild(
    `
    import { Worker } from 'node:worker_threads';
    import { createCollectives } from 'hypersphere';
    const start = (workerData) => new Promise((resolve, reject) => {
      const worker = new Worker(${JSON.stringify(text)}, { eval: true, execArgv: [], workerData });
      worker.on('message', resolve).on('error', reject);
    });
    const results = await Promise.all(createCollectives(${size}, ${JSON.stringify(group)}).map(start));
    console.log(JSON.stringify(results));
  `,
    { env: { HYPERSPHERE_BACKEND: 'ts', ...env } },
  );
  if (end !== 0) throw new Error(`the ranks ended with ${end}\n${stdout}\n${stderr}`);
  return JSON.parse(stdout) as T[];
}
