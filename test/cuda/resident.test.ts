// Heads whose weights and optimizer state stay on the device: over steps, and whatever is asked for between them, they are the CPU's head to the bit.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { resetServed, servedBy } from '../../lib/backend.js';
import * as hs from '../../lib/index.js';
import { ClassifierHead, type ClassifierHeadOptions, type Margin, setBackend, setIsa } from '../../lib/index.js';
import { normalMatrix } from '../helpers/data.js';
import { driver } from '../helpers/device.js';
import { levels, mostRows } from '../helpers/native.js';
import { runRanks } from '../helpers/ranks.js';
import { common, data } from '../helpers/shards.js';
import { bitsText } from '../helpers/tolerance.js';

const fused = levels.filter((isa) => isa !== 'baseline');
afterAll(() => setIsa(levels.at(-1) as never));
beforeEach(() => setBackend('native'));

const folder = mkdtempSync(join(tmpdir(), 'hypersphere-resident-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const [rows, dim, classes] = [7, 19, 40];
const labels = Int32Array.of(0, 39, 5, -100, 5, 17, 20);
const batch = (step: number) => normalMatrix(rows, dim, 100 + step);
const momentum = hs.sgd({ learningRate: 0.2, momentum: 0.9, weightDecay: 1e-3 });

type Options = Partial<ClassifierHeadOptions> & { readonly margin: Margin };
const make = (options: Options): ClassifierHead => new ClassifierHead({ classes, dim, seed: 5, optimizer: momentum, ...options });
const onDevice = (options: Options): ClassifierHead => make({ ...options, device: 'cuda' });

const bits = (values: Float32Array | Uint16Array): string => (values instanceof Float32Array ? bitsText(values) : values.join());

function stepped(head: ClassifierHead, count: number): string[] {
  return Array.from({ length: count }, (_, step) => {
    const { loss, regularizer, perExample, gradEmbeddings, sampledClasses } = head.step(batch(step), labels);
    return [loss, regularizer, sampledClasses, bits(perExample), bits(gradEmbeddings.data)].join(' ');
  });
}

/** What can be seen of a head: what it carries, what it says of other rows, and its weights. */
function seen(head: ClassifierHead): string[] {
  const x = normalMatrix(3, dim, 9);
  const { classes: best, scores } = head.predict(x, { k: 4 });
  const { loss, gradEmbeddings, gradWeights, gradBias } = head.forwardBackward(batch(50), labels);
  return [
    JSON.stringify([head.margin, head.steps, head.bias && bits(head.bias)]),
    best.data.join(),
    bits(scores.data),
    bits(head.logits(x).data),
    [loss, bits(gradEmbeddings.data), bits(gradWeights.data), gradBias && bits(gradBias)].join(' '),
    bits(head.weights.data),
  ];
}

/** The same from a head on the device, and from the CPU's at every level. */
function expectBits(options: Options, run: (head: ClassifierHead) => readonly unknown[]): void {
  const device = run(onDevice(options));
  expect(fused.length).toBeGreaterThan(0);
  for (const isa of fused) {
    setIsa(isa);
    expect(device, isa).toEqual(run(make(options)));
  }
}

const margins: Record<string, Margin> = {
  softmax: hs.softmaxMargin(),
  'normalized softmax': hs.normalizedSoftmax({ temperature: 0.1 }),
  'L-Softmax': hs.lSoftmax({ m: 2, lambda: 1 }),
  'A-Softmax': hs.aSoftmax({ m: 3, lambda: 5 }),
  'A-Softmax of Caffe': hs.aSoftmax({ m: 3, gradient: 'caffe' }),
  CosFace: hs.cosFace({ s: 16, m: 0.2 }),
  ArcFace: hs.arcFace({ s: 16, m: 0.3 }),
  'combined margin': hs.combinedMargin({ m1: 1.1, m2: 0.2, m3: 0.1 }),
  'SphereFace-R': hs.sphereFaceR(),
  SphereFace2: hs.sphereFace2(),
  AdaFace: hs.adaFace(),
  MagFace: hs.magFace(),
  CurricularFace: hs.curricularFace(),
  'sub-centers': hs.subCenters(3, hs.arcFace({ s: 16, m: 0.3 })),
  SoftTriple: hs.softTriple({ k: 3 }),
  p2sGrad: hs.p2sGrad(),
};

describe.each(Object.entries(margins))('%s', (_name, margin) => {
  // Sanitized runs take the first alone.
  const all = { momentum, plain: hs.sgd({ learningRate: 0.2, momentum: 0 }), adaGrad: hs.adaGrad({ learningRate: 0.05 }) };
  it.each(Object.entries(all).slice(0, mostRows === Infinity ? undefined : 1))(
    '%s: six steps, and what is seen after them',
    (_kind, optimizer) => {
      expectBits({ margin, optimizer }, (head) => [...stepped(head, 6), ...seen(head)]);
    },
  );
});

const margin = hs.arcFace({ s: 16, m: 0.3 });
const kinds: Record<string, Options> = {
  sampled: { margin, sampleRate: 0.4 },
  'sampled sub-centers': { margin: hs.subCenters(2, margin), sampleRate: 0.4 },
  'in bfloat16': { margin, precision: 'bfloat16' },
  'in bfloat16, to nearest, by AdaGrad': { margin, precision: 'bfloat16', rounding: 'nearest', optimizer: hs.adaGrad() },
  'in bfloat16 and sampled': { margin, precision: 'bfloat16', sampleRate: 0.4 },
  'by waves of classes': { margin, classes: 300, workspaceBytes: 1 },
  'with a λ schedule': { margin: hs.lSoftmax({ m: 2 }), lambdaSchedule: { base: 4 } },
};

describe.each(Object.entries(kinds))('%s', (_name, options) => {
  it('six steps, and what is seen after them', () => {
    expectBits(options, (head) => [...stepped(head, 6), ...seen(head)]);
  });
  it('what is saved is what the CPU saves, and goes on as it on either', async () => {
    const paths = ['device', 'cpu'].map((name) => join(folder, name)) as [string, string];
    const heads = [onDevice(options), make(options)] as const;
    heads.forEach((head) => stepped(head, 3));
    await Promise.all(heads.map((head, i) => head.save(paths[i] as string)));
    expect(readFileSync(paths[0]).equals(readFileSync(paths[1]))).toBe(true);
    const loaded = [await ClassifierHead.load(paths[1], { device: 'cuda' }), await ClassifierHead.load(paths[0])] as const;
    const [kept, host, again, other] = [...heads, ...loaded].map((head) => [...stepped(head, 3), ...seen(head)]);
    for (const one of [kept, again, other]) expect(one).toEqual(host);
  });
  it('grows', () => {
    expectBits(options, (head) => {
      stepped(head, 2);
      head.grow((options.classes ?? classes) + 13);
      return [...stepped(head, 2), ...seen(head)];
    });
  });
});

describe('weights of the device', () => {
  it('are as they are now whenever they are asked for', () => {
    expectBits({ margin }, (head) =>
      [0, 1, 2].map((step) => {
        const before = bits(head.weights.data);
        head.step(batch(step), labels);
        return [before, bits(head.weights.data)];
      }),
    );
  });

  it.each(['float32', 'bfloat16'] as const)('%s: what is written to them the next call uses, whichever it is', (precision) => {
    const written = (head: ClassifierHead): void => {
      const { data } = head.weights;
      for (let i = 0; i < data.length; i += 3) data[i] = data[data.length - 1 - i] as number;
    };
    const x = normalMatrix(3, dim, 9);
    const calls: ((head: ClassifierHead) => unknown)[] = [
      (head) => stepped(head, 1),
      (head) => bits(head.logits(x).data),
      (head) => bits(head.predict(x, { k: 3 }).scores.data),
      (head) => bits(head.forwardBackward(batch(1), labels).gradWeights.data),
      (head) => head.grow(head.classes + 2),
    ];
    for (const call of calls) {
      expectBits({ margin, precision }, (head) => {
        stepped(head, 1);
        written(head);
        return [call(head), ...stepped(head, 1), ...seen(head)];
      });
    }
  });

  it('are saved with what is written to them', async () => {
    const path = join(folder, 'written');
    const head = onDevice({ margin });
    (head.weights.data as Float32Array).fill(0.25);
    await head.save(path);
    const loaded = await ClassifierHead.load(path);
    expect((loaded.weights.data as Float32Array).every((w) => w === 0.25)).toBe(true);
    expect((head.weights.data as Float32Array).every((w) => w === 0.25)).toBe(true);
  });

  it('are one array until the next call, and a copy of what was after it', () => {
    const head = onDevice({ margin });
    const { data: array } = head.weights;
    expect(head.weights.data).toBe(array);
    const before = bits(array);
    head.step(batch(0), labels);
    expect(bits(array)).toBe(before);
    expect(bits(head.weights.data)).not.toBe(before);
  });

  it('are missed where they have been transferred away, and only until they are back', () => {
    const head = onDevice({ margin });
    const { data: array } = head.weights;
    const missing = structuredClone(array, { transfer: [array.buffer as ArrayBuffer] });
    expect(() => head.step(batch(0), labels)).toThrow(expect.objectContaining({ code: 'ERR_DETACHED', argument: 'head.weights' }));
    expect(missing.length).toBe(classes * dim);
  });

  it('share no memory with a result', () => {
    const head = onDevice({ margin, classes: rows });
    const own = head.weights as hs.Matrix;
    expect(() =>
      head.step(
        batch(0),
        labels.map((c) => Math.abs(c % rows)),
        { out: { gradEmbeddings: own } },
      ),
    ).toThrow(expect.objectContaining({ code: 'ERR_ALIAS' }));
  });
});

describe('where a head is', () => {
  const serves = (run: () => unknown): string[] => {
    resetServed();
    run();
    return servedBy();
  };
  it('its option says, whoever serves', () => {
    const device = onDevice({ margin });
    expect(serves(() => device.step(batch(0), labels))).toEqual(['cuda']);
    setBackend('ts');
    expect(serves(() => device.predict(batch(0)))).toEqual(['cuda']);
    setBackend('cuda');
    expect(serves(() => make({ margin, device: 'cpu' }).step(batch(0), labels))).toEqual(['native']);
    expect(serves(() => make({ margin }).step(batch(0), labels))).toEqual(['cuda']);
    expect(() => make({ margin, device: 'gpu' as never })).toThrow(expect.objectContaining({ argument: 'options.device' }));
  });
});

describe('shards on one device', () => {
  const training = (device: string) => `
    ${data}
    return ${JSON.stringify([common, { ...common, sampleRate: 0.5 }, { ...common, precision: 'bfloat16' }])}.map((options) => {
      const head = new hs.ClassifierHead({ ...options, collective, ${device} });
      const { gradWeights } = head.forwardBackward(mine, own);
      const steps = [1, 2, 3].map(() => head.step(mine, own));
      const { classes, scores } = head.predict(mine, { k: 4 });
      const logits = head.logits(mine);
      head.grow(14);
      const after = head.step(mine, own);
      return [gradWeights.data, ...[...steps, after].flatMap(({ loss, perExample, gradEmbeddings }) => [[loss], perExample, gradEmbeddings.data]),
        classes.data, scores.data, logits.data, head.weights.data].map((part) => Array.from(part));
    });`;
  it('are the shards of the CPU', async () => {
    const env = { HYPERSPHERE_BACKEND: 'native', HYPERSPHERE_CUDA_DRIVER: driver };
    const [device, cpu] = await Promise.all([runRanks(2, training("device: 'cuda'"), { env }), runRanks(2, training(''), { env })]);
    expect(device).toHaveLength(2);
    expect(JSON.stringify(device)).not.toContain('"code"');
    expect(device).toEqual(cpu);
  });
});
