// What a head refuses that is no matter of one number's range, and that it is as it was after every refusal.
import { expect, it } from 'vitest';
import * as hs from '../../lib/index.js';
import { ClassifierHead } from '../../lib/index.js';
import { normalMatrix } from '../helpers/data.js';

const x = normalMatrix(4, 3, 1);
const labels = Int32Array.of(0, 1, 0, 1);
const base = { classes: 2, dim: 3, margin: hs.cosFace() };
const make = (options: object): ClassifierHead => new ClassifierHead({ ...base, ...options });
const lone: hs.Collective = { rank: 0, size: 1, allReduce: () => {}, allGather: (data) => data, reduceScatter: (data) => data };

const cases: [name: string, code: string, argument: string, run: () => unknown][] = [
  ['no margin', 'ERR_TYPE', 'options.margin', () => make({ margin: undefined })],
  ['an unknown margin', 'ERR_OPTION_RANGE', 'options.margin.kind', () => make({ margin: { kind: 'arcface' } })],
  ['a broken margin', 'ERR_OPTION_RANGE', 'options.margin.s', () => make({ margin: { ...hs.arcFace(), s: -1 } })],
  ['an optimizer that is none', 'ERR_TYPE', 'options.optimizer', () => make({ optimizer: 'sgd' })],
  ['an unknown optimizer', 'ERR_OPTION_RANGE', 'options.optimizer.kind', () => make({ optimizer: { kind: 'adam' } })],
  ['a broken optimizer', 'ERR_OPTION_RANGE', 'options.optimizer.momentum', () => make({ optimizer: { ...hs.sgd(), momentum: 2 } })],
  ['an option of another optimizer', 'ERR_OPTION_RANGE', 'options.optimizer.eps', () => make({ optimizer: { ...hs.sgd(), eps: 1 } })],
  ['a misspelt option', 'ERR_OPTION_RANGE', 'options.samplingRate', () => make({ samplingRate: 0.1 })],
  ['rounding of float32', 'ERR_OPTION_RANGE', 'options.rounding', () => make({ rounding: 'nearest' })],
  ['a λ schedule without λ', 'ERR_OPTION_RANGE', 'options.lambdaSchedule', () => make({ lambdaSchedule: {} })],
  ['a λ schedule that is none', 'ERR_TYPE', 'options.lambdaSchedule', () => make({ margin: hs.lSoftmax(), lambdaSchedule: 1 })],
  [
    'a broken λ schedule',
    'ERR_OPTION_RANGE',
    'options.lambdaSchedule.gamma',
    () => make({ margin: hs.lSoftmax(), lambdaSchedule: { gamma: -1 } }),
  ],
  [
    'more rows than can be numbered',
    'ERR_OPTION_RANGE',
    'options.classes',
    () => make({ classes: 2 ** 30, margin: hs.subCenters(3, hs.arcFace()) }),
  ],
  ['more memory than there is', 'ERR_OUT_OF_MEMORY', 'options.classes', () => make({ classes: 2 ** 31 - 1, dim: 2 ** 20 })],
  [
    'more bfloat16 than there is',
    'ERR_OUT_OF_MEMORY',
    'options.classes',
    () => make({ classes: 2 ** 31 - 1, dim: 2 ** 20, precision: 'bfloat16' }),
  ],
  ['a part without the others', 'ERR_OPTION_RANGE', 'options.shard', () => make({ shard: { from: 0, to: 1 } })],
  ['an empty shard', 'ERR_OPTION_RANGE', 'options.shard.to', () => make({ shard: { from: 1, to: 1 }, collective: lone })],
  ['a shard beyond the classes', 'ERR_OPTION_RANGE', 'options.shard.to', () => make({ shard: { from: 0, to: 3 }, collective: lone })],
  ['a shard that is none', 'ERR_TYPE', 'options.shard', () => make({ shard: 1 })],
  ['a collective that is none', 'ERR_TYPE', 'options.collective', () => make({ collective: { rank: 0, size: 1 } })],
  ['a rank beyond the size', 'ERR_OPTION_RANGE', 'options.collective.rank', () => make({ collective: { ...lone, rank: 1 } })],
  ['fewer classes', 'ERR_OPTION_RANGE', 'classes', () => make({}).grow(1)],
  ['half a class', 'ERR_OPTION_RANGE', 'classes', () => make({}).grow(2.5)],
  ['no number of classes', 'ERR_TYPE', 'classes', () => make({}).grow('3' as never)],
  [
    'an unknown output',
    'ERR_OPTION_RANGE',
    'options.out.gradWeights',
    () => make({}).step(x, labels, { out: { gradWeights: x } as never }),
  ],
  ['a gradient over x', 'ERR_ALIAS', 'options.out.gradEmbeddings', () => make({}).step(x, labels, { out: { gradEmbeddings: x } })],
];

it.each(cases)('%s', (_name, code, argument, run) => {
  expect(run).toThrow(expect.objectContaining({ code, argument }));
});

it('says of a head too large for one array that shards are the way', () => {
  for (const precision of ['float32', 'bfloat16'])
    expect(() => make({ classes: 2 ** 31 - 1, dim: 2 ** 20, precision })).toThrow(/in one array.*shards/);
});

it('refuses its bias as output of the step that moves it', () => {
  const head = make({ dim: 1, margin: hs.sphereFace2() });
  const bias = head.bias as Float32Array;
  const before = bias.slice();
  const one = normalMatrix(1, 1, 1);
  expect(() => head.step(one, [0], { out: { gradEmbeddings: { data: bias, shape: [1, 1] } } })).toThrow(
    expect.objectContaining({ code: 'ERR_ALIAS' }),
  );
  expect(bias).toEqual(before);
});

it.each(['weights', 'bias'] as const)('names its %s when they were transferred, whatever is asked', async (name) => {
  const head = make({ margin: hs.sphereFace2() });
  const memory = name === 'bias' ? (head.bias as Float32Array) : head.weights.data;
  structuredClone(memory.buffer, { transfer: [memory.buffer as ArrayBuffer] });
  const lost = expect.objectContaining({ code: 'ERR_DETACHED', argument: `head.${name}` });
  const calls = [
    () => head.step(x, labels),
    () => head.forwardBackward(x, labels),
    () => head.logits(x),
    () => head.predict(x),
    () => head.grow(3),
  ];
  for (const call of calls) expect(call).toThrow(lost);
  await expect(head.save('nowhere')).rejects.toEqual(lost);
});

it('refuses its own weights as input or output of what moves or reads them', () => {
  const head = make({ classes: 4 });
  const own = { data: head.weights.data as Float32Array, shape: [4, 3] as const };
  const before = own.data.slice();
  const alias = expect.objectContaining({ code: 'ERR_ALIAS' });
  expect(() => head.step(own, labels)).toThrow(alias);
  expect(() => head.step(x, labels, { out: { gradEmbeddings: own } })).toThrow(alias);
  expect(() => head.forwardBackward(x, labels, { out: { gradWeights: own } })).toThrow(alias);
  expect(own.data).toEqual(before);
  // Reading them twice harms nobody.
  expect(head.predict(own).classes.shape).toEqual([4, 1]);
});

it('is gone after dispose, whatever is asked', async () => {
  let kept: ClassifierHead;
  {
    using head = make({});
    kept = head;
    head.step(x, labels);
  }
  const gone = expect.objectContaining({ code: 'ERR_DETACHED', argument: 'head' });
  const calls = [
    () => kept.step(x, labels),
    () => kept.forwardBackward(x, labels),
    () => kept.logits(x),
    () => kept.predict(x),
    () => kept.grow(3),
    () => kept.weights,
    () => kept.margin,
    () => kept.classes,
  ];
  for (const call of calls) expect(call).toThrow(gone);
  await expect(kept.save('anywhere')).rejects.toMatchObject({ code: 'ERR_DETACHED' });
  kept.dispose();
});

it('ignores what is marked so: a batch of nothing else has loss 0 and moves by decay and momentum alone', () => {
  const head = make({ optimizer: hs.sgd({ momentum: 0 }) });
  const before = (head.weights.data as Float32Array).slice();
  const { loss, gradEmbeddings, perExample } = head.step(x, Int32Array.of(-100, -100, -100, -100));
  expect([loss, ...gradEmbeddings.data, ...perExample]).toEqual(new Array(17).fill(0));
  expect(head.weights.data).toEqual(before);
  const none = head.step(hs.matrix(new Float32Array(0), 3), []);
  expect([none.loss, none.gradEmbeddings.shape]).toEqual([0, [0, 3]]);
});
