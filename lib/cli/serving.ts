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
  const can = (choose: () => void): boolean => {
    try {
      choose();
      return true;
    } catch (error) {
      if (!(error instanceof HypersphereError)) throw error;
      return false;
    }
  };
  const lacks = (name: BackendName | Isa): void => {
    const reasons: Partial<Record<string, string>> = info().unavailable;
    missing.push([name, reasons[name] ?? 'no level of this CPU']);
  };
  const offer = (name: BackendName | Isa, choose: () => void): void => {
    if (can(choose)) serving.push([name, choose]);
    else lacks(name);
  };
  const use = (backend: BackendName): void => setBackend(backend);
  offer('cuda', () => use('cuda'));
  if (can(() => use('native'))) {
    const own = info().isa;
    const first = levels.indexOf(own as Isa);
    for (const isa of levels.slice(first)) {
      offer(isa, () => {
        use('native');
        setIsa(isa);
      });
    }
    if (own) setIsa(own);
  } else lacks('native');
  return { serving, missing };
}
