import { checkInteger, checkNumber, checkOptions } from '../checks.js';
import { mostCenters } from './columns.js';
import { factorRange, temperatureRange } from './ranges.js';
import type { SoftTripleMargin } from './types.js';

export interface SoftTripleOptions {
  /** Centers a class, in [1, 256], default 10: weights are [C·k, D], rows j·k … j·k + k − 1 of class j. */
  readonly k?: number;
  /** Scale λ of the similarities, in (0, 1e6), default 20. */
  readonly la?: number;
  /** Temperature of the softmax over a class's centers, ≥ 1e-30, default 0.1. */
  readonly gamma?: number;
  /** δ ≥ 0, taken from the target's similarity, default 0.01. */
  readonly margin?: number;
}

/**
 * SoftTriple (Qian et al., ICCV 2019) without its regulariser on the centers: S_j = Σ_r softmax_r(cosθ_jr / gamma) cosθ_jr,
 * logits la·(S_j − margin·[j = y]). Defaults are the paper's and pytorch-metric-learning's.
 * @throws ERR_TYPE, ERR_OPTION_RANGE
 */
export function softTriple(options: SoftTripleOptions = {}): SoftTripleMargin {
  options = checkOptions(options, ['k', 'la', 'gamma', 'margin']);
  return Object.freeze({
    kind: 'softTriple',
    k: checkInteger('options.k', options.k ?? 10, 1, mostCenters),
    la: checkNumber('options.la', options.la ?? 20, factorRange),
    gamma: checkNumber('options.gamma', options.gamma ?? 0.1, temperatureRange),
    margin: checkNumber('options.margin', options.margin ?? 0.01, { min: 0 }),
  });
}
