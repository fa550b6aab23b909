// Other libraries and the machine's own limits, each in a process of its own. What is not installed is said once and left out.
//   PyTorch: HYPERSPHERE_TORCH_PYTHON, a Python that has it; faiss: HYPERSPHERE_FAISS_PYTHON; onnxruntime and usearch:
//   HYPERSPHERE_NODE_PEERS, a folder where `npm install --ignore-scripts onnxruntime-node usearch` was run (290 MB, so no dependency
//   of this package); limits: cmake and a compiler.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const folder = join(import.meta.dirname, '../../..', 'bench');

interface Peer {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

const python = process.env['HYPERSPHERE_PYTHON'] ?? 'python3';
const nodePeer = (name: string): Peer => ({ name, command: process.execPath, args: [join(folder, `peers/${name}_peer.mjs`)] });
const peers: Peer[] = [
  { name: 'torch', command: process.env['HYPERSPHERE_TORCH_PYTHON'] ?? python, args: [join(folder, 'peers/torch_peer.py')] },
  { name: 'faiss', command: process.env['HYPERSPHERE_FAISS_PYTHON'] ?? python, args: [join(folder, 'peers/faiss_peer.py')] },
  nodePeer('onnxruntime'),
  nodePeer('usearch'),
];
const absent = new Set<string>();

export interface Times {
  /** Median, least and most milliseconds of a call. */
  readonly ms: number;
  readonly lo: number;
  readonly hi: number;
}

export interface PeerTimes extends Times {
  /** Memory of the first call beyond inputs and outputs, with what the library sets up at it; null where the system does not tell. */
  readonly extraMiB: number | null;
}

/** Times of every peer that knows this op and shape; a peer's second way of doing it is called by the peer's name and the way's. */
export function peerTimes(key: string, avx512: boolean): Map<string, PeerTimes> {
  const times = new Map<string, PeerTimes>();
  for (const { name, command, args } of peers) {
    if (absent.has(name)) continue;
    // Unpinned threads of a peer end up on one core, which would flatter us.
    // Debian's OpenBLAS does not know recent CPUs and then falls back to SSE3: name the best kernels it has.
    const env = { ...process.env, OMP_PROC_BIND: 'true', ...(avx512 && { OPENBLAS_CORETYPE: 'SkylakeX' }) };
    const { status, stdout, stderr } = spawnSync(command, [...args, key], { encoding: 'utf8', env });
    if (status !== 0) {
      absent.add(name);
      console.log(`    ${name} is not measured: ${stderr?.trim().split('\n').at(-1) ?? 'not installed'}`);
    } else {
      for (const line of stdout.trim().split('\n').filter(Boolean)) {
        const { way = '', ...found } = JSON.parse(line) as PeerTimes & { way?: string };
        times.set(name + way, found);
      }
    }
  }
  return times;
}

export interface Limit {
  readonly threads: number;
  readonly isa?: string;
  readonly peakGflops?: number;
  readonly readGBs?: number;
}

/** Peak of fused multiply-adds for every level and number of threads, and the bandwidth of reading. */
export function limits(settings: readonly { readonly isa: string | null; readonly threads: number }[]): Limit[] {
  const build = join(folder, '../build-native/release');
  const steps = [
    ['cmake', '-S', join(folder, '..'), '-B', build, '-DHYPERSPHERE_SANITIZE='],
    ['cmake', '--build', build, '--target', 'bench_peak'],
  ] as const;
  const levels = [...new Set(settings.flatMap(({ isa }) => isa ?? []))];
  const threads = [...new Set(settings.map((s) => s.threads))].sort();
  for (const [command, ...args] of steps) {
    if (spawnSync(command, args, { stdio: 'ignore' }).status === 0) continue;
    console.log("the machine's limits are not measured: that needs cmake and a C++ compiler");
    return [];
  }
  const { stdout } = spawnSync(join(build, 'bench_peak'), [...levels, '--', ...threads.map(String)], { encoding: 'utf8' });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Limit);
}
