// Margins and optimizers are data, and may have come from JSON: each is what the factory of its kind makes of its parameters.
import { checkChoice } from './checks.js';
import { describe, failure, HypersphereError } from './errors.js';

type Factories<Made extends { readonly kind: string }> = { readonly [Kind in Made['kind']]: (parameters: never) => Made };

/**
 * Checks one by passing its parameters through the factory of its kind.
 * @param expected one of them, in words
 */
export function remakeBy<Made extends { readonly kind: string }>(
  factories: Factories<Made>,
  made: Made,
  argument: string,
  expected: string,
): Made {
  if (typeof made !== 'object' || made === null) throw failure('ERR_TYPE', argument, expected, describe(made));
  const { kind, ...parameters } = made;
  const kinds = Object.keys(factories) as Made['kind'][];
  const factory = factories[checkChoice(`${argument}.kind`, kind, kinds)];
  try {
    return factory(parameters as never);
  } catch (error) {
    if (!(error instanceof HypersphereError)) throw error;
    // The factory speaks of its own arguments; here they are the object's.
    throw failure(error.code, `${argument}.${error.argument.replace(/^options\./, '')}`, error.expected, error.received);
  }
}
