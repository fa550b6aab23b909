// An .npz archive: a zip of .npy files, stored or deflated.
import { readFile, stat } from 'node:fs/promises';
import { failure } from '../errors.js';
import { malformed, type ReadAt } from './npy-header.js';
import { type ZipMember, zipMembers } from './zip.js';

/** Of an archive, and of what one member inflates to: as long as one of Node's buffers may safely be. */
const mostBytes = 2 ** 31 - 1;
const ending = '.npy';

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

/** Rejects with ERR_FORMAT for what is no sound zip archive, ERR_OUT_OF_MEMORY beyond 2 GiB, ERR_OPTION_RANGE for a name that is not there. */
export async function openNpz(path: string, array: string | undefined, usual: readonly string[]): Promise<Member> {
  const { size } = await stat(path);
  if (size > mostBytes)
    throw failure('ERR_OUT_OF_MEMORY', 'path', `an archive of at most ${mostBytes} bytes (a .npy file may be longer)`, `${size}`);
  const members = zipMembers(await readFile(path));
  const names = [...members.keys()].filter((name) => name.endsWith(ending)).map((name) => name.slice(0, -ending.length));
  const name = chosen(names, array, usual);
  const member = members.get(name + ending) as ZipMember;
  if (member.size > mostBytes) throw failure('ERR_OUT_OF_MEMORY', 'path', `an array of at most ${mostBytes} bytes`, `${member.size}`);
  const bytes = member.bytes();
  return { name, size: bytes.length, read: readerOf(bytes) };
}
