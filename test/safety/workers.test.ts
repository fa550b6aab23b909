// Threads that come and go around the addon, each program in a process of its own with a deadline. A program prints how far
// it got, so that a hang names its place: in the work, or in the teardown after 'done'.
import { expect, it } from 'vitest';
import { runChild } from '../helpers/child.js';
import { describeNative } from '../helpers/native.js';

// Text of a worker that has the package as `hs`, its promises as `off`, and a matrix large enough to wake the pool.
const worker = (body: string): string =>
  JSON.stringify(`
    const { parentPort } = require('node:worker_threads');
    const hs = require('hypersphere');
    const off = require('hypersphere/promises');
    const x = hs.matrix(Float32Array.from({ length: 900 * 400 }, (_, i) => Math.sin(i)), 400);
    const sum = ({ data }) => data.reduce((a, b) => a + b, 0);
    ${body}
  `);

const prelude = `
  import { once } from 'node:events';
  import { setTimeout as sleep } from 'node:timers/promises';
  import { Worker } from 'node:worker_threads';
  const start = (text) => new Worker(text, { eval: true, execArgv: [] });
  const firstMessage = async (worker) => {
    worker.on('error', (error) => { console.error(error); process.exit(3); });
    return (await once(worker, 'message'))[0];
  };
`;

async function expectDone(program: string): Promise<void> {
  const { end, stdout, stderr } = await runChild(prelude + program, { env: { HYPERSPHERE_BACKEND: 'native' } });
  const place = stdout.includes('done') ? 'after its work: the teardown hung or crashed' : `in its work, after: ${stdout || 'nothing'}`;
  expect(end, `ended ${place}\n${stderr}`).toBe(0);
  expect(stdout).toContain('done');
}

describeNative('worker threads', () => {
  it('only a worker loads the addon, and its pool outlives it', async () => {
    await expectDone(`
      for (let round = 0; round < 5; round++) {
        const worker = start(${worker('parentPort.postMessage(sum(hs.distances(x)));')});
        // Listened for before the message is awaited: both may come in one turn.
        const exited = once(worker, 'exit');
        await firstMessage(worker);
        await exited;
        console.log('round', round);
        // Pool threads are asleep or about to be: their code must still be there.
        await sleep(20);
      }
      console.log('done');
    `);
  });

  it('two workers and the main thread compute at once and agree', async () => {
    await expectDone(`
      const text = ${worker(`
        const sums = new Set();
        for (let k = 0; k < 20; k++) sums.add(sum(hs.matmul(x, x, { transposeB: true })));
        for (let k = 0; k < 3; k++) off.distances(x).then((result) => sums.add(sum(result) - sum(hs.distances(x)) + [...sums][0]));
        setTimeout(() => parentPort.postMessage([...sums]), 500);
      `)};
      const workers = [start(text), start(text)];
      const results = await Promise.all(workers.map(firstMessage));
      if (new Set(results.flat()).size !== 1) throw new Error('sums differ: ' + JSON.stringify(results));
      console.log('done');
    `);
  });

  it('terminate in the middle of a synchronous call', async () => {
    await expectDone(`
      for (let round = 0; round < 12; round++) {
        const worker = start(${worker("parentPort.postMessage('ready'); for (;;) hs.matmul(x, x, { transposeB: true });")});
        await firstMessage(worker);
        await sleep(round * 3);
        await worker.terminate();
        console.log('round', round);
      }
      console.log('done');
    `);
  });

  it('terminate between calls that fail', async () => {
    await expectDone(`
      for (let round = 0; round < 12; round++) {
        const worker = start(${worker(`
          parentPort.postMessage('ready');
          for (;;) try { hs.matmul(x, x); hs.distances(x, { metric: 'none' }); } catch {}
        `)});
        await firstMessage(worker);
        await sleep(round);
        await worker.terminate();
      }
      console.log('done');
    `);
  });

  it('terminate with asynchronous calls running and queued', async () => {
    await expectDone(`
      for (let round = 0; round < 12; round++) {
        const worker = start(${worker(`
          for (let k = 0; k < 12; k++) off.matmul(x, x, { transposeB: true });
          parentPort.postMessage('ready');
        `)});
        await firstMessage(worker);
        await sleep(round * 2);
        await worker.terminate();
        console.log('round', round);
      }
      console.log('done');
    `);
  });

  it('terminate with shared memory in use, and the memory dropped', async () => {
    await expectDone(`
      for (let round = 0; round < 8; round++) {
        const worker = start(${worker(`
          for (let k = 0; k < 6; k++) {
            const shared = hs.alloc(900, 400);
            shared.data.set(x.data);
            off.matmul(shared, shared, { transposeB: true, out: hs.alloc(900, 900) });
          }
          parentPort.postMessage('ready');
        `)});
        await firstMessage(worker);
        await worker.terminate();
      }
      console.log('done');
    `);
  });

  it('a worker exits by itself with work in flight', async () => {
    await expectDone(`
      for (let round = 0; round < 6; round++) {
        const worker = start(${worker('for (let k = 0; k < 8; k++) off.distances(x); process.exit(0);')});
        await once(worker, 'exit');
      }
      console.log('done');
    `);
  });

  it('another thread changes the level all the time: a call has the bits of one level', async () => {
    await expectDone(`
      import * as hs from 'hypersphere';
      const random = hs.createRandom(1);
      const rows = (n) => hs.matrix(Float32Array.from({ length: n * 48 }, () => random.normal()), 48);
      const [x, y, few] = [rows(240), rows(240), rows(24)];
      const labels = Int32Array.from({ length: 240 }, (_, i) => i % 24);
      const calls = {
        ...Object.fromEntries(['supConLoss', 'angularLoss', 'tcmLoss', 'pnpLoss', 'batchContrastiveLoss', 'batchTripletLoss', 'mineTriplets', 'minePairs']
          .map((name) => [name, () => hs[name](x, labels)])),
        swap: () => hs.batchTripletLoss(x, labels, { swap: true }),
        infoNceLoss: () => hs.infoNceLoss(x, y, { symmetric: true }),
        nPairsLoss: () => hs.nPairsLoss(x, y),
        vicRegLoss: () => hs.vicRegLoss(x, y),
        proxyNcaLoss: () => hs.proxyNcaLoss(x, few, labels),
        proxyAnchorLoss: () => hs.proxyAnchorLoss(x, few, labels),
        marginSoftmax: () => hs.marginSoftmax(x, few, labels, { margin: hs.arcFace() }),
        distances: () => hs.distances(x, y),
        nearest: () => hs.nearest(x, y, { k: 3, metric: 'cosineDistance' }),
      };
      const text = (result) => JSON.stringify(result, (key, value) => (ArrayBuffer.isView(value) ? [...value] : value));
      const highest = hs.info().isa;
      const at = (isa) => (hs.setIsa(isa), Object.fromEntries(Object.entries(calls).map(([name, run]) => [name, text(run())])));
      const [low, high] = [at('baseline'), at(highest)];
      const other = start(${worker(`
        parentPort.postMessage('ready');
        const highest = hs.info().isa;
        for (;;) for (const isa of ['baseline', highest]) hs.setIsa(isa);
      `)});
      await firstMessage(other);
      const found = new Set();
      for (let round = 0; round < 5; round++) {
        for (const [name, run] of Object.entries(calls)) {
          const got = text(run());
          if (got !== low[name] && got !== high[name]) found.add(name);
        }
      }
      await other.terminate();
      console.log(found.size === 0 ? 'done' : 'of no level: ' + [...found].join(', '));
    `);
  });

  it('a program that is stopped amid a call leaves its thread no level', async () => {
    await expectDone(`
      import vm from 'node:vm';
      import * as hs from 'hypersphere';
      const x = hs.matrix(Float32Array.from({ length: 64 * 16 }, (_, i) => Math.sin(i * i)), 16);
      const highest = hs.info().isa;
      const at = (isa) => (hs.setIsa(isa), hs.matmul(x, x, { transposeB: true }).data.join());
      const low = at('baseline');
      Object.assign(globalThis, { hs, x });
      let stopped = 0;
      let kept = 0;
      for (let round = 0; round < 40; round++) {
        hs.setIsa(highest);
        try {
          vm.runInThisContext('for (;;) hs.infoNceLoss(x, x)', { timeout: 3 });
        } catch (error) {
          if (error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') stopped++;
        }
        if (at('baseline') !== low) kept++;
      }
      console.log(stopped === 40 && kept === 0 ? 'done' : 'stopped ' + stopped + ', kept ' + kept);
    `);
  });

  const inFlight = `
    import { distances } from 'hypersphere';
    import * as off from 'hypersphere/promises';
    const x = { data: new Float32Array(1500 * 800).fill(1), shape: [1500, 800] };
  `;
  it.each([
    ['process.exit with work in flight', "for (let k = 0; k < 8; k++) off.distances(x); console.log('done'); process.exit(0);"],
    [
      'process.exit a moment later',
      "for (let k = 0; k < 8; k++) off.distances(x); setTimeout(() => { console.log('done'); process.exit(0); }, 15);",
    ],
    ['an end with the pool awake', "distances(x); console.log('done');"],
    ['nothing awaited: the process ends when the work has', "off.distances(x).then(() => console.log('done'));"],
  ])('%s', async (_name, body) => {
    await expectDone(inFlight + body);
  });

  it('an uncaught error ends the process as usual', async () => {
    const { end, stderr } = await runChild(`${inFlight} for (let k = 0; k < 8; k++) off.distances(x); throw new Error('as usual');`);
    expect(end).toBe(1);
    expect(stderr).toContain('as usual');
  });
});
