// The one seam between the face and the arithmetic: every op goes through `backend()`, so a backend can be swapped, forced
// and asked who served. The native addon serves where it loads; the TypeScript reference is always there; a GPU serves who asks for it.
import { availableParallelism } from 'node:os';
import { inspect } from 'node:util';
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import { checkChoice, checkInteger } from './checks.js';
import { failure } from './errors.js';
import { nativeBackend } from './native/backend.js';
import { type Addon, type Isa, isas, type NativeOps, type NativeTasks, nativeOps, nativeTasks } from './native/binding.js';
import { deviceOps } from './native/device.js';
import { loadAddon } from './native/loader.cjs';
import { keptRows } from './native/resident.js';
import { type SharedAddon, sharedOps, sharedTasks } from './native/shared.js';
import type { BatchLossOps } from './ops/batch-losses.js';
import type { CenterOps } from './ops/centers.js';
import type { DistanceOps } from './ops/distances.js';
import type { PairOps } from './ops/pairs.js';
import type { RankOps } from './ops/ranks.js';
import type { KeepRowsOp, ResidentRows } from './ops/resident.js';
import type { SoftmaxOps } from './ops/softmax.js';
import { reference } from './reference/index.js';

/** Everything a backend computes. Arguments come checked and resolved; outputs come allocated. */
export interface Backend extends DistanceOps, PairOps, BatchLossOps, CenterOps, RankOps, SoftmaxOps {}
export type BackendName = 'ts' | 'native' | 'cuda';

const backendNames = ['ts', 'native', 'cuda'] as const;
export type ProductPrecision = 'reproducible' | 'fast';
const precisions: readonly ProductPrecision[] = ['reproducible', 'fast'];
export type Device = 'cpu' | 'cuda';
const devices: readonly Device[] = ['cpu', 'cuda'];
/** As native/threads/pool.h has it. */
const maxThreads = 256;

interface Native {
  readonly addon: Addon;
  /** What the addon itself has of `ops`. */
  readonly own: NativeOps;
  readonly ops: Backend;
  readonly tasks: NativeTasks;
}

interface State {
  /** Undefined until the first call that needs a backend: importing the package loads nothing. */
  chosen: BackendName | undefined;
  /** The addon, or why there is none; undefined until it was looked for. */
  native: Native | string | undefined;
  /** The same addon with the device's ops, in each precision; undefined until somebody chose them. */
  readonly cuda: Partial<Record<ProductPrecision, Native>>;
  precision: ProductPrecision | undefined;
  readonly ts: Backend;
  readonly served: Set<BackendName>;
}
// On globalThis so that the ESM and the CommonJS copy of the package agree.
const key = Symbol.for('hypersphere.backend');
const shared = globalThis as { [key]?: State };
const served = new Set<BackendName>();
shared[key] ??= { chosen: undefined, native: undefined, cuda: {}, precision: undefined, ts: recorded(reference, 'ts', served), served };
const state = shared[key];

/** The same ops, each noting who serves it. */
function recorded<Ops extends object>(ops: Ops, name: BackendName, log: Set<BackendName>): Ops {
  const wrap = (run: (op: unknown) => unknown) => (op: unknown) => {
    log.add(name);
    return run(op);
  };
  return Object.fromEntries(Object.entries(ops).map(([op, run]) => [op, wrap(run)])) as Ops;
}

function native(): Native | string {
  return (state.native ??= findNative());
}

function findNative(): Native | string {
  const { addon: found, misses } = loadAddon(process.env['HYPERSPHERE_NATIVE_PATH']);
  if (found === undefined) return misses.join('; ');
  const addon = found as Addon;
  // Later environments of this process find level and threads as the first one, or the user since, has set them.
  if (addon.first) {
    const { HYPERSPHERE_ISA: isa, HYPERSPHERE_THREADS: threads } = process.env;
    if (isa) applyIsa(addon, 'HYPERSPHERE_ISA', isa);
    addon.setThreads(
      threads ? checkInteger('HYPERSPHERE_THREADS', Number(threads), 1, maxThreads) : Math.min(availableParallelism(), maxThreads),
    );
  }
  // process.exit waits for what is queued, though nobody will see it.
  process.once('exit', () => addon.cancelTasks());
  const own = recorded(nativeOps(addon), 'native', state.served);
  return { addon, own, ops: nativeBackend(own, state.ts, addon.atOneLevel), tasks: recorded(nativeTasks(addon), 'native', state.served) };
}

/** The device's name, or why there is none, or none any more. The first call of the process opens the driver. */
function device(): { readonly reason?: string; readonly name?: string; readonly fast?: boolean } {
  const found = native();
  return typeof found === 'string' ? { reason: `the addon does not load: ${found}` } : found.addon.cuda.info();
}

function precision(): ProductPrecision {
  return (state.precision ??= checkChoice(
    'HYPERSPHERE_PRODUCT_PRECISION',
    process.env['HYPERSPHERE_PRODUCT_PRECISION'] || 'reproducible',
    precisions,
  ));
}

function onDevice(found: Native): Native {
  const wanted = precision();
  return (state.cuda[wanted] ??= withDevice(found, wanted === 'fast' ? found.addon.cuda.fast : found.addon.cuda));
}

/** The native backend, on the device where the device has the op; what is put together of ops takes those, too. */
function withDevice({ addon, own: onCpu, tasks }: Native, cuda: SharedAddon): Native {
  const own = deviceOps(recorded(sharedOps(cuda), 'cuda', state.served), onCpu);
  return {
    addon,
    own,
    ops: nativeBackend(own, state.ts, addon.atOneLevel),
    tasks: { ...tasks, ...recorded(sharedTasks(cuda), 'cuda', state.served) },
  };
}

/** The name, if that backend can serve here. */
function available(argument: string, name: unknown): BackendName {
  const choice = checkChoice(argument, name, backendNames);
  if (choice === 'ts') return choice;
  const reason = choice === 'native' ? native() : device().reason;
  if (typeof reason === 'string') throw failure('ERR_NO_DEVICE', argument, 'an available backend', `'${choice}': ${reason}`);
  return choice;
}

function chosen(): BackendName {
  return (state.chosen ??= choose());
}

function choose(): BackendName {
  const wanted = process.env['HYPERSPHERE_BACKEND'];
  if (wanted) return available('HYPERSPHERE_BACKEND', wanted);
  const found = native();
  if (typeof found !== 'string') return 'native';
  warnOnce(found);
  return 'ts';
}

function warnOnce(reasons: string): void {
  // Workers started after this inherit the note, so a pool of them does not repeat the warning.
  const note = 'hypersphere.warned';
  if (getEnvironmentData(note)) return;
  setEnvironmentData(note, true);
  process.emitWarning(`The native addon does not load, so the slower TypeScript backend serves. Tried ${reasons}`, {
    type: 'HypersphereWarning',
    code: 'HYPERSPHERE_NO_NATIVE',
    // node-gyp and the headers are no dependencies: who installs without a compiler should not pay for them.
    detail: [
      'Published versions hold it for Linux (glibc 2.28 or later, musl), macOS and Windows.',
      "To build it here: 'npm install --no-save node-gyp@12 node-addon-api@8', then 'npm explore hypersphere -- npm run build:native'",
      "(in a clone of the repository 'npm run build:native' alone). HYPERSPHERE_BACKEND=ts silences this warning.",
    ].join(' '),
  });
}

/** The addon, if it is the one that serves, on the device or not. */
function serving(): Native | undefined {
  const name = chosen();
  const found = name === 'ts' ? undefined : native();
  if (found === undefined || typeof found === 'string') return undefined;
  return name === 'cuda' ? onDevice(found) : found;
}

/** The backend that serves; internal to the package. */
export function backend(): Backend {
  return serving()?.ops ?? state.ts;
}

/** The backend for what names its device: the GPU though another backend serves, or the CPU though the GPU does. Internal. */
export function backendOn(argument: string, device: Device | undefined): Backend {
  if (device === undefined) return backend();
  if (checkChoice(argument, device, devices) === 'cpu') return chosen() === 'cuda' ? (native() as Native).ops : backend();
  available(argument, 'cuda');
  return onDevice(native() as Native).ops;
}

/** A device by its name, if one is named. Internal. */
export function checkDevice(device: unknown): Device | undefined {
  return device === undefined ? undefined : checkChoice('options.device', device, devices);
}

/** Rows that stay on the GPU, whoever serves. Internal. @throws ERR_NO_DEVICE, ERR_OUT_OF_MEMORY */
export function keepOnDevice(argument: string, op: KeepRowsOp): ResidentRows {
  available(argument, 'cuda');
  return recorded(keptRows((native() as Native).addon.cuda, () => precision() === 'fast')(op), 'cuda', state.served);
}

/** After the first phase of a shard's op, where the second will not come: a device gives others the memory that it holds for it. Internal. */
export function releaseHeld(): void {
  if (typeof state.native === 'object') state.native.addon.cuda.release();
}

/** Below this a result's first touch costs too little to ask. */
const hugeBytes = 4 * 2 ** 20;

/** Fresh memory that an op is about to fill: huge pages where the system has them and the native backend serves. Internal. */
export function adviseHuge(data: Float32Array): void {
  if (data.byteLength >= hugeBytes) serving()?.addon.adviseHuge(data, data.length);
}

/** Bytes of native scratch memory, the most at one time since this was last asked; undefined where TypeScript serves. Internal, for the bench. */
export function workspacePeak(): number | undefined {
  return serving()?.addon.workspacePeak();
}

/**
 * Bytes outside the heap that are accounted to this thread: those of `process.memoryUsage().external`, and the rows of native galleries, of which
 * Node's figure does not know. Internal, for the soak.
 */
export function externalMemory(): number {
  return serving()?.addon.externalMemory() ?? process.memoryUsage().external;
}

/** The ops that leave the event loop, or undefined where the TypeScript backend serves. Internal. */
export function tasks(): NativeTasks | undefined {
  return serving()?.tasks;
}

/** Which backends served ops since the last reset: lets a test notice a silent change. Internal. */
export function servedBy(): BackendName[] {
  return [...state.served];
}

export function resetServed(): void {
  state.served.clear();
}

/**
 * Chooses the backend for all later calls of this thread. Without a call it is HYPERSPHERE_BACKEND, else native where the addon loads.
 * `cuda` is the native backend with the operations of the README's last column on an NVIDIA GPU, whose driver is opened then, or on what
 * HYPERSPHERE_CUDA_DRIVER names. Those throw ERR_OUT_OF_MEMORY, with sizes, where the device has too little for their
 * operands and result, and ERR_NO_DEVICE once the device is lost; another backend may then be chosen. A device lost amid a call may leave `out`
 * written in part. A head whose rows are in host memory is as it was if that happens amid a step, unless `workspaceBytes` takes its classes in
 * several runs: then go on from its last save.
 * @throws ERR_OPTION_RANGE for an unknown name, ERR_NO_DEVICE when it cannot run here
 */
export function setBackend(name: BackendName): void {
  state.chosen = available('name', name);
}

/**
 * Lets the GPU compute the products of `matmul`, `distances`, `marginSoftmax`, `linearCrossEntropy` and `ClassifierHead`, and of what is made of these, on its
 * tensor cores, for all later calls of this thread: factors are rounded to bfloat16, sums are float32. `nearest` and `Gallery` sift their candidates that
 * way and find the same neighbours and distances, to the bit; a gallery keeps the precision it was made in. Norms, softmax, margins and updates
 * stay as they are. Default `'reproducible'`. Also HYPERSPHERE_PRODUCT_PRECISION.
 *
 * It is a permission: CPU backends, and GPUs of compute capability below 8.0, go on reproducibly, and `info().productPrecision` says what holds for the
 * backend; a head with `device: 'cuda'` follows it whichever backend serves. In fast mode
 * bits may differ between devices.
 *
 * With c = 2⁻⁷ + 2⁻¹⁶ + (D + 8)·2⁻²², a product of depth D ≤ 2²⁰ is off by at most c·Σ|a||b|, usually by a small part of that, where numbers are between
 * 2⁻¹²⁶ and 2¹²⁷ and sums do not overflow; what is smaller may count as 0. With e = c + (10·D + 160)·2⁻²⁴, a squared distance is off by at most e·(‖x‖² + ‖y‖²), a
 * cosine by e, a dot by c·Σ|x||y|. Squared distances below an eighth of ‖x‖² + ‖y‖² (less e of it), and cosine distances below an eighth (less e),
 * are computed again in float32, from the rows' differences.
 * @throws ERR_OPTION_RANGE for an unknown name
 */
export function setProductPrecision(precision: ProductPrecision): void {
  state.precision = checkChoice('precision', precision, precisions);
}

function applyIsa(addon: Addon, argument: string, value: unknown): void {
  const isa = checkChoice(argument, value, isas);
  if (addon.setIsa(isa)) return;
  throw failure('ERR_NO_DEVICE', argument, 'a level that this CPU has', `'${isa}'`);
}

/** The addon, whoever serves; internal. @throws ERR_NO_DEVICE that names the argument which needs it */
export function addonFor(argument: string): Addon {
  const found = native();
  if (typeof found === 'string') throw failure('ERR_NO_DEVICE', argument, 'the native backend', found);
  return found.addon;
}

/**
 * Lets the native backend use this instruction set and no higher one, in all threads of the process, for instance to compare
 * machines. The CPU's own level is the default and the upper limit. A call of another thread that runs goes on with the level it began with (what goes in pieces is several: `retrieval`, `mineTripletsOffline`, `logits` of many classes, the step of a sharded head). Also
 * HYPERSPHERE_ISA.
 * @throws ERR_OPTION_RANGE for an unknown name, ERR_NO_DEVICE for a level this CPU lacks or without the addon
 */
export function setIsa(isa: Isa): void {
  const checked = checkChoice('isa', isa, isas);
  applyIsa(addonFor('isa'), 'isa', checked);
}

/**
 * How many threads a native call may use, 1 to 256, in all threads of the process together; results do not depend on it.
 * Default `os.availableParallelism()`. Also HYPERSPHERE_THREADS.
 * @throws ERR_TYPE, ERR_OPTION_RANGE, ERR_NO_DEVICE without the addon
 */
export function setThreads(threads: number): void {
  const checked = checkInteger('threads', threads, 1, maxThreads);
  addonFor('threads').setThreads(checked);
}

export interface CudaInfo {
  readonly available: boolean;
  /** Of the device, where it is available. */
  readonly name?: string;
  /** Whether it has tensor cores for bfloat16, which `setProductPrecision('fast')` is for. */
  readonly fast?: boolean;
  /** Why it is not. */
  readonly reason?: string;
}

export interface Info {
  readonly backend: BackendName;
  /** Instruction set of the native kernels on the CPU; absent on the TypeScript backend. */
  readonly isa?: Isa;
  /** Threads a call may use; 1 on the TypeScript backend. */
  readonly threads: number;
  /**
   * Whether other machines get the same bits: avx2, avx512 and neon agree with one another at any number of threads, `baseline` agrees
   * within tolerance only; the TypeScript backend agrees with itself. The two backends agree within tolerance. Not so where `productPrecision` is `fast`.
   */
  readonly reproducible: boolean;
  /**
   * `fast` where `setProductPrecision` allows it, a GPU serves and has the means. Of the backend that serves: heads and centers with `device: 'cuda'`
   * follow the permission whoever serves.
   */
  readonly productPrecision: ProductPrecision;
  /** The GPU. The driver is opened when this or `unavailable` is read, or the whole is printed, for the first time in the process. */
  readonly cuda: CudaInfo;
  /** Backends that cannot serve here, and why; empty where HYPERSPHERE_BACKEND=ts kept anybody from looking. */
  readonly unavailable: Readonly<Partial<Record<BackendName, string>>>;
}

function cudaInfo(): CudaInfo {
  const { reason, name, fast } = device();
  if (reason !== undefined) return { available: false, reason };
  return { available: true, ...(name !== undefined && { name }), ...(fast !== undefined && { fast }) };
}

function unavailable(): Info['unavailable'] {
  if (state.native === undefined) return {};
  const { reason: cuda } = device();
  return { ...(typeof state.native === 'string' && { native: state.native }), ...(cuda !== undefined && { cuda }) };
}

/** What computes here, and why nothing faster does. */
export function info(): Info {
  const backend = chosen();
  const addon = serving()?.addon;
  const { isa, threads } = addon?.info() ?? { isa: undefined, threads: 1 };
  const fast = precision() === 'fast' && backend === 'cuda' && device().fast === true;
  const facts: Info = {
    backend,
    ...(isa !== undefined && { isa }),
    threads,
    reproducible: isa !== 'baseline' && !fast,
    productPrecision: fast ? 'fast' : 'reproducible',
    // Asked only when read: a driver takes its time, and memory on the device.
    get cuda() {
      return cudaInfo();
    },
    get unavailable() {
      return unavailable();
    },
  };
  // Printed, it is read: console.log would show two getters instead of the reasons.
  return Object.defineProperty(facts, inspect.custom, { value: () => ({ ...facts }) });
}
