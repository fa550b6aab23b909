import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { ClassifierHead, type ClassifierHeadOptions } from '../../lib/index.js';
import { SafetensorsFile } from '../../lib/safetensors.js';
import { normalMatrix } from '../helpers/data.js';

const folder = mkdtempSync(join(tmpdir(), 'hypersphere-head-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'head.safetensors');

const [classes, dim] = [12, 4];
const x = normalMatrix(5, dim, 1);
const labels = Int32Array.of(0, 11, 4, 4, 7);

const heads: Record<string, Partial<ClassifierHeadOptions>> = {
  'float32 with momentum': { optimizer: hs.sgd({ weightDecay: 0.01 }) },
  'no optimizer state': { optimizer: hs.sgd({ momentum: 0 }) },
  'bfloat16, AdaGrad, sampled': { precision: 'bfloat16', optimizer: hs.adaGrad(), sampleRate: 0.5, seed: 2 ** 32 - 1 },
  'bfloat16 to the nearest': { precision: 'bfloat16', rounding: 'nearest' },
  'an annealed λ': { margin: hs.lSoftmax({ m: 2 }), lambdaSchedule: { base: 50, lambdaMin: 0 } },
  'the state of AdaFace': { margin: hs.adaFace({ tAlpha: 0.3 }) },
  'the state of CurricularFace': { margin: hs.curricularFace({ momentum: 0.3 }) },
  'the state of CurricularFace over sub-centers': { margin: hs.subCenters(2, hs.curricularFace({ momentum: 0.3 })) },
  'sub-centers': { margin: hs.subCenters(3, hs.arcFace({ s: 16 })) },
  'the bias of SphereFace2': { margin: hs.sphereFace2() },
  'the bias of SphereFace2 and AdaGrad': { margin: hs.sphereFace2({ variant: 'A' }), optimizer: hs.adaGrad() },
};

describe('a saved head', () => {
  it.each(Object.entries(heads))('goes on with the same bits: %s', async (_name, options) => {
    const head = new ClassifierHead({ classes, dim, margin: hs.arcFace({ s: 16 }), ...options });
    for (let step = 0; step < 3; step++) head.step(x, labels);
    await head.save(path);
    const loaded = await ClassifierHead.load(path);
    expect(loaded.weights).toEqual(head.weights);
    expect([loaded.margin, loaded.classes, loaded.steps, loaded.shard, loaded.bias]).toEqual([
      head.margin,
      classes,
      3,
      { from: 0, to: classes },
      head.bias,
    ]);
    for (let step = 0; step < 3; step++) expect(loaded.step(x, labels)).toEqual(head.step(x, labels));
    expect(loaded.weights).toEqual(head.weights);
    loaded.grow(classes + 2);
    head.grow(classes + 2);
    expect(loaded.step(x, labels)).toEqual(head.step(x, labels));
    expect(loaded.weights).toEqual(head.weights);
  });

  it('shows that rows outside a sample keep their momentum, to the bit', async () => {
    const [many, rate] = [60, 0.2];
    const head = new ClassifierHead({ classes: many, dim, margin: hs.arcFace({ s: 16 }), sampleRate: rate });
    const stored = async (): Promise<Uint32Array[]> => {
      await head.save(path);
      const file = await SafetensorsFile.open(path);
      const [weights, momentum] = [new Float32Array(many * dim), new Float32Array(many * dim)];
      await file.read([
        { name: 'weights', into: weights },
        { name: 'momentum', into: momentum },
      ]);
      await file.close();
      return [new Uint32Array(weights.buffer), new Uint32Array(momentum.buffer)];
    };
    for (let step = 0; step < 4; step++) head.step(x, labels);
    const [weightsBefore, before] = (await stored()) as [Uint32Array, Uint32Array];
    head.step(x, labels);
    const [weightsAfter, after] = (await stored()) as [Uint32Array, Uint32Array];
    const changed = (a: Uint32Array, b: Uint32Array): number[] =>
      Array.from({ length: many }, (_, c) => c).filter((c) => a.subarray(c * dim, (c + 1) * dim).some((v, j) => v !== b[c * dim + j]));
    expect(changed(before, after)).toEqual(changed(weightsBefore, weightsAfter));
    expect(changed(before, after).length).toBe(12);
    // Some of the others had momentum to lose.
    const moving = Array.from({ length: many }, (_, c) => c).filter((c) => before.subarray(c * dim, (c + 1) * dim).some((v) => v !== 0));
    expect(moving.length).toBeGreaterThan(12);
  });

  it('cannot be moved while it is written, but read', async () => {
    const head = new ClassifierHead({ classes, dim, margin: hs.arcFace() });
    const saving = head.save(path);
    const busy = expect.objectContaining({ code: 'ERR_BUSY', argument: 'head' });
    expect(() => head.step(x, labels)).toThrow(busy);
    expect(() => head.grow(20)).toThrow(busy);
    expect(() => head.dispose()).toThrow(busy);
    head.predict(x);
    head.forwardBackward(x, labels);
    await head.save(join(folder, 'again'));
    await saving;
    head.step(x, labels);
    await expect(head.save(join(folder, 'no/folder/here'))).rejects.toMatchObject({ code: 'ENOENT' });
    head.step(x, labels);
  });

  it('stops when aborted, and leaves the file that was there', async () => {
    const head = new ClassifierHead({ classes, dim, margin: hs.arcFace() });
    await head.save(path);
    const before = readFileSync(path);
    head.step(x, labels);
    await expect(head.save(path, { signal: AbortSignal.abort(new Error('stop')) })).rejects.toThrow('stop');
    await expect(ClassifierHead.load(path, { signal: AbortSignal.abort(new Error('stop')) })).rejects.toThrow('stop');
    expect(readFileSync(path).equals(before)).toBe(true);
    head.step(x, labels);
  });

  it('refuses bad arguments', async () => {
    const head = new ClassifierHead({ classes, dim, margin: hs.arcFace() });
    await head.save(path);
    for (const bad of ['', 5, undefined]) {
      await expect(head.save(bad as never)).rejects.toMatchObject({ code: 'ERR_TYPE', argument: 'path' });
      await expect(ClassifierHead.load(bad as never)).rejects.toMatchObject({ code: 'ERR_TYPE', argument: 'path' });
    }
    await expect(head.save(path, { signal: 1 as never })).rejects.toMatchObject({ code: 'ERR_TYPE', argument: 'options.signal' });
    await expect(head.save(path, { fast: true } as never)).rejects.toMatchObject({ code: 'ERR_OPTION_RANGE', argument: 'options.fast' });
    await expect(ClassifierHead.load(path, { workspaceBytes: 0 })).rejects.toMatchObject({ argument: 'options.workspaceBytes' });
    await expect(ClassifierHead.load(path, { shard: { from: 0, to: 5 } })).rejects.toMatchObject({ argument: 'options.shard' });
    await expect(ClassifierHead.load(join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

type Header = Record<string, Record<string, unknown>>;

/** The saved head with its header changed, checksum made right again: what a hostile writer could make. */
function forged(change: (header: Header) => void): void {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length));
  header.__metadata__.crc32 = '00000000';
  change(header);
  const body = bytes.subarray(8 + length);
  const text = Buffer.from(JSON.stringify(header));
  const crc = crc32(body, crc32(text)).toString(16).padStart(8, '0');
  const at = text.indexOf('00000000');
  if (at >= 0) text.write(crc, at);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(join(folder, 'forged'), Buffer.concat([prefix, text, body]));
}

describe('a forged head', () => {
  const metadata = (name: string, value: unknown) => (header: Header) => {
    Object.assign(header['__metadata__'] as object, { [name]: value });
  };
  const changes: [string, (header: Header) => void][] = [
    ['another kind', metadata('kind', 'pt')],
    ['another version', metadata('version', '2')],
    ['no margin', metadata('margin', undefined)],
    ['a margin that is no JSON', metadata('margin', '{')],
    ['an unknown margin', metadata('margin', '{"kind": "constructor"}')],
    ['a margin out of range', metadata('margin', '{"kind": "arcFace", "s": -1}')],
    ['more centers than rows', metadata('margin', '{"kind":"subCenters","k":5,"margin":{"kind":"arcFace"}}')],
    ['an unknown optimizer', metadata('optimizer', '{"kind": "adam"}')],
    ['an optimizer with other state', metadata('optimizer', '{"kind": "adaGrad"}')],
    ['an optimizer without state', metadata('optimizer', '{"kind": "sgd", "momentum": 0}')],
    ['more classes than rows, by the trillion', metadata('to', '4000000000000')],
    ['other classes', metadata('classes', '11')],
    ['negative classes', metadata('from', '-1')],
    ['no step', metadata('step', '-1')],
    ['a fractional step', metadata('step', '1.5')],
    ['a step that is no number', metadata('step', '{}')],
    ['a seed out of range', metadata('seed', '-1')],
    ['a sample rate out of range', metadata('sampleRate', '2')],
    ['another precision', metadata('precision', 'bfloat16')],
    ['an unknown precision', metadata('precision', 'float16')],
    ['a λ schedule for a margin without λ', metadata('lambdaSchedule', '{"base": 1}')],
    [
      'another width',
      (header) => {
        for (const name of ['weights', 'momentum']) Object.assign(header[name] as object, { shape: [6, 8] });
      },
    ],
    [
      'a third dimension',
      (header) => {
        for (const name of ['weights', 'momentum']) Object.assign(header[name] as object, { shape: [12, 4, 1] });
      },
    ],
    [
      'a renamed tensor',
      (header) => {
        Object.assign(header, { velocity: header['momentum'] });
        delete header['momentum'];
      },
    ],
    ['bfloat16 weights of float32 length', (header) => Object.assign(header['weights'] as object, { dtype: 'BF16', shape: [12, 8] })],
  ];
  it.each(changes)('%s', async (_name, change) => {
    const head = new ClassifierHead({ classes, dim, margin: hs.arcFace() });
    await head.save(path);
    forged(change);
    await expect(ClassifierHead.load(join(folder, 'forged'))).rejects.toMatchObject({ code: 'ERR_FORMAT' });
  });

  it('nothing forged: it loads', async () => {
    const head = new ClassifierHead({ classes, dim, margin: hs.arcFace() });
    await head.save(path);
    forged(() => {});
    expect((await ClassifierHead.load(join(folder, 'forged'))).weights).toEqual(head.weights);
  });
});

it('loads a shard of a file beyond 4 GiB without holding the rest', async () => {
  // Sparse, with momentum off: 2³⁰ + 2²⁰ weights, all zero but those of the last class.
  const [wide, many] = [1024, 2 ** 20 + 1024];
  const head = new ClassifierHead({ classes: 2, dim: wide, margin: hs.arcFace(), optimizer: hs.sgd({ momentum: 0 }) });
  await head.save(path);
  const bytes = 4 * wide * many;
  const last = Buffer.from(Float32Array.from({ length: wide }, (_, i) => i + 1).buffer);
  let crc = 0;
  const zeros = Buffer.alloc(2 ** 24);
  const saved = readFileSync(path);
  const header = JSON.parse(saved.toString('utf8', 8, 8 + Number(saved.readBigUInt64LE())));
  Object.assign(header.__metadata__, { crc32: '00000000', classes: `${many}`, to: `${many}` });
  Object.assign(header.weights, { shape: [many, wide], data_offsets: [0, bytes] });
  const text = Buffer.from(JSON.stringify(header));
  crc = crc32(text);
  for (let left = bytes - last.length; left > 0; left -= zeros.length) crc = crc32(zeros.subarray(0, Math.min(left, zeros.length)), crc);
  text.write(crc32(last, crc).toString(16).padStart(8, '0'), text.indexOf('00000000'));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  const file = await open(path, 'w');
  await file.truncate(8 + text.length + bytes);
  await file.write(Buffer.concat([prefix, text]), 0, 8 + text.length, 0);
  await file.write(last, 0, last.length, 8 + text.length + bytes - last.length);
  await file.close();
  const { size, blocks } = statSync(path);
  expect(size).toBeGreaterThan(2 ** 32);
  expect(blocks * 512).toBeLessThan(2 ** 24);
  // As the last of two ranks; the other one only agrees.
  const collective: hs.Collective = {
    rank: 1,
    size: 2,
    allReduce: () => {},
    allGather: (data) => {
      const all = new (data.constructor as Float64ArrayConstructor)(2 * data.length);
      all.set(data as Float64Array, data.length);
      all.set(data as Float64Array);
      if (data.length > 2) all.set([0, many - 2], data.length - 2);
      return all as never;
    },
    reduceScatter: (data) => data,
  };
  const loaded = await ClassifierHead.load(path, { collective, shard: { from: many - 2, to: many } });
  rmSync(path);
  const { data, shape } = loaded.weights;
  expect(shape).toEqual([2, wide]);
  expect(data.subarray(0, wide).every((v) => v === 0)).toBe(true);
  expect(Buffer.from(data.buffer, 4 * wide).equals(last)).toBe(true);
}, 120_000);
