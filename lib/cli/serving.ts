// What can compute on this machine beside the reference.
import { type BackendName, HypersphereError, type Isa, info, setBackend, setIsa } from '../index.js';

const levels: readonly Isa[] = ['avx512', 'avx2', 'neon', 'baseline'];

export interface Serving {
  /** Instruction set, or `cuda`, with what chooses it. */
  readonly serving: readonly (readonly [level: string, choose: () => void])[];
  readonly missing: readonly (readonly [name: string, reason: string])[];
}

/** Backends and levels, slowest last. Which one serves afterwards is the caller's to restore. */
export function servingHere(): Serving {
  const serving: [string, () => void][] = [];
  const missing: [string, string][] = [];
  const can = (choose: () => void): string | undefined => {
    try {
      choose();
      return undefined;
    } catch (error) {
      if (!(error instanceof HypersphereError)) throw error;
      return error.received;
    }
  };
  const offer = (name: string, choose: () => void): void => {
    const reason = can(choose);
    if (reason === undefined) serving.push([name, choose]);
    else missing.push([name, reason]);
  };
  const use = (backend: BackendName): void => setBackend(backend);
  offer('cuda', () => use('cuda'));
  const noNative = can(() => use('native'));
  if (noNative === undefined) {
    const own = info().isa;
    const first = levels.indexOf(own as Isa);
    for (const isa of levels.slice(first)) {
      offer(isa, () => {
        use('native');
        setIsa(isa);
      });
    }
    if (own) setIsa(own);
  } else missing.push(['native', noNative]);
  return { serving, missing };
}
