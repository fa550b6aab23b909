// Workers that compute, on their thread and off it, are terminated at random moments, while they load too: the process goes on, and neither threads
// nor memory are left behind. In a process of its own, which a crash would end.
import { runChild } from '../helpers/child.js';

const worker = `
  const { parentPort } = require('node:worker_threads');
  const hs = require('hypersphere');
  const off = require('hypersphere/promises');
  const x = hs.matrix(Float32Array.from({ length: 300 * 64 }, (_, i) => Math.sin(i)), 64);
  const labels = Int32Array.from({ length: 300 }, (_, i) => i % 10);
  const head = new hs.ClassifierHead({ classes: 200, dim: 64, margin: hs.cosFace() });
  const gallery = new hs.Gallery(x, { labels });
  const shared = hs.alloc(300, 300);
  let asked = 0;
  const more = () => {
    while (asked < 8) {
      asked++;
      const controller = new AbortController();
      const { signal } = controller;
      const calls = [
        () => off.matmul(x, x, { transposeB: true, signal, out: shared }),
        () => off.search(gallery, x, { k: 5, signal }),
        () => off.marginSoftmax(x, x, labels, { margin: hs.arcFace(), signal }),
      ];
      calls[Math.floor(Math.random() * 3)]().catch(() => {}).finally(() => { asked--; });
      if (Math.random() < 0.2) setTimeout(() => controller.abort(), Math.random() * 3);
    }
    head.step(x, labels);
    hs.batchTripletLoss(x, labels);
    try { hs.matmul(x, x); } catch {}
    new hs.Gallery(x);
    setImmediate(more);
  };
  parentPort.postMessage('ready');
  more();
`;

const program = (rounds: number, seed: number, atOnce: number): string => `
  import { readFileSync } from 'node:fs';
  import { setTimeout as sleep } from 'node:timers/promises';
  import { setFlagsFromString } from 'node:v8';
  import { runInNewContext } from 'node:vm';
  import { Worker } from 'node:worker_threads';
  import { createRandom, info, matmul, matrix } from 'hypersphere';
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc');
  const random = createRandom(${seed});
  const threads = () => Number(/^Threads:\\s*(\\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
  const resident = () => { gc(); return process.memoryUsage.rss(); };
  const x = matrix(Float32Array.from({ length: 90 * 64 }, (_, i) => Math.sin(i)), 64);
  const expected = Buffer.from(matmul(x, x, { transposeB: true }).data.buffer).toString('latin1');
  if (info().backend !== 'native') throw new Error('this needs the addon');
  let [ready, early] = [0, 0];
  // How long a worker takes until it computes; measured, as machines differ.
  let loading = 100;
  const one = async (round) => {
    const begun = performance.now();
    const worker = new Worker(${JSON.stringify(worker)}, { eval: true, execArgv: [] });
    let computes = false;
    worker.on('message', () => { computes = true; });
    const failed = new Promise((_, reject) => worker.on('error', reject));
    failed.catch(() => {});
    // One in eight while it still loads, the others as soon as they compute or some time later.
    if (round % 8 === 0) await Promise.race([sleep(loading * random.next()), failed]);
    else {
      await Promise.race([new Promise((resolve) => worker.once('message', resolve)), failed]);
      loading = performance.now() - begun;
      await Promise.race([sleep(20 * random.next()), failed]);
    }
    if (computes) ready++; else early++;
    await worker.terminate();
    if (Buffer.from(matmul(x, x, { transposeB: true }).data.buffer).toString('latin1') !== expected) throw new Error('other bits');
  };
  const before = { threads: 0, rss: 0 };
  for (let round = 0; round < ${rounds}; round += ${atOnce}) {
    await Promise.all(Array.from({ length: ${atOnce} }, (_, i) => one(round + i)));
    // The pool and the allocator have their size.
    if (before.rss === 0 && round >= ${rounds} / 5) Object.assign(before, { threads: threads(), rss: resident() });
  }
  await sleep(100);
  const after = { threads: threads(), rss: resident() };
  console.log(JSON.stringify({ ready, early, threads: after.threads - before.threads, grown: after.rss - before.rss }));
`;

export interface Terminated {
  /** Of the workers, how many computed and how many still loaded when they were terminated. */
  readonly ready: number;
  readonly early: number;
  /** More at the end than after a fifth of the rounds. */
  readonly threads: number;
  readonly grown: number;
}

/** Throws where the process ends otherwise than by itself, where threads are left, or more than 64 MiB and 16 KiB a worker. Uses the built package of the current folder. */
export async function terminations(rounds: number, seed: number, deadline = 3_600_000): Promise<Terminated> {
  const { end, stdout, stderr } = await runChild(program(rounds, seed, 2), {
    env: { HYPERSPHERE_BACKEND: 'native' },
    folder: process.cwd(),
    deadline,
  });
  if (end !== 0) throw new Error(`seed ${seed}: ended with ${end}\n${stdout}${stderr}`);
  const found = JSON.parse(stdout) as Terminated;
  if (found.ready === 0) throw new Error('no worker computed: this has shown nothing');
  if (found.threads > 0) throw new Error(`${found.threads} threads are left`);
  if (found.grown > 64 * 2 ** 20 + 16 * 1024 * rounds) throw new Error(`${found.grown} bytes more are resident after ${rounds} workers`);
  return found;
}
