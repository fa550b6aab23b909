// The ops that the addon has, as a part of Backend. Arguments cross positionally and as primitives or typed arrays, so that
// the addon reads no property and runs no JavaScript between taking a pointer and using it; the miners alone
// call a function, our own, which allocates their result.
import type { DistanceOps } from '../ops/distances.js';
import type { PairOps } from '../ops/pairs.js';
import type { RankOps, RanksOp } from '../ops/ranks.js';
import type { HardmaxLossOp, HardmaxOp, SoftmaxOps } from '../ops/softmax.js';
import { floats, type TasksOf, translated } from './calls.js';
import { type MiningAddon, nativeMiners } from './mining.js';
import { type DeviceAddon, type LongOps, type SharedAddon, type SharedOps, sharedOps, sharedTasks } from './shared.js';
import { type HardmaxArguments, type HardmaxLossArguments, hardmaxLossArguments } from './softmax.js';

/** Instruction sets the kernels are built for, lowest first; neon on arm64 only. */
export const isas = ['baseline', 'avx2', 'avx512', 'neon'] as const;
export type Isa = (typeof isas)[number];

type RanksArguments = [
  values: Float32Array,
  n: number,
  m: number,
  descending: boolean,
  rows: Int32Array,
  from: Int32Array,
  to: Int32Array,
  own: number,
  ranks: Int32Array,
  total: number,
];

/** What native/napi exports. */
export interface Addon extends SharedAddon, MiningAddon {
  /** This is the first environment of the process that loaded the addon. */
  readonly first: boolean;
  info(): { readonly isa: Isa; readonly threads: number };
  setIsa(isa: Isa): boolean;
  /** What run() gives: the level stays as it is until that returns, whoever sets another. */
  atOneLevel<T>(run: () => T): T;
  setThreads(threads: number): void;
  /** Cancels every asynchronous op of this thread. */
  cancelTasks(): void;
  readonly cuda: DeviceAddon;
  /** Asks for huge pages under memory that nothing has written yet. */
  adviseHuge(data: Float32Array, length: number): void;
  hardmax(...args: HardmaxArguments): void;
  hardmaxLoss(...args: HardmaxLossArguments): void;
  /** Starts MPI, once in a process, by this library or by the first of the usual names. */
  mpiStart(library: string): { readonly rank: number; readonly size: number; readonly library: string };
  /** Blocks of `bytes` between all ranks: the one of `from` to everybody, or block r of `from` to rank r. `to` holds one of each rank. */
  mpiAllGather(from: Uint8Array, to: Uint8Array, fromBlocks: number, toBlocks: number, bytes: number): void;
  mpiAllToAll(from: Uint8Array, to: Uint8Array, fromBlocks: number, toBlocks: number, bytes: number): void;
  mpiFinish(): void;
  /** Bytes of scratch memory that ops held, the most at one time since this was last asked. */
  workspacePeak(): number;
  /** Bytes outside the heap that are accounted to this environment. */
  externalMemory(): number;
  relevantRanks(...args: RanksArguments): void;
  toBfloat16(x: Float32Array, length: number, out: Uint16Array): void;
  fromBfloat16(x: Uint16Array, length: number, out: Float32Array): void;
}

export type NativeOps = SharedOps &
  Pick<DistanceOps, 'toBfloat16' | 'fromBfloat16'> &
  Pick<PairOps, 'mineTriplets' | 'minePairs'> &
  Pick<SoftmaxOps, 'hardmax' | 'hardmaxLoss'> &
  RankOps;
/** The same ops off the event loop, but for `updateCenters`: it works in place, and half of it is not an outcome. */
export type NativeTasks = TasksOf<LongOps>;

export function nativeOps(addon: Addon): NativeOps {
  return {
    ...sharedOps(addon),
    hardmax: translated(({ logits, n, classes, out }: HardmaxOp) => addon.hardmax(floats(logits), n, classes, floats(out))),
    hardmaxLoss: translated((op: HardmaxLossOp) => {
      const loss = new Float64Array(1);
      addon.hardmaxLoss(...hardmaxLossArguments(op, loss));
      return loss[0] as number;
    }),
    ...nativeMiners(addon),
    relevantRanks: translated(({ values, n, m, descending, rows, from, to, own, ranks }: RanksOp) =>
      addon.relevantRanks(values, n, m, descending, rows, from, to, own, ranks, ranks.length),
    ),
    toBfloat16: translated(({ x, out }) => addon.toBfloat16(x, x.length, out)),
    fromBfloat16: translated(({ x, out }) => addon.fromBfloat16(x, x.length, out)),
  };
}

export function nativeTasks(addon: Addon): NativeTasks {
  return sharedTasks(addon);
}
