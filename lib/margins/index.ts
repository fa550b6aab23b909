import { checkChoice } from '../checks.js';
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
  return factory(parameters);
}

export { arcFace, aSoftmax, combinedMargin, cosFace, lSoftmax, normalizedSoftmax };
