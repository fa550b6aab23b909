// The same calls again and again, and objects made and dropped: whether memory stays where it was.
import { externalMemory } from '../../lib/backend.js';
import { Centers, ClassifierHead, CrossBatchMemory, cosFace, Gallery, sgd } from '../../lib/index.js';
import { normalMatrix } from '../helpers/data.js';
import { type Bytes, collect, judge, memories, type Sample, sample, type Verdict } from './plateau.js';
import { type Run, soakCases } from './soak-cases.js';

const mib = 2 ** 20;
/** What the process itself makes and drops meanwhile. */
const small = 2 ** 16;

/** So many times; a promise is awaited before the next call. */
async function repeat(run: Run, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const result = run();
    if (result instanceof Promise) await result;
  }
}

/** A tenth of the calls to warm up, then samples between equal shares of the rest. */
export async function soak(run: Run, calls: number, allowed: Bytes, samples = 24): Promise<Verdict> {
  const warm = Math.ceil(calls / 10);
  const share = Math.ceil((calls - warm) / samples);
  await repeat(run, warm);
  const taken: Sample[] = [await sample(warm)];
  for (let i = 1; i <= samples; i++) {
    await repeat(run, share);
    taken.push(await sample(warm + i * share));
  }
  return judge(taken, allowed);
}

/** The same call, which keeps 1 KiB each time: what the checker has to find. */
export function leaking(run: Run): Run {
  const kept: Uint8Array[] = [];
  return () => {
    // Written to, or it would not be resident.
    kept.push(new Uint8Array(1024).fill(1));
    return run();
  };
}

/** All cases in turn as one call. */
export const allCases: Run = async () => {
  for (const run of Object.values(soakCases)) await run();
};

/** What an object holds outside the heap: made in this size, and gone. */
interface Kind {
  /** Bytes that must be accounted while it is there. */
  readonly bytes: number;
  make(): unknown;
  /** Gives the memory back at once, where the object can. */
  dispose?(object: unknown): void;
}

const [rows, dim] = [64, 32];
const given = normalMatrix(rows, dim, 1);
const labels = Int32Array.from({ length: rows }, (_, i) => i % 8);

/** Small for the soak, larger to see the accounting. */
function kinds(scale: number): Readonly<Record<string, Kind>> {
  const [m, bytes] = [rows * scale, 4 * rows * scale * dim];
  const many = scale === 1 ? given : normalMatrix(m, dim, 1);
  return {
    ClassifierHead: {
      bytes: 2 * bytes,
      make() {
        const head = new ClassifierHead({ classes: m, dim, margin: cosFace(), optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }) });
        head.step(given, labels);
        return head;
      },
      dispose: (head) => (head as ClassifierHead).dispose(),
    },
    Gallery: {
      bytes,
      make() {
        const gallery = new Gallery(many);
        gallery.search(given, { k: 2 });
        return gallery;
      },
      dispose: (gallery) => (gallery as Gallery).dispose(),
    },
    CrossBatchMemory: {
      bytes: bytes + 4 * m,
      make() {
        const memory = new CrossBatchMemory({ capacity: m, dim });
        memory.enqueue(given, labels);
        return memory;
      },
    },
    Centers: {
      bytes,
      make() {
        const centers = new Centers({ classes: m, dim });
        centers.update(given, labels);
        return centers;
      },
    },
  };
}

/** Made and dropped, every second one disposed before where it can be. */
function cycle({ make, dispose }: Kind): Run {
  let made = 0;
  return () => {
    const object = make();
    if (made++ % 2 === 0) dispose?.(object);
  };
}

/** Accounted to the environment outside the heap; the memory of arrays is among it. */
async function outside(): Promise<number> {
  await collect();
  return externalMemory();
}

/** What an object holds is accounted as long as it is there: the collector has to know what a drop would free. Throws where it is not. */
export async function checkAccounting(print: (line: string) => void = () => {}): Promise<void> {
  for (const [name, { bytes, make, dispose }] of Object.entries(kinds(32))) {
    // Whatever the first one brings with it stays.
    make();
    for (const ended of dispose ? ['disposed', 'dropped'] : ['dropped']) {
      const before = await outside();
      const kept = [make()];
      const there = (await outside()) - before;
      // A gallery holds 8-bit copies besides its rows.
      if (there < bytes - small || there > 1.6 * bytes + mib) throw new Error(`a ${name} of ${bytes} bytes is accounted as ${there}`);
      // A disposed object is still there, and empty.
      if (ended === 'disposed') dispose?.(kept[0]);
      else kept.pop();
      const left = (await outside()) - before;
      if (Math.abs(left) > small) throw new Error(`${left} bytes stay accounted after a ${name} was ${ended}`);
      print(
        `${name}: ${(there / mib).toFixed(2)} MiB accounted, of which it must hold ${(bytes / mib).toFixed(2)}; ${left} bytes when ${ended}`,
      );
    }
  }
}

export interface SoakOptions {
  readonly calls: number;
  readonly objects: number;
}

/** An object of each kind, made and gone. */
export const objectCases: Readonly<Record<string, Run>> = Object.fromEntries(
  Object.entries(kinds(1)).map(([name, kind]) => [name, cycle(kind)]),
);

export const longSoak: SoakOptions = { calls: 100_000, objects: 10_000 };

/** In JavaScript 40 bytes a call; of what is resident 60, and room for an allocator's steps: one of 17 MiB was seen, flat over the 750,000 calls after it. */
const allowedFor = (calls: number): Bytes => ({
  heap: Math.max(40 * calls, mib / 2),
  external: Math.max(40 * calls, small),
  rss: Math.max(60 * calls, 24 * mib),
});
/** Of all cases together, after every one has run many times: less than a byte a call. */
const allowedInAll: Bytes = { heap: 4 * mib, external: mib, rss: 48 * mib };

const kib = (bytes: number): string => `${(bytes / 1024).toFixed(0)} KiB`;

/** Throws, with all of them, where cases or objects grow; the seeded leak has to be found. */
export async function soakAll({ calls, objects }: SoakOptions, print: (line: string) => void): Promise<void> {
  await checkAccounting(print);
  const faults: string[] = [];
  const verdicts = new Map<string, Verdict>();
  const examine = async (name: string, run: Run, times: number): Promise<void> => {
    const verdict = await soak(run, times, allowedFor(times));
    verdicts.set(name, verdict);
    faults.push(...verdict.leaks.map((leak) => `${name}: ${leak}`));
    if (verdicts.size % 20 === 0) print(`${verdicts.size} cases, ${faults.length} of them grow`);
  };
  // Code is compiled, pools and workspaces have their size.
  await repeat(allCases, 500);
  const start = await sample(0);
  for (const [name, run] of Object.entries(soakCases)) await examine(name, run, calls);
  const made = Object.entries(objectCases);
  for (const [name, run] of made) await examine(name, run, objects);
  const end = await sample(0);
  print(`${verdicts.size - made.length} cases × ${calls} calls, ${made.length} kinds of objects × ${objects}`);
  for (const memory of memories) {
    const [name, { growth }] = [...verdicts].reduce((a, b) => (b[1].growth[memory] > a[1].growth[memory] ? b : a));
    const inAll = end[memory] - start[memory];
    print(`${memory}: ${kib(inAll)} above the start; of one case at most ${kib(growth[memory])} (${name})`);
    if (inAll > allowedInAll[memory])
      faults.push(`all together: ${memory} grew by ${inAll} bytes where ${allowedInAll[memory]} are allowed`);
  }
  const allowed = allowedFor(calls);
  const seeded = await soak(leaking(soakCases['matmul'] as Run), calls, allowed);
  print(`a seeded leak of 1 KiB a call: ${seeded.leaks.join('; ') || 'not found'}`);
  // What is resident is told from an allocator's steps where calls are many.
  for (const memory of ['external', 'rss'] as const)
    if (512 * calls > allowed[memory] && seeded.growth[memory] <= allowed[memory]) faults.push(`the seeded leak is not seen in ${memory}`);
  if (faults.length > 0) throw new Error(`memory:\n${faults.join('\n')}`);
}
