import { checkChoice } from '../checks.js';
import { describe, failure, HypersphereError } from '../errors.js';
import type { Margin } from './types.js';

type Factory<Made> = (parameters: never) => Made;

/** Checks a margin that may have come from JSON by passing its parameters through the factory of its kind, one of these. */
export function remakeBy<Made extends Margin>(
  factories: { readonly [Kind in Made['kind']]: Factory<Made> },
  margin: Made,
  argument: string,
): Made {
  if (typeof margin !== 'object' || margin === null) throw failure('ERR_TYPE', argument, 'a margin such as arcFace()', describe(margin));
  const { kind, ...parameters } = margin;
  const kinds = Object.keys(factories) as Made['kind'][];
  const factory = factories[checkChoice(`${argument}.kind`, kind, kinds)];
  try {
    return factory(parameters as never);
  } catch (error) {
    if (!(error instanceof HypersphereError)) throw error;
    const { code, expected, received } = error;
    // The factory speaks of its own arguments; here they are the margin's.
    throw failure(code, `${argument}.${error.argument.replace(/^options\./, '')}`, expected, received);
  }
}
