// How every op treats the memory it is given: views of all kinds are read as they are, buffers that went away are a typed
// error, and an error leaves every buffer as it was, to the bit.
import { describe, expect, it } from 'vitest';
import { HypersphereError, type Matrix, matrix } from '../../lib/index.js';
import { normalMatrix } from '../helpers/data.js';
import { type Entry, entries, numbersOf } from '../helpers/entries.js';
import { onBothBackends } from '../helpers/native.js';

type Shape = readonly [rows: number, cols: number];
type Kind = (values: Float32Array) => Float32Array;

function over(buffer: ArrayBufferLike, offset: number, values: Float32Array): Float32Array {
  const view = new Float32Array(buffer, offset, values.length);
  view.set(values);
  return view;
}

const bytes = (values: Float32Array): number => values.length * 4;
const kinds: Record<string, Kind> = {
  'subarrays at odd offsets': (v) => over(new ArrayBuffer(bytes(v) + 28), 12, v),
  'shared memory': (v) => over(new SharedArrayBuffer(bytes(v) + 4), 4, v),
  'resizable buffers': (v) => over(new ArrayBuffer(bytes(v), { maxByteLength: 2 * bytes(v) }), 0, v),
  'length-tracking views': (v) => {
    const view = new Float32Array(new ArrayBuffer(bytes(v), { maxByteLength: 2 * bytes(v) }));
    view.set(v);
    return view;
  },
};

function detach(view: Float32Array): void {
  structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] });
}

const plainInputs = (entry: Entry): Record<string, Matrix> =>
  Object.fromEntries(Object.entries(entry.inputs).map(([name, [rows, cols]], i) => [name, normalMatrix(rows, cols, i + 1)]));

interface Call {
  readonly inputs: Record<string, Matrix>;
  readonly options: { out?: unknown };
  /** The memory of every input and of every output. */
  readonly ins: Float32Array[];
  readonly outs: Float32Array[];
}

/** A call of the entry whose outputs hold a mark, so that a single written element shows. */
function callOf(entry: Entry, kind: Kind = (v) => v): Call {
  const inputs = Object.fromEntries(
    Object.entries(plainInputs(entry)).map(([name, { data, shape }]) => [name, { data: kind(data), shape }] as const),
  );
  const outs: Float32Array[] = [];
  const output = ([rows, cols]: Shape): Matrix => {
    const data = kind(new Float32Array(rows * cols).fill(7));
    outs.push(data);
    return { data, shape: [rows, cols] };
  };
  const { out } = entry;
  const given = Array.isArray(out) ? output(out as never) : out && Object.fromEntries(Object.entries(out).map(([k, s]) => [k, output(s)]));
  const ins = Object.values(inputs).map(({ data }) => data);
  return { inputs, ins, outs, options: { ...entry.options, ...(given && { out: given }) } };
}

const run = async (entry: Entry, { inputs, options }: Pick<Call, 'inputs' | 'options'>) => entry.run(inputs, options as never);

// A detached view has no iterator, and its own length is not to be trusted (see isDetached in lib/checks.ts).
const snapshot = (view: Float32Array): number[] => (view.buffer.byteLength > 0 && view.length > 0 ? [...view] : []);

/** Runs a call that must fail as described, and checks that no buffer was touched. */
async function refused(entry: Entry, call: Call, code: string, argument?: RegExp): Promise<void> {
  const before = call.ins.map(snapshot);
  const error = await run(entry, call).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error, 'an error').toBeInstanceOf(HypersphereError);
  expect((error as HypersphereError).code, String(error)).toBe(code);
  if (argument) expect((error as HypersphereError).argument).toMatch(argument);
  for (const out of call.outs) expect(out.every((value) => value === 7)).toBe(true);
  // What was detached or shrunk on the way has nothing left to compare.
  call.ins.forEach((data, i) => {
    const now = snapshot(data);
    if (now.length === before[i]?.length) expect(now).toEqual(before[i]);
  });
}

onBothBackends('memory', () => {
  describe.each(entries)('$name', (entry) => {
    const names = Object.keys(entry.inputs);
    const pairs = names.flatMap((first) => names.filter((second) => second !== first).map((second) => [first, second] as const));
    const change = (call: Call, name: string, changed: object): Call => ({
      ...call,
      inputs: { ...call.inputs, [name]: { ...call.inputs[name], ...changed } as Matrix },
    });

    it.each(Object.entries(kinds))('reads and fills %s', async (_kind, kind) => {
      const expected = numbersOf(await run(entry, callOf(entry)));
      const call = callOf(entry, kind);
      expect(numbersOf(await run(entry, call))).toEqual(expected);
      for (const out of call.outs) expect(out.some((value) => value !== 7)).toBe(true);
    });

    it.each(names)('refuses a detached %s', async (name) => {
      const call = callOf(entry);
      detach((call.inputs[name] as Matrix).data);
      await refused(entry, call, 'ERR_DETACHED', new RegExp(`^${name}`));
    });

    it.each(names)('refuses a shrunk %s', async (name) => {
      for (const kind of [kinds['resizable buffers'], kinds['length-tracking views']]) {
        const call = callOf(entry, kind);
        ((call.inputs[name] as Matrix).data.buffer as ArrayBuffer).resize(4);
        await refused(entry, call, 'ERR_SHAPE', new RegExp(`^${name}`));
      }
    });

    it.each(names)('refuses a wrong %s', async (name) => {
      await refused(entry, change(callOf(entry), name, { data: new Float64Array(12) }), 'ERR_TYPE', new RegExp(`^${name}`));
      await refused(entry, change(callOf(entry), name, { data: undefined }), 'ERR_TYPE', new RegExp(`^${name}`));
      await refused(entry, change(callOf(entry), name, { shape: [2 ** 31, 2 ** 31] }), 'ERR_SHAPE', new RegExp(`^${name}`));
      await refused(entry, change(callOf(entry), name, { shape: [2 ** 53, 2 ** 53] }), 'ERR_SHAPE', new RegExp(`^${name}`));
      await refused(entry, change(callOf(entry), name, { shape: [1.5, 8] }), 'ERR_SHAPE', new RegExp(`^${name}`));
    });

    it.each(names)('reads %s once', async (name) => {
      const expected = numbersOf(await run(entry, callOf(entry)));
      const call = callOf(entry);
      const { data, shape } = call.inputs[name] as Matrix;
      const reads = { data: 0, shape: 0 };
      const changing = {
        get data() {
          return reads.data++ === 0 ? data : new Float32Array(1);
        },
        get shape() {
          return reads.shape++ === 0 ? shape : [1, 1];
        },
      } as Matrix;
      call.inputs[name] = changing;
      const numbers = numbersOf(await run(entry, call)).slice(0, expected.length);
      // Where the input itself comes back, its own getters answer.
      if (entry.changes !== name) expect(numbers).toEqual(expected);
      expect(reads).toEqual(entry.changes === name ? { data: 2, shape: 2 } : { data: 1, shape: 1 });
    });

    it.each(pairs)('refuses a getter of %s that detaches or shrinks %s', async (first, second) => {
      for (const [kind, harm, code] of [
        [undefined, detach, 'ERR_DETACHED'],
        [kinds['length-tracking views'], (view: Float32Array) => (view.buffer as ArrayBuffer).resize(4), 'ERR_SHAPE'],
      ] as const) {
        const call = callOf(entry, kind);
        const victim = (call.inputs[second] as Matrix).data;
        const { data, shape } = call.inputs[first] as Matrix;
        const harmful = {
          shape,
          get data() {
            if (victim.buffer.byteLength > 4) harm(victim);
            return data;
          },
        };
        await refused(entry, { ...call, inputs: { ...call.inputs, [first]: harmful } }, code, new RegExp(`^${second}`));
      }
    });

    it.each(names)('refuses an option whose getter detaches %s', async (name) => {
      const call = callOf(entry);
      const victim = (call.inputs[name] as Matrix).data;
      const option = entry.option ?? 'out';
      const value = call.options[option as 'out'];
      const options = Object.defineProperty({ ...call.options }, option, {
        enumerable: true,
        get() {
          if (victim.buffer.byteLength > 0) detach(victim);
          return value;
        },
      });
      await refused(entry, { ...call, options }, 'ERR_DETACHED', new RegExp(`^${name}`));
    });

    it('passes on what a getter throws, and touches nothing', async () => {
      const thrown = new Error('from a getter');
      const call = callOf(entry);
      const name = names.at(-1) as string;
      const { shape } = call.inputs[name] as Matrix;
      const throwing = {
        shape,
        get data(): Float32Array {
          throw thrown;
        },
      };
      await expect(run(entry, { ...call, inputs: { ...call.inputs, [name]: throwing } })).rejects.toBe(thrown);
      for (const out of call.outs) expect(out.every((value) => value === 7)).toBe(true);
    });

    if (entry.changes) {
      it('refuses to change an input over another one', async () => {
        const [changed, other] = [entry.changes as string, names.find((name) => name !== entry.changes) as string];
        const call = callOf(entry);
        const { data } = call.inputs[other] as Matrix;
        const length = (call.inputs[changed] as Matrix).data.length;
        await refused(entry, change(call, changed, { data: data.subarray(0, length) }), 'ERR_ALIAS', new RegExp(`^${changed}`));
      });
    }

    if (entry.out) {
      it('gives into an out full of NaN what it gives without one', async () => {
        const call = callOf(entry);
        const fresh = numbersOf(await run(entry, { ...call, options: entry.options ?? {} }));
        for (const out of call.outs) out.fill(Number.NaN);
        expect(numbersOf(await run(entry, call))).toEqual(fresh);
      });

      const outNames = Array.isArray(entry.out) ? [undefined] : Object.keys(entry.out);
      if (!entry.always && outNames.every((name) => name?.startsWith('grad'))) {
        it('has no gradients where none are wanted, and leaves the outs alone', async () => {
          const call = callOf(entry);
          for (const options of [entry.options, call.options]) {
            const result = await run(entry, { ...call, options: { ...options, gradients: false } as object });
            expect(Object.keys(result as object).filter((key) => key.startsWith('grad'))).toEqual([]);
            expect(result).toMatchObject({ loss: ((await run(entry, callOf(entry))) as { loss: number }).loss });
          }
          for (const out of call.outs) expect(out.every((value) => value === 7)).toBe(true);
        });
      }

      it('refuses an out of null, and names the option that is unknown', async () => {
        await refused(entry, { ...callOf(entry), options: { ...entry.options, out: null } }, 'ERR_TYPE', /^options\.out$/);
        if (Array.isArray(entry.out)) return;
        const options = { ...entry.options, out: { gradNothing: 1 } };
        await refused(entry, { ...callOf(entry), options }, 'ERR_OPTION_RANGE', /^options\.out\.gradNothing$/);
      });

      it.each(outNames)('refuses an out over an input, detached, of the wrong shape or type: %s', async (outName) => {
        const put = (call: Call, out: unknown): Call => ({
          ...call,
          options: { ...call.options, out: outName ? { ...(call.options.out as object), [outName]: out } : out },
        });
        const argument = new RegExp(`^options\\.out${outName ? `\\.${outName}` : ''}`);
        const [rows, cols] = (outName ? (entry.out as Record<string, Shape>)[outName] : entry.out) as Shape;
        for (const name of names) {
          const call = callOf(entry);
          const input = call.inputs[name] as Matrix;
          const room = new Float32Array(input.data.length + rows * cols - 1);
          room.set(input.data);
          const moved = change(call, name, { data: room.subarray(0, input.data.length) });
          await refused(entry, put(moved, matrix(room.subarray(input.data.length - 1), cols)), 'ERR_ALIAS', argument);
        }
        const gone = new Float32Array(rows * cols);
        detach(gone);
        await refused(entry, put(callOf(entry), { data: gone, shape: [rows, cols] }), 'ERR_DETACHED', argument);
        await refused(entry, put(callOf(entry), matrix(new Float32Array((rows + 1) * cols), cols)), 'ERR_SHAPE', argument);
        await refused(entry, put(callOf(entry), { data: new Float64Array(rows * cols), shape: [rows, cols] }), 'ERR_TYPE', argument);
      });
    }
  });
});
