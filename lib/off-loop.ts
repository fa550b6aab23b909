// How an op leaves the event loop: memory that stays as it is meanwhile, an AbortSignal, and the result brought back.
import { backend, tasks } from './backend.js';
import { checkMemory, checkOptions } from './checks.js';
import { allocated, describe, failure } from './errors.js';
import type { IndexMatrix, Matrix } from './matrix.js';
import type { NativeTasks } from './native/binding.js';
import { fromNative, type NativeTask } from './native/calls.js';
import type { Values } from './ops/types.js';

export interface Abortable {
  /**
   * Stops the op: one that waits is taken out of the queue, one that runs stops at its next block. The promise rejects with
   * `signal.reason` once nothing touches the buffers any more; what an `out` then holds is unspecified.
   */
  readonly signal?: AbortSignal;
}

export function splitSignal<Options extends Abortable>(options: Options, known: readonly string[]) {
  const { signal, ...rest } = checkOptions(options, [...known, 'signal']);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw failure('ERR_TYPE', 'options.signal', 'an AbortSignal', describe(signal));
  }
  return { signal, rest };
}

type Elements = Float32Array | Int32Array | Uint16Array;

/** Ordinary memory of the same type and length. */
function fresh<T extends Elements>(argument: string, like: T): T {
  const type = like instanceof Float32Array ? Float32Array : like instanceof Int32Array ? Int32Array : Uint16Array;
  return allocated(argument, `a copy of ${like.length} values`, () => new type(like.length) as T);
}

/** Memory that stays as it is while other code runs: shared memory itself, a copy of anything else. */
export function stable<T extends Elements>(argument: string, values: T): T {
  const { buffer } = values;
  if (!(buffer instanceof SharedArrayBuffer)) {
    // Five times as fast as `new Float32Array(values)` on Node 20.
    const copy = fresh(argument, values);
    copy.set(values);
    return copy;
  }
  if ((buffer as SharedArrayBuffer & { growable?: boolean }).growable) {
    throw failure('ERR_TYPE', argument, 'ordinary memory or a SharedArrayBuffer of fixed length', 'a growable SharedArrayBuffer');
  }
  return values;
}

type Result = Matrix | IndexMatrix;

/** Where the op writes: `out` itself if shared, else memory of its own, to be copied to `out` at the end. */
export function stableOutput<T extends Result>(given: T | undefined, out: T, argument = 'options.out'): T['data'] {
  if (given === undefined) return out.data;
  const memory: Elements = out.data;
  return memory.buffer instanceof SharedArrayBuffer ? stable(argument, memory) : fresh(argument, memory);
}

/** The caller's `out`, filled; it may have been detached or shrunk while the op ran. */
export function delivered<T extends Result>(written: ArrayLike<number>, given: T | undefined, out: T, argument = 'options.out'): T {
  checkMemory({ [argument]: out }, {});
  if (written !== out.data) out.data.set(written);
  return given ?? out;
}

const cancels = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `cancel` when the signal aborts, until the returned function is called. One listener a signal: many calls may share one. */
function onAbort(signal: AbortSignal, cancel: () => void): () => void {
  let own = cancels.get(signal);
  if (!own) {
    const all = new Set<() => void>();
    cancels.set(signal, (own = all));
    signal.addEventListener('abort', () => all.forEach((stop) => stop()), { once: true });
  }
  const all = own.add(cancel);
  return () => all.delete(cancel);
}

/** Runs the op where it does not block the loop, if the backend can. The op's memory must be stable. */
export function run<Name extends keyof NativeTasks>(
  name: Name,
  op: Parameters<NativeTasks[Name]>[0],
  signal: AbortSignal | undefined,
): Promise<Awaited<ReturnType<NativeTasks[Name]>['promise']>> {
  type Result = Awaited<ReturnType<NativeTasks[Name]>['promise']>;
  const start = tasks()?.[name] as ((op: unknown) => NativeTask<Result>) | undefined;
  return settled(start && (() => start(op)), () => (backend()[name] as (op: unknown) => Result)(op), signal);
}

/** What `start` leads to, or, without it, `compute` in a later turn of the loop. */
export async function settled<Result>(
  start: (() => NativeTask<Result>) | undefined,
  compute: () => Result,
  signal: AbortSignal | undefined,
): Promise<Result> {
  signal?.throwIfAborted();
  if (!start) {
    await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
    return compute();
  }
  let result: Result;
  let forget: (() => void) | undefined;
  try {
    const { promise, cancel } = start();
    forget = signal && onAbort(signal, cancel);
    result = await promise;
  } catch (error) {
    signal?.throwIfAborted();
    throw fromNative(error);
  } finally {
    forget?.();
  }
  signal?.throwIfAborted();
  return result;
}

/** The face passes Float32Arrays only. */
export const floats = (values: Values): Float32Array => values as Float32Array;

/** A gradient that may be the caller's: where the op writes it, and how it gets where it belongs. */
export function gradientOffLoop(name: string, given: Matrix | undefined, out: Matrix | undefined) {
  const argument = `options.out.${name}`;
  const memory = out && stableOutput(given, out, argument);
  return { memory, deliver: () => out && delivered(memory as Float32Array, given, out, argument) };
}
