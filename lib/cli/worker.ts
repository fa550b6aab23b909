// A thread of the pool: loads the data once, then trains one job after another.
import { parentPort } from 'node:worker_threads';
import { loadMnist } from './mnist.js';
import { type Job, type RunResult, train } from './train.js';

export type Message = { readonly kind: 'progress'; readonly steps: number } | { readonly kind: 'result'; readonly result: RunResult };

const port = parentPort;
if (!port) throw new Error('worker.js runs in a worker thread');
const mnist = loadMnist();
port.on('message', async (job: Job) => {
  const send = (message: Message): void => port.postMessage(message);
  const result = await train(mnist, job, (steps) => send({ kind: 'progress', steps }));
  send({ kind: 'result', result });
});
