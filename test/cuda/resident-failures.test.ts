// Heads and centers that stay on a device which is full at any moment of a call, or lost: the error has a type, and what was before the call is
// what the next one goes on from.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { onDevice } from '../helpers/device.js';

const folder = mkdtempSync(join(tmpdir(), 'hypersphere-resident-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const memory = 2 ** 22;

// `everyFailure` fails each allocation of a call in turn until there is one too few, and returns the errors and what came at last. Blocks that are
// kept for the next call would be no allocations: a call whose first one is too large for the device makes it let go of all of them.
const prelude = `
  const huge = rows(2100, 512);
  const letGo = () => attempt(() => hs.normalize(huge)).code;
  const everyFailure = (call) => {
    const failures = [];
    for (let k = 1; ; k++) {
      letGo();
      process.env.HYPERSPHERE_SIMT_FULL = String(k);
      try {
        const result = call();
        return { failures, result };
      } catch (error) {
        failures.push(plain(error));
        if (k > 60) throw error;
      } finally {
        delete process.env.HYPERSPHERE_SIMT_FULL;
      }
    }
  };
  const text = (value) => JSON.stringify(value, (_, v) => (ArrayBuffer.isView(v) ? Buffer.from(v.buffer, v.byteOffset, v.byteLength).toString('hex') : v));
  hs.setBackend('cuda');
`;

const kinds = {
  'float32 with momentum': 'margin: hs.arcFace({ s: 16, m: 0.3 }), optimizer: hs.sgd({ learningRate: 0.1, momentum: 0.9 })',
  'bfloat16, sampled, by AdaGrad': "margin: hs.cosFace({ s: 16 }), optimizer: hs.adaGrad(), precision: 'bfloat16', sampleRate: 0.5",
  'a bias of its own': 'margin: hs.sphereFace2(), optimizer: hs.sgd({ momentum: 0.9 })',
};

describe.each(Object.entries(kinds))('a head on a device that is full at any moment: %s', (_name, options) => {
  it('fails with sizes and goes on as if it had not', async () => {
    const told = await onDevice(
      `${prelude}
      const make = (device) => new hs.ClassifierHead({ classes: 90, dim: 12, seed: 3, device, ${options} });
      const [x, labels, y] = [rows(5, 12), Int32Array.of(0, 89, -100, 7, 0), rows(3, 12)];
      const head = make('cuda'), other = on('native', () => make());
      const calls = {
        step: (head) => head.step(x, labels),
        forwardBackward: (head) => head.forwardBackward(x, labels),
        logits: (head) => head.logits(y),
        predict: (head) => head.predict(y, { k: 3 }),
        grow: (head) => head.grow(head.classes + 4),
        again: (head) => head.step(x, labels),
      };
      const out = {};
      for (const [name, call] of Object.entries(calls)) {
        const { failures, result } = on('cuda', () => everyFailure(() => call(head)));
        const expected = on('native', () => call(other));
        out[name] = { failures, right: text(result) === text(expected), weights: text(head.weights) === text(other.weights) };
      }
      tell(out);`,
      { MEMORY: memory },
    );
    const least = { step: 12, forwardBackward: 12, logits: 4, predict: 6, grow: 1, again: 12 };
    expect(Object.keys(told)).toEqual(Object.keys(least));
    for (const [name, { failures, right, weights }] of Object.entries<{ failures: unknown[]; right: boolean; weights: boolean }>(told)) {
      expect({ name, right, weights }).toEqual({ name, right: true, weights: true });
      expect(failures.length, name).toBeGreaterThanOrEqual(least[name as keyof typeof least]);
      for (const failure of failures)
        expect(failure, name).toMatchObject({
          code: 'ERR_OUT_OF_MEMORY',
          argument: 'device',
          received: expect.stringMatching(/^\d+ bytes asked for, \d+ of 4194304 free$/),
        });
    }
  });
});

describe('a device that is full at any moment', () => {
  it('leaves centers as they were', async () => {
    const told = await onDevice(
      `${prelude}
      const make = (device) => new hs.Centers({ classes: 30, dim: 9, device });
      const [x, labels] = [rows(5, 9), Int32Array.of(0, 29, 4, 7, 0)];
      const centers = make('cuda'), other = make('cpu');
      const calls = [(one) => one.update(x, labels), (one) => one.loss(x, labels, { gradCenters: true }), (one) => one.update(x, labels)];
      tell(calls.map((call) => {
        const { failures, result } = everyFailure(() => call(centers));
        const right = text(result) === text(call(other)) && text(centers.matrix) === text(other.matrix);
        return { count: failures.length, codes: [...new Set(failures.map(({ code }) => code))], right };
      }));`,
      { MEMORY: memory },
    );
    for (const { count, codes, right } of told) {
      expect({ codes, right }).toEqual({ codes: ['ERR_OUT_OF_MEMORY'], right: true });
      expect(count).toBeGreaterThanOrEqual(6);
    }
  });

  it('makes no head, no centers and loads none, and has its memory back', async () => {
    const told = await onDevice(
      `${prelude}
      const makes = [
        () => new hs.ClassifierHead({ classes: 90, dim: 12, device: 'cuda', margin: hs.arcFace() }),
        () => new hs.Centers({ classes: 90, dim: 12, device: 'cuda' }),
      ];
      const counts = makes.map((make) => {
        const { failures, result } = everyFailure(make);
        result.dispose();
        return [failures.length, ...new Set(failures.map(({ code }) => code))];
      });
      const large = attempt(() => new hs.ClassifierHead({ classes: 30000, dim: 20, device: 'cuda', margin: hs.arcFace() }));
      const path = ${JSON.stringify(join(folder, 'large'))};
      await new hs.ClassifierHead({ classes: 30000, dim: 20, device: 'cpu', margin: hs.arcFace() }).save(path);
      const loaded = await hs.ClassifierHead.load(path, { device: 'cuda' }).catch(plain);
      // Of all but two blocks.
      const fits = hs.normalize(rows(15000, 32)).shape;
      tell({ counts, large, loaded, fits });`,
      { MEMORY: memory },
    );
    expect(told.counts).toEqual([
      [2, 'ERR_OUT_OF_MEMORY'],
      [1, 'ERR_OUT_OF_MEMORY'],
    ]);
    for (const error of [told.large, told.loaded]) expect(error).toMatchObject({ code: 'ERR_OUT_OF_MEMORY', argument: 'device' });
    expect(told.fits).toEqual([15000, 32]);
  });
});

describe('a shard on a device that is full at any moment', () => {
  it('fails before anything is exchanged: no rank has moved, and the group goes on', async () => {
    const told = await onDevice(
      `${prelude}
      import { once } from 'node:events';
      import { Worker } from 'node:worker_threads';
      // Each rank has its own rows; this one's are on the device, the other's in its own memory.
      const shared = \`
        const make = (hs, handle, device) => new hs.ClassifierHead({ classes: 60, dim: 8, seed: 3, device, margin: hs.cosFace({ s: 8, m: 0.2 }),
          optimizer: hs.sgd({ learningRate: 0.1, momentum: 0.9 }), collective: hs.attachCollective(handle) });
        const batch = (hs, rank) => hs.matrix(Float32Array.from({ length: 24 }, (_, i) => Math.cos(i + 7 * rank)), 8);
        const labels = Int32Array.of(0, 59, 31);\`;
      const program = \`\${shared}
        const hs = require('hypersphere');
        const { parentPort, workerData } = require('node:worker_threads');
        const run = () => {
          const head = make(hs, workerData, 'cpu');
          const codes = [];
          for (;;) {
            try {
              const { loss } = head.step(batch(hs, 1), labels);
              return { codes, loss, weights: Buffer.from(head.weights.data.buffer).toString('hex') };
            } catch (error) {
              codes.push(error.code);
            }
          }
        };
        parentPort.postMessage('here');
        parentPort.once('message', () => parentPort.postMessage(run()));\`;
      const [make, batch, labels] = new Function(shared + 'return [make, batch, labels];')();
      const pair = async (device) => {
        const [own, other] = hs.createCollectives(2);
        const worker = new Worker(program, { eval: true, execArgv: [], workerData: other });
        await once(worker, 'message');
        worker.postMessage('go');
        const head = make(hs, own, device);
        const { failures, result } = everyFailure(() => head.step(batch(hs, 0), labels));
        const [there] = await once(worker, 'message');
        return { codes: failures.map(({ code }) => code), there, here: text([result, head.weights]) };
      };
      tell([await pair('cuda'), await pair('cpu')]);`,
      { MEMORY: memory },
    );
    const [device, cpu] = told;
    expect(device.codes.length).toBeGreaterThanOrEqual(12);
    expect(new Set(device.codes)).toEqual(new Set(['ERR_OUT_OF_MEMORY']));
    expect(device.there).toEqual({ ...cpu.there, codes: device.codes.map(() => 'ERR_ABORTED') });
    expect(device.here).toBe(cpu.here);
    expect(cpu.codes).toEqual([]);
  });
});

describe('a device that is lost', () => {
  it('takes the rows with it, says so at every use, and leaves what was read or saved', async () => {
    const told = await onDevice(
      `const path = ${JSON.stringify(join(folder, 'saved'))};
      const make = () => new hs.ClassifierHead({ classes: 20, dim: 6, device: 'cuda', margin: hs.arcFace({ s: 16, m: 0.3 }) });
      const [x, labels] = [rows(4, 6), Int32Array.of(0, 19, 3, 3)];
      const [head, lent, gone] = [make(), make(), make()];
      const centers = new hs.Centers({ classes: 20, dim: 6, device: 'cuda' });
      gone.dispose();
      head.step(x, labels);
      await head.save(path);
      const read = lent.weights.data.slice();
      const failures = [];
      while (failures.length < 2) {
        const end = attempt(() => head.step(x, labels));
        if (end.code) failures.push(end);
      }
      const steps = head.steps;
      failures.push(...['forwardBackward', 'step'].map((name) => attempt(() => head[name](x, labels))), attempt(() => head.predict(x)), attempt(() => head.logits(x)));
      failures.push(attempt(() => head.weights), attempt(() => head.grow(30)), await head.save(path).catch(plain));
      failures.push(attempt(() => centers.update(x, labels)), attempt(() => centers.loss(x, labels)), attempt(() => centers.matrix));
      const made = attempt(make);
      const margin = head.margin.kind;
      // What was lent is still in the hands of who asked.
      const still = Buffer.from(lent.weights.data.buffer).equals(Buffer.from(read.buffer));
      const notTaken = attempt(() => lent.step(x, labels)).code;
      const after = Buffer.from(lent.weights.data.buffer).equals(Buffer.from(read.buffer));
      const loaded = await hs.ClassifierHead.load(path, { device: 'cpu' });
      const stepped = on('native', () => loaded.step(x, labels)).loss > 0;
      head.dispose();
      head.dispose();
      centers.dispose();
      const disposed = [head, gone].map((one) => attempt(() => one.step(x, labels)).code);
      tell({ failures, made, margin, still, notTaken, after, stepped, disposed, steps, loaded: loaded.steps });`,
      { FAIL: 30 },
    );
    expect(told.failures).toHaveLength(12);
    for (const failure of told.failures)
      expect(failure).toMatchObject({
        code: 'ERR_NO_DEVICE',
        argument: 'device',
        received: expect.stringMatching(
          /^the device was lost: .+: CUDA_ERROR_LAUNCH_FAILED; rows that were on it are gone, but for what has been read or saved$/,
        ),
      });
    expect(told.made).toMatchObject({ code: 'ERR_NO_DEVICE', argument: 'options.device' });
    expect(told).toMatchObject({ margin: 'arcFace', still: true, notTaken: 'ERR_NO_DEVICE', after: true, stepped: true, loaded: 2 });
    expect(told.disposed).toEqual(['ERR_DETACHED', 'ERR_DETACHED']);
    expect(told.steps).toBeGreaterThanOrEqual(1);
  });
});

describe('the memory of what stays on the device', () => {
  it.each(['disposed', 'dropped'])('is there for others when it is %s', async (way) => {
    const told = await onDevice(
      `const data = hs.matrix(new Float32Array(2000 * 500).fill(1), 500);
      for (const make of [() => new hs.Gallery(data), () => new hs.Centers({ classes: 2000, dim: 500, device: 'cuda' })]) {
        for (let i = 0; i < 45; i++) {
          const one = make();
          if (${way === 'disposed'}) one.dispose();
          else await new Promise((resolve) => setImmediate(resolve));
        }
      }
      tell('all of them');`,
      { MEMORY: 160 * 2 ** 20 },
    );
    expect(told).toBe('all of them');
  });
});

describe('what crosses the bus', () => {
  it('in a step is the batch, its labels and results, and no weight, whatever the number of classes', async () => {
    const log = join(folder, 'log');
    const [n, d] = [6, 64];
    const told = await onDevice(
      `import { readFileSync } from 'node:fs';
      const length = () => readFileSync(process.env.HYPERSPHERE_SIMT_LOG, 'utf8').length;
      const marks = [];
      const [x, labels] = [rows(${n}, ${d}), Int32Array.of(0, 9, 3, 3, -100, 200)];
      for (const classes of [250, 1000]) {
        const head = new hs.ClassifierHead({ classes, dim: ${d}, device: 'cuda', margin: hs.arcFace({ s: 16, m: 0.3 }) });
        const centers = new hs.Centers({ classes, dim: ${d}, device: 'cuda' });
        const rowsAndState = length();
        head.step(x, labels);
        const first = length();
        for (let step = 0; step < 3; step++) head.step(x, labels);
        const stepped = length();
        centers.update(x, labels.map((c) => Math.max(c, 0)));
        centers.loss(x, labels.map((c) => Math.max(c, 0)));
        marks.push([rowsAndState, first, stepped, length()]);
      }
      tell(marks);`,
      { LOG: log },
    );
    const text = readFileSync(log, 'utf8');
    const bytes = (from: number, to: number, way: string): number =>
      text
        .slice(from, to)
        .trim()
        .split('\n')
        .filter((line) => line.startsWith(`${way} `))
        .reduce((sum, line) => sum + Number(line.slice(way.length)), 0);
    const [float, double] = [4, 8];
    [250, 1000].forEach((classes, i) => {
      const [made, first, stepped, end] = told[i] as [number, number, number, number];
      // A block of classes for every 256 of them: a state of four floats a row.
      const blocks = Math.ceil(classes / 256);
      // The batch and its labels; by what each row is scaled; its five coefficients and that of its target's column.
      const up = n * d * float + n * 4 + n * double + n * 5 * float;
      // The gradient; x·w and w·w of each target; the states.
      const down = n * d * float + n * 2 * double + blocks * n * 4 * float;
      expect([bytes(made, first, 'up'), bytes(made, first, 'down')]).toEqual([up, down]);
      expect([bytes(first, stepped, 'up'), bytes(first, stepped, 'down')]).toEqual([3 * up, 3 * down]);
      expect(bytes(stepped, end, 'up')).toBeLessThan(2 * n * (d * float + 40));
      expect(bytes(stepped, end, 'down')).toBe(n * (d * float + double + float));
    });
  });
});
