// Head and centers on disk, consistent with each other whenever the process is killed.
//
// The rule: a folder `step-<number>` is whole. Its files are written and flushed in a folder `partial-<number>`, which is renamed only then and
// becomes visible at once with both files; the newest such folder is where training goes on. A folder is renamed back before it is removed, and what
// is called `partial-…` at the start was interrupted and goes. The one before the newest is kept too. One process a folder.
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ClassifierHead, type Matrix } from 'hypersphere';
import { readEmbeddings, writeNpy } from 'hypersphere/files';

const kept = 2;
const nameOf = (steps: number): string => `step-${String(steps).padStart(12, '0')}`;

async function flush(path: string, flags: 'r' | 'r+'): Promise<void> {
  const handle = await open(path, flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The names in a folder; Windows opens no folders, and needs none flushed. */
async function flushFolder(path: string): Promise<void> {
  if (process.platform !== 'win32') await flush(path, 'r');
}

/** The whole checkpoints of the folder, oldest first. */
async function found(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => /^step-\d{12}$/.test(name)).sort();
}

async function remove(folder: string, name: string): Promise<void> {
  const partial = join(folder, name.replace('step', 'partial'));
  if (partial !== join(folder, name)) await rename(join(folder, name), partial);
  await rm(partial, { recursive: true, force: true });
}

/** Saves both; a second save at the same step changes nothing. */
export async function saveCheckpoint(folder: string, head: ClassifierHead, centers: Matrix): Promise<void> {
  const name = nameOf(head.steps);
  if (!(await found(folder)).includes(name)) {
    const partial = join(folder, name.replace('step', 'partial'));
    await rm(partial, { recursive: true, force: true });
    await mkdir(partial);
    await head.save(join(partial, 'head.safetensors'));
    await writeNpy(join(partial, 'centers.npy'), centers);
    await flush(join(partial, 'centers.npy'), 'r+');
    await flushFolder(partial);
    await rename(partial, join(folder, name));
    await flushFolder(folder);
  }
  for (const old of (await found(folder)).slice(0, -kept)) await remove(folder, old);
}

/** Makes the folder ready, and reads the newest checkpoint; undefined where there is none yet. */
export async function loadCheckpoint(folder: string): Promise<{ readonly head: ClassifierHead; readonly centers: Matrix } | undefined> {
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder)) if (name.startsWith('partial-')) await remove(folder, name);
  const newest = (await found(folder)).at(-1);
  if (newest === undefined) return undefined;
  const head = await ClassifierHead.load(join(folder, newest, 'head.safetensors'));
  return { head, centers: await readEmbeddings(join(folder, newest, 'centers.npy')) };
}
