// The losses over a labelled batch through the public functions: on the device, with the CPU's bits at each of its levels with fused
// multiply-add; on a device that is full, an error before anything is written.
import { afterAll, describe, expect, it } from 'vitest';
import { resetServed, servedBy } from '../../lib/backend.js';
import { batchContrastiveLoss, CrossBatchMemory, setBackend, setIsa } from '../../lib/index.js';
import { type BatchLoss, batchLosses } from '../helpers/batch-losses.js';
import { cyclicLabels, normalMatrix } from '../helpers/data.js';
import { onDevice } from '../helpers/device.js';
import { levels } from '../helpers/native.js';
import { bitsText } from '../helpers/tolerance.js';

const fused = levels.filter((isa) => isa !== 'baseline');
afterAll(() => setIsa(levels.at(-1) as never));

const contrastive: BatchLoss[] = (['euclidean', 'snr'] as const).map((distance) => ({
  name: `batchContrastiveLoss, ${distance}`,
  needs: 'pairs',
  unit: false,
  run: (x, y, o) => batchContrastiveLoss(x, y, { ...o, distance, normalize: false, negMargin: 3, reduction: 'meanPositive' }),
}));
const all = [...batchLosses, ...contrastive];

type Result = ReturnType<BatchLoss['run']>;
const bits = ({ loss, perExample, gradEmbeddings, gradBeta }: Result): unknown => [
  loss,
  ...[perExample, gradEmbeddings?.data, gradBeta].map((values) => values && bitsText(values)),
];

function resultsBy(backend: 'cuda' | 'native', run: () => Result): unknown {
  setBackend(backend);
  return bits(run());
}

describe.each(all)('$name', ({ run }) => {
  const [x, labels] = [normalMatrix(14, 6, 1), cyclicLabels(14, 5)];
  const memory = new CrossBatchMemory({ capacity: 8, dim: 6 });
  memory.enqueue(normalMatrix(8, 6, 2), cyclicLabels(8, 6));
  it.each<[string, object]>([
    ['beside a memory', { memory } as object],
    ['without gradients', { gradients: false }],
  ])('%s has the bits of the CPU', (_name, options) => {
    setBackend('cuda');
    resetServed();
    const device = bits(run(x, labels, options));
    expect(servedBy()).toEqual(['cuda']);
    for (const isa of fused) {
      setIsa(isa);
      expect(
        resultsBy('native', () => run(x, labels, options)),
        isa,
      ).toEqual(device);
    }
  });
});

describe('a full device', () => {
  it('is an error at each of its allocations, before anything is written, and the next call finds it as it was', async () => {
    const told = await onDevice(
      `const [x, labels] = [rows(24, 6), Int32Array.from({ length: 24 }, (_, i) => i % 5)];
      const gradEmbeddings = hs.matrix(new Float32Array(24 * 6).fill(7), 6);
      const run = () => hs.liftedStructureLoss(x, labels, { normalize: false, out: { gradEmbeddings } });
      // Blocks that are kept for the next call would be no allocations: one that is too large for the device makes it let go of them.
      const [failures, huge] = [[], rows(2100, 512)];
      for (let at = 1; at < 100; at++) {
        attempt(() => hs.normalize(huge));
        process.env.HYPERSPHERE_SIMT_FULL = String(at);
        const end = attempt(run);
        delete process.env.HYPERSPHERE_SIMT_FULL;
        if (end.code === undefined) break;
        failures.push({ ...end, untouched: gradEmbeddings.data.every((value) => value === 7) });
      }
      const { loss } = run();
      tell({ failures, loss, expected: on('native', run).loss });`,
      { MEMORY: 2 ** 22 },
    );
    expect(told.failures.length).toBeGreaterThan(15);
    for (const failure of told.failures) expect(failure).toMatchObject({ code: 'ERR_OUT_OF_MEMORY', argument: 'device', untouched: true });
    expect(told.loss).toBe(told.expected);
  });
});
