// Centers that stay on the device are the CPU's to the bit, over updates and whatever is asked for between them.
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { resetServed, servedBy } from '../../lib/backend.js';
import { Centers, type CentersOptions, type Matrix, setBackend, setIsa } from '../../lib/index.js';
import { normalMatrix } from '../helpers/data.js';
import { levels } from '../helpers/native.js';
import { bitsText } from '../helpers/tolerance.js';

const fused = levels.filter((isa) => isa !== 'baseline');
afterAll(() => setIsa(levels.at(-1) as never));
beforeEach(() => setBackend('native'));

const [rows, dim, classes] = [11, 130, 6];
const labels = Int32Array.from({ length: rows }, (_, i) => (i * i) % 5);
const batch = (step: number): Matrix => normalMatrix(rows, dim, step);

const make = (device: CentersOptions['device'], alpha = 0.5): Centers => new Centers({ classes, dim, alpha, device } as CentersOptions);

/** Two updates and the loss of other rows after each. */
function moved(centers: Centers): string[] {
  return [0, 1].flatMap((step) => {
    centers.update(batch(step), labels);
    const { loss, perExample, gradEmbeddings, gradCenters } = centers.loss(batch(step + 9), labels, {
      gradCenters: true,
      reduction: 'mean',
    });
    return [String(loss), ...[perExample, gradEmbeddings.data, (gradCenters as Matrix).data].map(bitsText)];
  });
}

function expectBits(run: (centers: Centers) => readonly string[]): void {
  const device = run(make('cuda'));
  expect(fused.length).toBeGreaterThan(0);
  for (const isa of fused) {
    setIsa(isa);
    expect(device, isa).toEqual(run(make(undefined)));
  }
}

const written = ({ matrix: { data } }: Centers): void => {
  for (let i = 0; i < data.length; i += 3) data[i] = (data[i] as number) + Math.sin(i);
};

describe('centers on the device', () => {
  it('have the bits of the CPU over updates', () => {
    expectBits((centers) => [...moved(centers), bitsText(centers.matrix.data)]);
  });

  it('use what is written to them in the next call, whichever it is', () => {
    for (const call of [(centers: Centers) => centers.loss(batch(3), labels), (centers: Centers) => centers.update(batch(3), labels)]) {
      expectBits((centers) => {
        moved(centers);
        written(centers);
        written(centers);
        call(centers);
        return [...moved(centers), bitsText(centers.matrix.data)];
      });
    }
  });

  it('are one array until the next call, and a copy of what was after it', () => {
    const centers = make('cuda');
    const { data } = centers.matrix;
    expect(centers.matrix.data).toBe(data);
    centers.update(batch(0), labels);
    expect(data.every((value) => value === 0)).toBe(true);
    expect(centers.matrix.data.every((value) => value === 0)).toBe(false);
  });

  it('refuse what the CPU refuses, and share no memory with a result', () => {
    const calls: ((centers: Centers) => unknown)[] = [
      (centers) => centers.loss(normalMatrix(rows, dim + 1, 1), labels),
      (centers) =>
        centers.loss(
          batch(0),
          labels.map((c) => c + 5),
        ),
      (centers) => centers.update(batch(0), labels.subarray(1)),
      (centers) =>
        centers.update(
          batch(0),
          labels.map((c) => c - 1),
        ),
      (centers) => centers.loss(batch(0), labels, { reduction: 'sum' as never }),
      (centers) => centers.loss(batch(0), labels, { gradCenters: true, out: { gradCenters: centers.matrix } }),
      (centers) => centers.update(centers.matrix, labels.subarray(0, classes)),
    ];
    const outcome = (centers: Centers, call: (typeof calls)[number]): unknown => {
      try {
        call(centers);
        return 'went through';
      } catch (error) {
        return [(error as { code: string }).code, (error as { argument: string }).argument];
      }
    };
    for (const call of calls) {
      const device = outcome(make('cuda'), call);
      expect(device).toEqual([expect.stringMatching(/^ERR_/), expect.any(String)]);
      expect(device).toEqual(outcome(make(undefined), call));
    }
  });

  it('are where their option says, whoever serves', () => {
    const serves = (device: CentersOptions['device']): string[] => {
      const centers = make(device);
      resetServed();
      centers.update(batch(0), labels);
      centers.loss(batch(0), labels);
      return servedBy();
    };
    expect(serves('cuda')).toEqual(['cuda']);
    setBackend('cuda');
    expect(serves('cpu')).toEqual(['native']);
    expect(serves(undefined)).toEqual(['cuda']);
    expect(() => make('gpu' as never)).toThrow(expect.objectContaining({ argument: 'options.device' }));
  });

  it.each(['cuda', 'cpu', undefined] as const)('%s: are gone after dispose, which may come twice', (device) => {
    const centers = make(device);
    {
      using one = centers;
      one.update(batch(0), labels);
    }
    centers.dispose();
    for (const call of [() => centers.loss(batch(0), labels), () => centers.update(batch(0), labels), () => centers.matrix])
      expect(call).toThrow(expect.objectContaining({ code: 'ERR_DETACHED', argument: 'centers' }));
  });
});
