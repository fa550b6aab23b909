// Centers, softmax and heads on the device, through the public functions: the CPU's bits at each of its levels with fused multiply-add.
import { afterAll, describe, expect, it } from 'vitest';
import { resetServed, servedBy } from '../../lib/backend.js';
import { floatsOf, opCases, opInputs } from '../../lib/cli/op-cases.js';
import { arcFace, ClassifierHead, type ClassifierHeadOptions, cosFace, lSoftmax, setBackend, setIsa, sgd } from '../../lib/index.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';
import { levels } from '../helpers/native.js';
import { bitsText } from '../helpers/tolerance.js';

const fused = levels.filter((isa) => isa !== 'baseline');
afterAll(() => setIsa(levels.at(-1) as never));

/** The same text from the device, alone, and from the CPU at every level. */
function expectBits(run: () => string, host?: 'native'): void {
  setBackend('cuda');
  resetServed();
  const device = run();
  // Rounding to bfloat16 is the host's, where the weights are.
  expect(servedBy().filter((name) => name !== host)).toEqual(['cuda']);
  setBackend('native');
  expect(fused.length).toBeGreaterThan(0);
  for (const isa of fused) {
    setIsa(isa);
    expect(run() === device, isa).toBe(true);
  }
}

const text = (values: Float32Array | Float64Array): string =>
  values instanceof Float32Array ? bitsText(values) : Buffer.from(values.buffer).toString('base64');

const names = Object.keys(opCases).filter((name) => /^(softmax|linearCross|marginSoftmax|centerLoss|updateCenters)/.test(name));

describe.each(names)('%s', (name) => {
  it.each([
    [1, 3, 2],
    [17, 40, 9],
    [33, 20, 150],
  ])('[%i, %i] with %i classes', (rows, dim, classes) => {
    const inputs = opInputs(rows, dim, classes, 3);
    expectBits(() => {
      const found = floatsOf((opCases[name] as (typeof opCases)[string])(inputs));
      expect(found.size).toBeGreaterThan(0);
      return [...found].map(([output, values]) => `${output} ${text(values)}`).join('\n');
    });
  });
});

const heads: Record<string, Partial<ClassifierHeadOptions>> = {
  'arcFace with momentum and decay': {
    margin: arcFace({ s: 16, m: 0.3 }),
    optimizer: sgd({ learningRate: 0.1, momentum: 0.9, weightDecay: 1e-3 }),
  },
  'cosFace, sampled': { margin: cosFace({ s: 16, m: 0.2 }), sampleRate: 0.3 },
  'arcFace in bfloat16': { margin: arcFace({ s: 16, m: 0.3 }), precision: 'bfloat16' },
  'lSoftmax with a λ schedule': { margin: lSoftmax({ m: 2 }), lambdaSchedule: { base: 4 } },
};

describe('ClassifierHead', () => {
  it.each(Object.entries(heads))('%s: three steps and a prediction', (_name, options) => {
    const [rows, dim, classes] = [12, 24, 70];
    const labels = cyclicLabels(rows, classes);
    expectBits(
      () => {
        const head = new ClassifierHead({
          classes,
          dim,
          seed: 5,
          optimizer: sgd({ learningRate: 0.1 }),
          ...options,
        } as ClassifierHeadOptions);
        const parts: string[] = [];
        for (let step = 0; step < 3; step++) {
          const { loss, perExample, gradEmbeddings } = head.step(normalMatrix(rows, dim, step), labels);
          parts.push(String(loss), text(perExample), text(gradEmbeddings.data));
        }
        const { classes: best, scores } = head.predict(normalMatrix(4, dim, 9), { k: 3 });
        return [...parts, best.data.join(), text(scores.data)].join('\n');
      },
      options.precision === 'bfloat16' ? 'native' : undefined,
    );
  });
});
