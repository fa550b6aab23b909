// Every error the library throws on purpose: a stable code, the argument, what was expected, what came.

/** Stable identifiers of what went wrong; compare these, not messages. */
export type ErrorCode =
  | 'ERR_SHAPE'
  | 'ERR_TYPE'
  | 'ERR_LABEL_RANGE'
  | 'ERR_OPTION_RANGE'
  | 'ERR_DETACHED'
  | 'ERR_ALIAS'
  | 'ERR_ABORTED'
  | 'ERR_NO_DEVICE'
  | 'ERR_OUT_OF_MEMORY'
  | 'ERR_FORMAT'
  | 'ERR_BUSY';

/** What every deliberate error of the library carries. */
export interface ErrorDetails {
  readonly code: ErrorCode;
  /** The name of the argument or option at fault, as the caller wrote it: `labels`, `options.margin`. */
  readonly argument: string;
  /** What would have been accepted, in words. */
  readonly expected: string;
  /** What came instead, in words. */
  readonly received: string;
}

const brand = Symbol.for('hypersphere.error');

/**
 * The class to test against: `error instanceof HypersphereError`. An error of the library is at the
 * same time a `TypeError` (`ERR_TYPE`, `ERR_DETACHED`), a `RangeError` (shapes, labels, options, aliasing)
 * or a plain `Error`, whichever a JavaScript user expects. The brand also holds across the ESM and CommonJS copies.
 */
export abstract class HypersphereError extends Error implements ErrorDetails {
  abstract readonly code: ErrorCode;
  abstract readonly argument: string;
  abstract readonly expected: string;
  abstract readonly received: string;

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}

const classOf: Record<ErrorCode, ErrorConstructor> = {
  ERR_SHAPE: RangeError,
  ERR_TYPE: TypeError,
  ERR_LABEL_RANGE: RangeError,
  ERR_OPTION_RANGE: RangeError,
  ERR_DETACHED: TypeError,
  ERR_ALIAS: RangeError,
  ERR_ABORTED: Error,
  ERR_NO_DEVICE: Error,
  ERR_OUT_OF_MEMORY: RangeError,
  ERR_FORMAT: Error,
  ERR_BUSY: Error,
};

/** Builds the error for `code`; the message names argument, expectation and what came. */
export function failure(code: ErrorCode, argument: string, expected: string, received: string): HypersphereError {
  const error = new classOf[code](`${argument}: expected ${expected}, got ${received}`);
  Object.defineProperty(error, brand, { value: true });
  return Object.assign(error, { code, argument, expected, received }) as HypersphereError;
}

/** What `create` allocates; where that does not fit, an error that names the argument to blame. */
export function allocated<T>(argument: string, wanted: string, create: () => T): T {
  try {
    return create();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw failure('ERR_OUT_OF_MEMORY', argument, `memory for ${wanted}`, error.message);
  }
}

/** A short description of any value for an error message. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (typeof value === 'string') return value.length > 40 ? `'${value.slice(0, 40)}…'` : `'${value}'`;
  if (typeof value === 'function') return 'a function';
  if (ArrayBuffer.isView(value)) {
    const length = (value as { length?: number }).length;
    return `${value.constructor.name}${length === undefined ? '' : `(${length})`}`;
  }
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return value.constructor?.name ? `an object (${value.constructor.name})` : 'an object';
}
