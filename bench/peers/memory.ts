// Memory that a call takes beyond its inputs and outputs, which are there and touched before.
import { readFileSync, writeFileSync } from 'node:fs';
import { workspacePeak } from '../../lib/backend.js';

/** Resident pages in MiB: now, and the most since `resetMost`. */
function resident(): { readonly now: number; readonly most: number } {
  const status = readFileSync('/proc/self/status', 'utf8');
  const of = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
  return { now: of('VmRSS'), most: of('VmHWM') };
}

/**
 * Of the native backend its own account of scratch memory, exact and the same each time; a copy of labels (4 bytes a row) is not in it.
 * Of anything else what the resident pages grow by at most during one call, which only Linux tells.
 */
export async function extraMiB(call: () => unknown): Promise<number | null> {
  if (workspacePeak() !== undefined) {
    await call();
    return (workspacePeak() as number) / 2 ** 20;
  }
  try {
    writeFileSync('/proc/self/clear_refs', '5');
    const before = resident().now;
    await call();
    return Math.max(resident().most - before, 0);
  } catch {
    return null;
  }
}
