import { checkChoice } from '../checks.js';
import { failure, HypersphereError } from '../errors.js';
import { aSoftmax } from './a-softmax.js';
import { arcFace } from './arcface.js';
import { combinedMargin } from './combined-margin.js';
import { cosFace } from './cosface.js';
import { lSoftmax } from './l-softmax.js';
import { normalizedSoftmax } from './normalized-softmax.js';
import type { Margin } from './types.js';

const factories = { normalizedSoftmax, lSoftmax, aSoftmax, cosFace, arcFace, combinedMargin };
const kinds = Object.keys(factories) as Margin['kind'][];

/** Checks a margin that may have come from JSON by passing its parameters through its own factory. */
export function remake(margin: Margin): Margin {
  const { kind, ...parameters } = margin;
  const factory = factories[checkChoice('options.margin.kind', kind, kinds)] as (options: object) => Margin;
  try {
    return factory(parameters);
  } catch (error) {
    if (!(error instanceof HypersphereError)) throw error;
    const { code, argument, expected, received } = error;
    // The factory speaks of its own options; here they are the margin's.
    throw failure(code, argument.replace('options', 'options.margin'), expected, received);
  }
}

export { arcFace, aSoftmax, combinedMargin, cosFace, lSoftmax, normalizedSoftmax };
