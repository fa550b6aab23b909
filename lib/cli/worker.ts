// A thread of the pool: has the data once, then trains one job after another.
import { parentPort, workerData } from 'node:worker_threads';
import { type DataSpec, loadDataset } from './dataset.js';
import { saveNetwork } from './network-file.js';
import { type Job, type RunResult, train } from './train.js';

export interface PoolData {
  readonly data: DataSpec;
  /** Where a run on one's own data leaves its network. */
  readonly out: string;
}
export type Message = { readonly kind: 'progress'; readonly steps: number } | { readonly kind: 'result'; readonly result: RunResult };

const port = parentPort;
if (!port) throw new Error('worker.js runs in a worker thread');
const { data, out } = workerData as PoolData;
const dataset = await loadDataset(data);
port.on('message', async (job: Job) => {
  const send = (message: Message): void => port.postMessage(message);
  const result = await train(
    dataset,
    job,
    (steps) => send({ kind: 'progress', steps }),
    async (network) => {
      if (data.kind === 'file') await saveNetwork(network, data.x, job.dim, out, job.loss);
    },
  );
  send({ kind: 'result', result });
});
