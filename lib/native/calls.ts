// What every call into the addon has in common.
import { type ErrorCode, failure } from '../errors.js';
import type { Values } from '../ops/types.js';

/** A queued op: `cancel` removes it from the queue or stops it at its next block, and `promise` then rejects with ERR_ABORTED. */
export interface NativeTask<Result = void> {
  readonly promise: Promise<Result>;
  cancel(): void;
}

/** The same ops off the event loop. */
export type TasksOf<Ops> = {
  readonly [Name in keyof Ops]: Ops[Name] extends (op: infer Op) => infer Result ? (op: Op) => NativeTask<Result> : never;
};

/** The face passes Float32Arrays only; float64 is for the gradient checks, which call the reference backend directly. */
export const floats = (values: Values): Float32Array => values as Float32Array;

/** An error of the addon as the library's own; anything else as it is. */
export function fromNative(error: unknown): unknown {
  const { code, argument, expected, received } = error as { code?: ErrorCode; argument?: string; expected?: string; received?: string };
  return code && argument && expected && received ? failure(code, argument, expected, received) : error;
}

export function translated<Op, Result>(run: (op: Op) => Result): (op: Op) => Result {
  return (op) => {
    try {
      return run(op);
    } catch (error) {
      throw fromNative(error);
    }
  };
}
