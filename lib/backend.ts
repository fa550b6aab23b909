// The one seam between the face and the arithmetic: every op goes through `backend(op)`, so a backend can be
// swapped, forced and asked who served. The TypeScript reference is always there.
import { checkChoice } from './checks.js';
import { failure } from './errors.js';
import type { CenterOps } from './ops/centers.js';
import type { DistanceOps } from './ops/distances.js';
import type { PairOps } from './ops/pairs.js';
import type { SoftmaxOps } from './ops/softmax.js';
import { reference } from './reference/index.js';

/** Everything a backend computes. Arguments come checked and resolved; outputs come allocated. */
export interface Backend extends DistanceOps, PairOps, CenterOps, SoftmaxOps {}
export type BackendName = 'ts' | 'native' | 'cuda';

const backendNames = ['ts', 'native', 'cuda'] as const;

interface State {
  chosen: BackendName;
  served: BackendName | undefined;
}
// On globalThis so that the ESM and the CommonJS copy of the package agree.
const key = Symbol.for('hypersphere.backend');
const shared = globalThis as { [key]?: State };
shared[key] ??= { chosen: 'ts', served: undefined };
const state = shared[key];
const absent = 'this build has the TypeScript backend only';

function available(argument: string, name: unknown): BackendName {
  const choice = checkChoice(argument, name, backendNames);
  if (choice !== 'ts') throw failure('ERR_NO_DEVICE', argument, 'an available backend', `'${choice}': ${absent}`);
  return choice;
}

const wanted = process.env['HYPERSPHERE_BACKEND'];
if (wanted) state.chosen = available('HYPERSPHERE_BACKEND', wanted);

/** The backend that serves; internal to the package. */
export function backend(): Backend {
  state.served = state.chosen;
  return reference;
}

/** Which backend served the last op: lets a test notice a silent change. Internal. */
export function lastServedBy(): BackendName | undefined {
  return state.served;
}

/**
 * Chooses the backend for all later calls.
 * @throws ERR_OPTION_RANGE for an unknown name, ERR_NO_DEVICE when it cannot run here
 */
export function setBackend(name: BackendName): void {
  state.chosen = available('name', name);
}

export interface Info {
  readonly backend: BackendName;
  /** Backends that cannot serve here, and why. */
  readonly unavailable: Readonly<Partial<Record<BackendName, string>>>;
}

/** What computes here, and why nothing faster does. */
export function info(): Info {
  return { backend: state.chosen, unavailable: { native: absent, cuda: absent } };
}
