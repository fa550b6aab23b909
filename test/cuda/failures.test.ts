// A device that is full, lost, asked from everywhere at once or left behind: errors with a type, and a process that goes on.
import { describe, expect, it } from 'vitest';
import { onDevice } from '../helpers/device.js';

const memory = 2 ** 20;
const granule = 2 ** 16;
const rounded = (floats: number): number => Math.ceil((4 * floats) / granule) * granule;

describe('too little memory on the device', () => {
  it('is an error with sizes before anything is written, and the next op finds the device as it was', async () => {
    const told = await onDevice(
      `const x = rows(600, 4), small = rows(16, 8);
      const out = hs.matrix(new Float32Array(600 * 600).fill(7), 600);
      const failures = [attempt(() => hs.distances(x, { out })), attempt(() => hs.matmul(x, x, { transposeB: true, out }))];
      const untouched = out.data.every((value) => value === 7);
      const after = hs.distances(small);
      tell({ failures, untouched, right: same(after, on('native', () => hs.distances(small))), info: hs.info().cuda });`,
      { MEMORY: memory },
    );
    for (const failure of told.failures) {
      expect(failure).toMatchObject({ code: 'ERR_OUT_OF_MEMORY', argument: 'device', name: 'RangeError' });
      const [, asked, free, total] = /^(\d+) bytes asked for, (\d+) of (\d+) free$/.exec(failure.received)?.map(Number) ?? [];
      expect([asked, total]).toEqual([rounded(600 * 600), memory]);
      expect(free).toBeLessThan(memory);
    }
    expect(told).toMatchObject({ untouched: true, right: true, info: { available: true } });
  });

  it('does not come of what earlier calls have left behind', async () => {
    // Each size is a block of its own, and all of them together are more than there is.
    const told = await onDevice(
      `const wrong = [];
      for (let n = 200; n < 480; n += 20) {
        const x = rows(n, 3);
        if (!same(on('cuda', () => hs.distances(x)), on('native', () => hs.distances(x)))) wrong.push(n);
      }
      tell(wrong);`,
      { MEMORY: memory },
    );
    expect(told).toEqual([]);
  });

  it('rejects promises, each with its own sizes', async () => {
    const told = await onDevice(
      `const sizes = [520, 600, 700, 800, 900, 1000, 16, 1100];
      const ends = await Promise.allSettled(sizes.map((n) => off.distances(rows(n, 2))));
      const x = rows(16, 2);
      const right = same(ends[6].value, on('native', () => hs.distances(x)));
      tell({ right, ends: ends.map(({ reason }, i) => [sizes[i], reason ? plain(reason) : null]) });`,
      { MEMORY: memory },
    );
    expect(told.right).toBe(true);
    for (const [n, error] of told.ends) {
      if (n === 16) expect(error).toBeNull();
      else
        expect(error).toMatchObject({ code: 'ERR_OUT_OF_MEMORY', received: expect.stringMatching(`^${rounded(n * n)} bytes asked for`) });
    }
  });
});

describe('a head on a full device', () => {
  it('fails with sizes, moves no weight, and goes on where there is room', async () => {
    const told = await onDevice(
      `const make = () => new hs.ClassifierHead({ classes: 4000, dim: 60, margin: hs.arcFace({ s: 16, m: 0.3 }), optimizer: hs.sgd({ learningRate: 0.1 }), seed: 3 });
      const [x, labels] = [rows(6, 60), Int32Array.of(0, 5, 3999, 7, 5, 12)];
      const head = on('cuda', make);
      const before = head.weights.data.slice();
      const failure = attempt(() => head.step(x, labels));
      const untouched = head.weights.data.every((value, i) => value === before[i]);
      const fresh = on('native', make);
      const [here, there] = [on('native', () => head.step(x, labels)), on('native', () => fresh.step(x, labels))];
      const right = here.loss === there.loss && head.weights.data.every((value, i) => value === fresh.weights.data[i]);
      const small = rows(16, 4);
      tell({ failure, untouched, right, after: same(hs.normalize(small), on('native', () => hs.normalize(small))) });`,
      { MEMORY: memory / 2 },
    );
    expect(told.failure).toMatchObject({
      code: 'ERR_OUT_OF_MEMORY',
      argument: 'device',
      received: expect.stringMatching(/bytes asked for/),
    });
    expect(told).toMatchObject({ untouched: true, right: true, after: true });
  });
});

describe('memory that a shard holds for its second phase', () => {
  it('is there for other threads when that does not come', async () => {
    const told = await onDevice(
      `import { once } from 'node:events';
      import { Worker } from 'node:worker_threads';
      // Takes all the memory there is.
      const worker = new Worker(\`
        const hs = require('hypersphere');
        const { parentPort } = require('node:worker_threads');
        const all = hs.matrix(new Float32Array(2 ** 17).fill(1), 512);
        parentPort.on('message', () => {
          try {
            hs.normalize(all);
            parentPort.postMessage('fits');
          } catch (error) {
            parentPort.postMessage(error.code + ': ' + error.received);
          }
        });\`, { eval: true, execArgv: [] });
      const elsewhere = async () => { worker.postMessage('go'); return (await once(worker, 'message'))[0]; };
      // The other rank says what this one does, has the other half of the classes, and fails on demand.
      let [breaks, words] = ['nowhere', 0];
      const collective = {
        rank: 0,
        size: 2,
        allReduce: () => {},
        reduceScatter: (data) => data.slice(0, data.length / 2),
        allGather(mine) {
          if (breaks === 'in the exchange' && mine.length > 16 && mine instanceof Float64Array) throw new Error('gone');
          const both = new mine.constructor(2 * mine.length);
          both.set(mine);
          both.set(mine, mine.length);
          if (mine.length === 8) both.set([20, 40], 14);
          // The batch, its room, and the first phase.
          if (mine.length === 1 && ++words % 3 === 0 && breaks === 'on the other rank') both[1] = -1;
          return both;
        },
      };
      const head = new hs.ClassifierHead({ classes: 40, dim: 8, margin: hs.arcFace(), collective });
      words = 0;
      const step = () => { try { head.step(rows(3, 8), new Int32Array(3)); return 'moved'; } catch (error) { return error.message.replace(/.*an error on/, 'on'); } };
      const out = [await elsewhere()];
      for (breaks of ['in the exchange', 'on the other rank', 'nowhere']) out.push(step(), await elsewhere());
      await worker.terminate();
      tell(out);`,
      { MEMORY: memory },
    );
    expect(told).toEqual(['fits', 'gone', 'fits', 'on rank 1', 'fits', 'moved', 'fits']);
  });
});

describe('a gallery on the device', () => {
  it('that does not fit is an error with sizes, and one that fits is searched; a full device leaves it whole', async () => {
    const told = await onDevice(
      `const failure = attempt(() => new hs.Gallery(rows(3000, 100)));
      const [gallery, x, many] = [rows(2000, 8), rows(3, 8), rows(20000, 8)];
      const kept = new hs.Gallery(gallery);
      const full = attempt(() => kept.search(many, { k: 2000 }));
      const found = kept.search(x, { k: 4 });
      const expected = on('native', () => hs.nearest(x, gallery, { k: 4 }));
      const right = same(found.distances, expected.distances) && same(found.indices, expected.indices);
      tell({ failure, full, right });`,
      { MEMORY: memory },
    );
    const received = expect.stringMatching(/^\d+ bytes asked for, \d+ of 1048576 free$/);
    expect(told.failure).toMatchObject({ code: 'ERR_OUT_OF_MEMORY', argument: 'device', received });
    expect(told.full).toMatchObject({ code: 'ERR_OUT_OF_MEMORY', argument: 'device', received });
    expect(told.right).toBe(true);
  });

  it('gives its memory back for what comes next', async () => {
    const told = await onDevice(
      `const wrong = [];
      const x = rows(3, 60);
      for (let m = 2000; m < 2030; m++) {
        const gallery = rows(m, 60), kept = on('cuda', () => new hs.Gallery(gallery));
        const found = kept.search(x), expected = on('native', () => hs.nearest(x, gallery));
        if (!same(found.indices, expected.indices) || !same(found.distances, expected.distances)) wrong.push(m);
        kept.dispose();
      }
      tell(wrong);`,
      { MEMORY: 2 * memory },
    );
    expect(told).toEqual([]);
  });
});

describe('a device that is lost', () => {
  const reason = 'the device was lost: cuStreamSynchronize: CUDA_ERROR_LAUNCH_FAILED';

  it('is an error from then on, info tells it, and the CPU takes over', async () => {
    const told = await onDevice(
      `const x = rows(9, 5);
      const first = hs.normalize(x);
      const failures = [1, 2].map(() => attempt(() => hs.normalize(x)));
      const { cuda, unavailable } = hs.info();
      const refused = attempt(() => hs.setBackend('cuda'));
      const rest = attempt(() => [...hs.hardmax(x).data].length);
      tell({ failures, cuda, unavailable, refused, rest, right: same(first, on('native', () => hs.normalize(x))) });`,
      { FAIL: 2 },
    );
    for (const failure of told.failures) expect(failure).toMatchObject({ code: 'ERR_NO_DEVICE', argument: 'device', received: reason });
    expect(told.cuda).toEqual({ available: false, reason });
    expect(told.unavailable).toEqual({ cuda: reason });
    expect(told.refused).toMatchObject({ code: 'ERR_NO_DEVICE', argument: 'name', received: `'cuda': ${reason}` });
    expect(told).toMatchObject({ rest: 45, right: true });
  });

  it('rejects what waits, in every thread', async () => {
    const told = await onDevice(
      `import { once } from 'node:events';
      import { Worker } from 'node:worker_threads';
      const x = rows(64, 8);
      const ends = await Promise.allSettled(Array.from({ length: 6 }, () => off.matmul(x, x, { transposeB: true })));
      const text = \`const hs = require('hypersphere');
        let code; try { hs.normalize(hs.matrix(new Float32Array(4), 2)); } catch (error) { code = error.code; }
        require('node:worker_threads').parentPort.postMessage(code);\`;
      const theirs = (await once(new Worker(text, { eval: true, execArgv: [] }), 'message'))[0];
      tell({ theirs, codes: ends.map(({ status, reason }) => reason?.code ?? status) });`,
      { FAIL: 3 },
    );
    expect(told.codes.filter((code: string) => code === 'fulfilled')).toHaveLength(2);
    expect(told.codes.filter((code: string) => code === 'ERR_NO_DEVICE')).toHaveLength(4);
    expect(told.theirs).toBe('ERR_NO_DEVICE');
  });
});

describe('threads', () => {
  it('share the device and get right results', async () => {
    const told = await onDevice(
      `import { once } from 'node:events';
      import { Worker } from 'node:worker_threads';
      const text = \`const hs = require('hypersphere');
        const off = require('hypersphere/promises');
        const { parentPort, workerData } = require('node:worker_threads');
        const x = hs.matrix(Float32Array.from({ length: 50 * 12 }, (_, i) => Math.sin(i + workerData)), 12);
        (async () => {
          const device = [hs.distances(x), ...(await Promise.all([off.distances(x), off.distances(x)]))];
          const { backend } = hs.info();
          hs.setBackend('native');
          const expected = Buffer.from(hs.distances(x).data.buffer);
          parentPort.postMessage([backend, ...device.map(({ data }) => Buffer.from(data.buffer).equals(expected))]);
        })();\`;
      const workers = [1, 2, 3].map((workerData) => new Worker(text, { eval: true, execArgv: [], workerData }));
      const answers = workers.map(async (worker) => (await once(worker, 'message'))[0]);
      const x = rows(40, 12);
      const own = await Promise.all(Array.from({ length: 4 }, () => off.normalize(x)));
      const right = own.every((each) => same(each, on('native', () => hs.normalize(x))));
      tell([...(await Promise.all(answers)), ['cuda', right]]);`,
    );
    expect(told).toHaveLength(4);
    for (const each of told) expect(each).toEqual(['cuda', ...each.slice(1).map(() => true)]);
  });

  it('search galleries and multiply while heads step, each with the bits that it has alone', async () => {
    const told = await onDevice(
      `const [x, labels] = [rows(5, 12), Int32Array.of(0, 89, 3, 7, 0)];
      const many = (seed) => hs.matrix(Float32Array.from({ length: 70 * 12 }, (_, i) => Math.sin(i * seed)), 12);
      const make = (device, seed) => new hs.ClassifierHead({ classes: 90, dim: 12, seed, device, margin: hs.arcFace({ s: 16, m: 0.3 }), optimizer: hs.sgd({ momentum: 0.9 }) });
      const run = async (device) => {
        const galleries = [2, 3].map((seed) => new hs.Gallery(many(seed), { device }));
        const heads = [4, 5].map((seed) => make(device, seed));
        const tasks = [];
        for (let turn = 0; turn < 3; turn++) {
          tasks.push(...galleries.map((gallery) => off.search(gallery, x, { k: 5 })), off.distances(many(7)));
          for (const head of heads) tasks.push(head.step(x, labels).loss);
        }
        const ends = await Promise.all(tasks);
        return [ends, heads.map((head) => head.weights)];
      };
      const hex = (value) => JSON.stringify(value, (_, v) => (ArrayBuffer.isView(v) ? Buffer.from(v.buffer).toString('hex') : v));
      const device = await run('cuda');
      hs.setBackend('native');
      tell({ same: hex(device) === hex(await run('cpu')), length: hex(device).length });`,
    );
    expect(told.same).toBe(true);
    expect(told.length).toBeGreaterThan(1e5);
  });

  it('may go in mid-call: the device serves the others', async () => {
    const told = await onDevice(
      `import { once } from 'node:events';
      import { Worker } from 'node:worker_threads';
      const text = \`const hs = require('hypersphere');
        const off = require('hypersphere/promises');
        const x = hs.matrix(new Float32Array(200 * 16).fill(1), 16);
        for (let i = 0; i < 8; i++) off.distances(x);
        require('node:worker_threads').parentPort.postMessage('started');\`;
      const worker = new Worker(text, { eval: true, execArgv: [] });
      await once(worker, 'message');
      await worker.terminate();
      const x = rows(20, 4);
      tell(same(hs.distances(x), on('native', () => hs.distances(x))));`,
    );
    expect(told).toBe(true);
  });
});

describe('an abort', () => {
  it('rejects with its reason, running or waiting, and the device goes on', async () => {
    const told = await onDevice(
      `const x = rows(300, 16);
      const stop = new AbortController();
      const tasks = Array.from({ length: 8 }, () => off.distances(x, { signal: stop.signal }));
      stop.abort(new Error('enough'));
      const ends = await Promise.allSettled(tasks);
      const y = rows(10, 3);
      tell({ ends: ends.map(({ reason }) => reason?.message), right: same(hs.distances(y), on('native', () => hs.distances(y))) });`,
    );
    expect(told).toEqual({ ends: Array(8).fill('enough'), right: true });
  });
});
