// `hypersphere mine`: triplets of a data set in files, written as .npy. A .npy of float32 is read by pieces and never in memory as a whole.
import { access, constants, stat } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import { writeNpy } from '../files/index.js';
import { NpyFile } from '../files/npy-file.js';
import { HypersphereError, type MineTripletsOfflineOptions, mineTripletsOffline } from '../index.js';
import { type InputFlags, interruptedCode, interruptible, readInputs, readLabelsFor, UsageError } from './inputs.js';
import { withProgress } from './progress.js';

export interface MineFlags
  extends InputFlags,
    Pick<MineTripletsOfflineOptions, 'strategy' | 'distance' | 'margin' | 'anchors' | 'candidates' | 'seed' | 'maxTriplets'> {
  readonly out: string;
  readonly json?: boolean;
  readonly normalize: boolean;
}

const miningFlags = ['strategy', 'distance', 'normalize', 'margin', 'anchors', 'candidates', 'seed', 'maxTriplets'] as const;

/** Whether the file's rows can be read where they lie. */
async function inPlace(path: string): Promise<boolean> {
  if (extname(path).toLowerCase() !== '.npy') return false;
  try {
    await (await NpyFile.open(path, 'source')).close();
    return true;
  } catch (error) {
    if (error instanceof HypersphereError) return false;
    throw error;
  }
}

/** Told before a search that may take hours. */
async function checkWritable(out: string): Promise<void> {
  if (extname(out).toLowerCase() !== '.npy') throw new UsageError(`--out ${out}: expected a file that ends in .npy`);
  const found = await stat(out).catch(() => undefined);
  if (found?.isDirectory()) throw new UsageError(`--out ${out}: expected a file, got a folder`);
  await access(found ? out : dirname(out), constants.W_OK);
}

export async function mineCommand(path: string, { out, json, ...flags }: MineFlags): Promise<void> {
  const options = Object.fromEntries(miningFlags.filter((name) => flags[name] !== undefined).map((name) => [name, flags[name]]));
  await checkWritable(out);
  const source = (await inPlace(path)) ? { x: path, labels: (await readLabelsFor(path, flags)).labels } : await readInputs(path, flags);
  const signal = interruptible();
  try {
    const found = await withProgress(1000, '‰ of the search', async (advance) => {
      let done = 0;
      return mineTripletsOffline(source.x, source.labels, {
        ...options,
        signal,
        onProgress: ({ fraction }) => {
          const now = Math.floor(1000 * fraction);
          advance(now - done);
          done = now;
        },
      });
    });
    await writeNpy(out, found.triplets);
    const { triplets, ...counts } = found;
    const facts = { out, triplets: triplets.shape[0], ...counts };
    if (json) console.log(JSON.stringify(facts));
    else
      console.log(
        `${facts.triplets} triplets of ${facts.anchors} anchors to ${out} (int32: anchor, positive, negative); ${facts.withoutNegative} of ${facts.pairs} pairs have no such negative, ${facts.withoutPositive} rows no positive.`,
      );
  } catch (error) {
    if (!signal.aborted) throw error;
    console.error('hypersphere: interrupted; nothing is written');
    process.exitCode = interruptedCode;
  }
}
