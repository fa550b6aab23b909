// What the device has, over what the CPU has of the addon.
import type { TripletOp } from '../ops/pairs.js';
import type { NativeOps } from './binding.js';
import type { SharedOps } from './shared.js';

/** As native/ops/given_rows.cc decides which kernel serves. */
function hasPlainNorm({ p, eps }: TripletOp): boolean {
  const rounded = Math.fround(eps);
  return p === 2 && (eps === 0 || (rounded > 0 && rounded < Infinity));
}

/** The forms of an op that the device has no kernel for stay on the CPU, as ops without one do. */
export function deviceOps(device: SharedOps, cpu: NativeOps): NativeOps {
  return {
    ...cpu,
    ...device,
    tripletLoss: (op) => (hasPlainNorm(op) ? device : cpu).tripletLoss(op),
  };
}
