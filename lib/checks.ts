// The one place for argument checks. Order in every op: types, detached, shapes, option ranges, label range, aliasing;
// nothing is written before all have passed.
import { allocated, describe, failure } from './errors.js';
import type { Bfloat16Matrix, IndexMatrix, Matrix } from './matrix.js';

/** Integer class labels, one per row. */
export type Labels = Int32Array | Uint8Array | Uint16Array | Uint32Array | readonly number[];

/** Scratch memory that an op may take, in bytes: 96 MiB where nothing is said. */
export function checkWorkspace(bytes: number | undefined): number {
  return checkInteger('options.workspaceBytes', bytes ?? 96 * 2 ** 20, 1);
}

export function checkInteger(argument: string, value: unknown, min: number, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number') throw failure('ERR_TYPE', argument, 'a number', describe(value));
  if (!Number.isInteger(value) || value < min || value > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `an integer of at least ${min}` : `an integer in [${min}, ${max}]`;
    throw failure('ERR_OPTION_RANGE', argument, range, describe(value));
  }
  return value;
}

export interface NumberRange {
  readonly min?: number;
  readonly max?: number;
  /** The bounds themselves are not allowed. */
  readonly exclusive?: boolean;
}

export function checkNumber(argument: string, value: unknown, range: NumberRange = {}): number {
  const { min = -Infinity, max = Infinity, exclusive = false } = range;
  if (typeof value !== 'number') throw failure('ERR_TYPE', argument, 'a number', describe(value));
  const inside = exclusive ? value > min && value < max : value >= min && value <= max;
  if (!Number.isFinite(value) || !inside) {
    const [open, close] = exclusive ? ['(', ')'] : ['[', ']'];
    throw failure('ERR_OPTION_RANGE', argument, `a finite number in ${open}${min}, ${max}${close}`, describe(value));
  }
  return value;
}

export function checkChoice<T extends string>(argument: string, value: unknown, choices: readonly T[]): T {
  if (!choices.includes(value as T)) {
    throw failure('ERR_OPTION_RANGE', argument, `one of ${choices.map((c) => `'${c}'`).join(', ')}`, describe(value));
  }
  return value as T;
}

export function checkBoolean(argument: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw failure('ERR_TYPE', argument, 'a boolean', describe(value));
  return value;
}

/**
 * Options are a plain object with known names only: a misspelt option must not be ignored in silence. Returns a copy, each option
 * read once, so that a getter can neither change its mind after a check nor run again after one.
 */
export function checkOptions<T extends object>(options: T, known: readonly string[], argument = 'options'): T {
  if (typeof options !== 'object' || options === null || isArray(options))
    throw failure('ERR_TYPE', argument, 'an object', describe(options));
  for (const name of Object.keys(options)) {
    if (!known.includes(name))
      throw failure('ERR_OPTION_RANGE', `${argument}.${name}`, `one of the options ${known.join(', ')}`, 'an unknown option');
  }
  const copy: Record<string, unknown> = {};
  for (const name of known) {
    const value = (options as Record<string, unknown>)[name];
    if (value !== undefined) copy[name] = value;
  }
  return copy as T;
}

function isArray(value: unknown): boolean {
  return Array.isArray(value) || ArrayBuffer.isView(value);
}

/** `options.out` where it holds several matrices by name, each still to be checked. */
export function checkOut<Out extends object>(out: Out | undefined, known: readonly (keyof Out & string)[]): Out {
  return checkOptions(out === undefined ? ({} as Out) : out, known, 'options.out');
}

// A detached view and a shrunk one both report a length of 0; only the buffer tells them apart. V8 11 (Node 20) may even
// report a detached view's old length from optimised code that has met resizable buffers; the buffer's own is right.
const detachedGetter = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'detached')?.get;
function isDetached(view: ArrayBufferView): boolean {
  const { buffer } = view;
  if (!(buffer instanceof ArrayBuffer)) return false;
  if (detachedGetter) return detachedGetter.call(buffer) as boolean;
  if (buffer.byteLength !== 0) return false;
  try {
    new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

function checkAttached(argument: string, view: ArrayBufferView): void {
  if (isDetached(view)) throw failure('ERR_DETACHED', argument, 'a live buffer', 'one that was transferred or detached');
}

function checkLength(argument: string, { length }: { readonly length: number }, [rows, cols]: readonly [number, number]): void {
  if (rows * cols === length) return;
  throw failure('ERR_SHAPE', argument, `data of length ${rows} × ${cols} = ${rows * cols}`, `length ${length}`);
}

/** True for anything that claims to be a matrix; `checkMatrix` decides whether it is a sound one. */
export function looksLikeMatrix(value: unknown): value is Matrix {
  return typeof value === 'object' && value !== null && 'data' in value && 'shape' in value;
}

type Elements = Float32Array | Int32Array | Uint16Array;

/**
 * (x, options?) or (x, rows, options?): which is which. Bare numbers are rows of the wrong type, not options of unknown names; beside options
 * of their own place `undefined` rows are none.
 */
export function splitArguments<Rows, Options extends object>(
  second: Rows | Options | undefined,
  third: Options | undefined,
): [rows: Rows | undefined, options: Options] {
  const none = {} as Options;
  const isRows = third !== undefined || looksLikeMatrix(second) || isArray(second);
  const [rows, options = none] = isRows ? [second as Rows | undefined, third] : [undefined, second as Options | undefined];
  return [rows, options];
}

/** Reads `data` and `shape` once and returns what was checked: the caller's memory in an object that nobody else can change. */
function checkShaped<T extends Elements>(
  argument: string,
  value: unknown,
  types: readonly (new (length: number) => T)[],
  cols: number | undefined,
): { readonly data: T; readonly shape: readonly [number, number] } {
  const names = types.map(({ name }) => name).join(' or ');
  if (!looksLikeMatrix(value)) throw failure('ERR_TYPE', argument, `{ data: ${names}, shape: [rows, cols] }`, describe(value));
  const { data, shape: given } = value as { data: unknown; shape: unknown };
  const isOne = (candidate: unknown): candidate is T => types.some((type) => candidate instanceof type);
  if (!isOne(data)) throw failure('ERR_TYPE', `${argument}.data`, `a ${names}`, describe(data));
  checkAttached(`${argument}.data`, data);
  const shape: unknown[] = Array.isArray(given) ? [...given] : [];
  if (shape.length !== 2 || !shape.every((n) => Number.isSafeInteger(n) && (n as number) >= 0)) {
    throw failure('ERR_SHAPE', `${argument}.shape`, 'two non-negative integers', describe(given));
  }
  const [rows, width] = shape as [number, number];
  if (width < 1) throw failure('ERR_SHAPE', `${argument}.shape`, 'at least one column', `[${rows}, ${width}]`);
  checkLength(argument, data, [rows, width]);
  if (cols !== undefined && width !== cols) throw failure('ERR_SHAPE', argument, `${cols} columns`, `${width}`);
  return { data, shape: [rows, width] };
}

/** A sound matrix; with `cols`, of that width. */
export function checkMatrix(argument: string, value: unknown, cols?: number): Matrix {
  return checkShaped(argument, value, [Float32Array], cols);
}

export function checkIndexMatrix(argument: string, value: unknown, cols: number): IndexMatrix {
  return checkShaped(argument, value, [Int32Array], cols);
}

/** A sound matrix in float32 or bfloat16. */
export function checkRows(argument: string, value: unknown, cols?: number): Matrix | Bfloat16Matrix {
  return checkShaped<Float32Array | Uint16Array>(argument, value, [Float32Array, Uint16Array], cols) as Matrix | Bfloat16Matrix;
}

/** A sound matrix of exactly this shape. */
export function checkMatrixOf(argument: string, value: unknown, rows: number, cols: number): Matrix {
  const m = checkMatrix(argument, value);
  if (m.shape[0] !== rows || m.shape[1] !== cols)
    throw failure('ERR_SHAPE', argument, `shape [${rows}, ${cols}]`, `[${m.shape.join(', ')}]`);
  return m;
}

/** A Float32Array of exactly this length. */
export function checkVector(argument: string, value: unknown, length: number): Float32Array {
  if (!(value instanceof Float32Array)) throw failure('ERR_TYPE', argument, 'a Float32Array', describe(value));
  checkAttached(argument, value);
  if (value.length !== length) throw failure('ERR_SHAPE', argument, `length ${length}`, `length ${value.length}`);
  return value;
}

/** An array of this type, of whatever length. */
export function checkArray<T extends Elements>(argument: string, value: unknown, type: new (length: number) => T): T {
  if (!(value instanceof type)) throw failure('ERR_TYPE', argument, `a ${type.name}`, describe(value));
  checkAttached(argument, value);
  return value;
}

export interface LabelRules {
  /** Labels lie in [0, classes). Without it any int32 value will do: only equality counts. */
  readonly classes?: number;
  /** This value is allowed besides. */
  readonly ignoreIndex?: number | undefined;
}

const wholeInt32 = 'integers within int32';

/** One label per row, or any number of them, as an Int32Array (the caller's own, where it is one). */
export function checkLabels(argument: string, labels: unknown, rows?: number, rules: LabelRules = {}): Int32Array {
  const typed =
    labels instanceof Int32Array || labels instanceof Uint8Array || labels instanceof Uint16Array || labels instanceof Uint32Array;
  if (!typed && !Array.isArray(labels)) {
    throw failure('ERR_TYPE', argument, 'an Int32Array, Uint8Array, Uint16Array, Uint32Array or array of integers', describe(labels));
  }
  if (typed) checkAttached(argument, labels);
  const values = labels as ArrayLike<number>;
  const count = values.length;
  if (rows !== undefined && count !== rows) throw failure('ERR_SHAPE', argument, `one label per row, ${rows}`, `${count}`);
  const { classes, ignoreIndex } = rules;
  const expected =
    classes === undefined ? wholeInt32 : `integers in [0, ${classes})${ignoreIndex === undefined ? '' : ` or ${ignoreIndex}`}`;
  const checked = labels instanceof Int32Array ? labels : new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const label = values[i] as number;
    const whole = Number.isInteger(label) && label === (label | 0);
    const inRange = classes === undefined || label === ignoreIndex || (label >= 0 && label < classes);
    if (!whole || !inRange) throw failure('ERR_LABEL_RANGE', `${argument}[${i}]`, expected, describe(label));
    if (checked !== labels) checked[i] = label;
  }
  return checked;
}

/** 0 or 1 per row: "same class" flags, genuine/impostor labels. */
export function checkFlags(argument: string, flags: unknown, rows: number): Int32Array {
  return checkLabels(argument, flags, rows, { classes: 2 });
}

/** Row numbers in [0, rows), read once into memory of our own. */
export function checkRowNumbers(argument: string, indices: unknown, rows: number): Float64Array {
  const { length } = (typeof indices === 'object' && indices !== null ? indices : {}) as { length?: unknown };
  if (!Number.isSafeInteger(length) || (length as number) < 0)
    throw failure('ERR_TYPE', argument, 'an array or typed array of row numbers', describe(indices));
  if (ArrayBuffer.isView(indices)) checkAttached(argument, indices);
  const checked = allocated(argument, `${length} row numbers`, () => new Float64Array(length as number));
  for (let i = 0; i < checked.length; i++) {
    const row = (indices as ArrayLike<number>)[i];
    if (!Number.isInteger(row) || (row as number) < 0 || (row as number) >= rows)
      throw failure('ERR_OPTION_RANGE', `${argument}[${i}]`, `an integer in [0, ${rows})`, describe(row));
    checked[i] = row as number;
  }
  return checked;
}

/** Seeds of the random generator: its state is 32 bits, and a number beyond them would share its stream with another. */
export function checkSeed(argument: string, seed: unknown): number {
  return checkInteger(argument, seed, 0, 2 ** 32 - 1);
}

export function checkPath(path: unknown): void {
  if (typeof path !== 'string' || path === '') throw failure('ERR_TYPE', 'path', 'a file name', describe(path));
}

export function checkSignal<T extends { readonly signal?: AbortSignal }>(options: T): T {
  const { signal } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw failure('ERR_TYPE', 'options.signal', 'an AbortSignal', describe(signal));
  return options;
}

type Memory = Matrix | Bfloat16Matrix | IndexMatrix | ArrayBufferView | undefined;

/**
 * The last check of every op: `out` arguments share memory neither with an input nor with one another, and everything is
 * still as its own check saw it. The getters of a later argument may have detached or shrunk the buffer of an earlier
 * one; after this nothing of the caller's runs before the op is done.
 */
export function checkMemory(outputs: Record<string, Memory>, inputs: Record<string, Memory>): void {
  const [outs, ins] = [viewsOf(outputs), viewsOf(inputs)];
  outs.forEach(([name, view], index) => {
    for (const [other, input] of [...ins, ...outs.slice(index + 1)]) {
      if (overlap(view, input)) throw failure('ERR_ALIAS', name, `memory apart from ${other}`, 'overlapping memory');
    }
  });
}

function viewsOf(memory: Record<string, Memory>): [name: string, view: ArrayBufferView][] {
  const views: [string, ArrayBufferView][] = [];
  for (const [name, held] of Object.entries(memory)) {
    if (held === undefined) continue;
    if (ArrayBuffer.isView(held)) {
      checkAttached(name, held);
      views.push([name, held]);
      continue;
    }
    const { data, shape } = held;
    checkAttached(`${name}.data`, data);
    checkLength(name, data, shape);
    views.push([name, data]);
  }
  return views;
}

function overlap(a: ArrayBufferView, b: ArrayBufferView): boolean {
  return a.buffer === b.buffer && a.byteOffset < b.byteOffset + b.byteLength && b.byteOffset < a.byteOffset + a.byteLength;
}
