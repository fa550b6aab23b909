// An .npz archive: a zip of .npy files, stored or deflated.
import { readFile, stat } from 'node:fs/promises';
import { failure } from '../errors.js';
import { malformed, type ReadAt } from './npy-header.js';
import { optional } from './packages.js';

/** Of an archive, and of what one member inflates to: as long as one of Node's buffers may safely be. */
const mostBytes = 2 ** 31 - 1;

export interface Member {
  readonly name: string;
  readonly size: number;
  readonly read: ReadAt;
}

/** Reads from bytes in memory. */
function readerOf(bytes: Uint8Array): ReadAt {
  return async (into, position) => {
    if (position + into.length > bytes.length) throw malformed('path', 'a whole array', `an end at byte ${bytes.length}`);
    into.set(bytes.subarray(position, position + into.length));
  };
}

/** The array that is called so, else the only one, else one of the `usual` names. */
function chosen(names: readonly string[], array: string | undefined, usual: readonly string[]): string {
  const wanted = array === undefined ? (names.length === 1 ? names : usual) : [array];
  const found = wanted.find((name) => names.includes(name));
  if (found !== undefined) return found;
  const listed = names.map((name) => `'${name}'`).join(', ') || 'no array';
  throw failure(
    'ERR_OPTION_RANGE',
    'options.array',
    'the name of an array in the archive',
    array === undefined ? `${listed} and none named` : `'${array}' beside ${listed}`,
  );
}

/** Rejects with ERR_FORMAT for what is no zip archive, ERR_OUT_OF_MEMORY beyond 2 GiB, ERR_OPTION_RANGE for a name that is not there. */
export async function openNpz(path: string, array: string | undefined, usual: readonly string[]): Promise<Member> {
  const { unzipSync } = await optional('fflate', '.npz', () => import('fflate'));
  const { size } = await stat(path);
  if (size > mostBytes)
    throw failure('ERR_OUT_OF_MEMORY', 'path', `an archive of at most ${mostBytes} bytes (a .npy file may be longer)`, `${size}`);
  const archive = await readFile(path);
  const unzipped = (filter: (file: { readonly name: string; readonly originalSize: number }) => boolean): Record<string, Uint8Array> => {
    try {
      return unzipSync(archive, { filter });
    } catch (error) {
      throw malformed('path', 'a sound .npz archive', (error as Error).message);
    }
  };
  const sizes = new Map<string, number>();
  unzipped(({ name, originalSize }) => {
    if (name.endsWith('.npy')) sizes.set(name.slice(0, -'.npy'.length), originalSize);
    return false;
  });
  const name = chosen([...sizes.keys()], array, usual);
  const claimed = sizes.get(name) as number;
  if (claimed > mostBytes) throw failure('ERR_OUT_OF_MEMORY', 'path', `an array of at most ${mostBytes} bytes`, `${claimed}`);
  const bytes = unzipped((file) => file.name === `${name}.npy`)[`${name}.npy`];
  if (!bytes) throw malformed('path', 'a sound .npz archive', `no member '${name}.npy'`);
  return { name, size: bytes.length, read: readerOf(bytes) };
}
