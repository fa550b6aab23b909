// What the device has, over what the CPU has of the addon.
import type { NativeOps } from './binding.js';
import type { SharedOps } from './shared.js';

/** The forms of an op that the device has no kernel for stay on the CPU, as ops without one do. */
export function deviceOps(device: SharedOps, cpu: NativeOps): NativeOps {
  return {
    ...cpu,
    ...device,
    batchTripletLoss: (op) => (op.swap ? cpu : device).batchTripletLoss(op),
  };
}
