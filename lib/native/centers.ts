// What the ops of centers have in common, with centers of the caller's and with those that stay on a device.
import type { CenterLossOp, CenterReduction } from '../ops/centers.js';
import { floats } from './calls.js';

export function lossScale(reduction: CenterReduction, n: number): number {
  return (reduction === 'mean' ? 1 : 0.5) / (reduction === 'halfSum' ? 1 : Math.max(n, 1));
}

export function centerGradients({ gradX, gradCenters }: Pick<CenterLossOp, 'gradX' | 'gradCenters'>) {
  return [gradX && floats(gradX), gradCenters && floats(gradCenters)] as const;
}
