// A process that saves its head without pause is killed at random moments; after every kill the file must be one whole save.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ClassifierHead, createRandom } from '../../lib/index.js';

// A step changes every weight to its number, so that a mixture of two saves would show.
const program = (path: string): string => `
  import { ClassifierHead, cosFace } from 'hypersphere';
  const path = ${JSON.stringify(path)};
  const x = { data: Float32Array.from({ length: 64 }, (_, i) => Math.sin(i)), shape: [1, 64] };
  const head = await ClassifierHead.load(path).catch((error) => {
    if (error.code !== 'ENOENT') throw error;
    return new ClassifierHead({ classes: 4096, dim: 64, margin: cosFace(), sampleRate: 0.01 });
  });
  console.log('ready');
  for (;;) {
    head.step(x, [0]);
    head.weights.data.fill(head.steps);
    await head.save(path);
    console.log('saved');
  }
`;

export interface Killed {
  /** Saves that were found, by the number of steps. */
  readonly saves: number;
  /** Kills that came in the middle of a save: each left a temporary file. */
  readonly interrupted: number;
}

/**
 * Kills so many times, in this empty folder; throws where a file is torn, older than the one before, or gone. The child runs the built
 * package of the current folder.
 */
export async function killSaves(rounds: number, folder: string, seed: number): Promise<Killed> {
  if (!existsSync('dist/esm/index.js')) throw new Error('this uses the built package: npm run build:dist');
  const random = createRandom(seed);
  const path = join(folder, 'head.safetensors');
  let saves = 0;
  let interrupted = 0;
  for (let round = 0; round < rounds; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program(path)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, HYPERSPHERE_BACKEND: 'ts' },
    });
    const closed = once(child, 'close');
    const said = async (): Promise<void> => {
      const spoke = await Promise.race([once(child.stdout, 'data').then(() => true), closed.then(() => false)]);
      if (!spoke) throw new Error(`round ${round}: the process ended by itself`);
    };
    await said();
    const start = performance.now();
    await said();
    // Anywhere in the next save or two.
    await sleep(1.5 * (performance.now() - start) * random.next());
    child.kill('SIGKILL');
    await closed;
    const head = await ClassifierHead.load(path);
    if (head.steps < saves) throw new Error(`round ${round}: step ${head.steps} after ${saves}`);
    if (!head.weights.data.every((w) => w === head.steps)) throw new Error(`round ${round}: weights of more than one save`);
    saves = head.steps;
    const left = (await readdir(folder)).filter((name) => name.endsWith('.tmp'));
    interrupted += left.length;
    for (const name of left) await unlink(join(folder, name));
  }
  return { saves, interrupted };
}
