// Who computes which call of the native backend: the addon, several of its ops put together, or the reference, where a form of an op lies beyond
// what the addon's float32 holds.
import type { Backend } from '../backend.js';
import {
  hasBatchContrastive,
  hasCircle,
  hasHistogram,
  hasLiftedStructure,
  hasMarginLoss,
  hasMultiSimilarity,
  hasNca,
  hasPnp,
  hasRankedList,
  hasTemperature,
  hasTupletMargin,
} from './batch-losses.js';
import type { Addon, NativeOps } from './binding.js';
import { hasInfoNce, hasNPairs, matchedLosses } from './matched-rows.js';
import { hasBatchTriplet } from './pairs.js';
import { hasProxyAnchor, hasProxyNca, proxyNca } from './proxies.js';
import { hasVicReg, vicReg } from './vicreg.js';

type Forms = { readonly [Name in keyof Backend]?: (op: Parameters<Backend[Name]>[0]) => boolean };

/** Whether the addon has this form of the op; what is not named here it has in every form. */
const forms: Forms = {
  batchTripletLoss: hasBatchTriplet,
  batchContrastiveLoss: hasBatchContrastive,
  supConLoss: hasTemperature,
  ntXentLoss: hasTemperature,
  circleLoss: hasCircle,
  multiSimilarityLoss: hasMultiSimilarity,
  pnpLoss: hasPnp,
  ncaLoss: hasNca,
  liftedStructureLoss: hasLiftedStructure,
  tupletMarginLoss: hasTupletMargin,
  rankedListLoss: hasRankedList,
  marginLoss: hasMarginLoss,
  histogramLoss: hasHistogram,
  infoNceLoss: hasInfoNce,
  nPairsLoss: hasNPairs,
  proxyAnchorLoss: hasProxyAnchor,
  proxyNcaLoss: hasProxyNca,
  vicRegLoss: hasVicReg,
};

type Run = (op: unknown) => unknown;

const outputs = ['perExample', 'gradX', 'gradY', 'gradAnchors', 'gradPositives', 'gradProxies'];

/** At one level, and with nothing written where a later part fails. Logits, which are large, are the last part of an op that has them. */
function inOneGo(run: Run, atOneLevel: Addon['atOneLevel']): Run {
  return (op) => {
    const given = Object.entries(op as Readonly<Record<string, unknown>>).filter(([name, value]) => value && outputs.includes(name));
    const made = given.map(([name, target]) => ({
      name,
      target: target as Float32Array,
      values: new Float32Array((target as Float32Array).length),
    }));
    const ownOp = { ...(op as object), ...Object.fromEntries(made.map(({ name, values }) => [name, values])) };
    const result = atOneLevel(() => run(ownOp));
    for (const { target, values } of made) target.set(values);
    return result;
  };
}

/** The addon's ops over those of the reference, which has what the addon does not. */
export function nativeBackend(addon: NativeOps, reference: Backend, atOneLevel: Addon['atOneLevel']): Backend {
  const composed: Partial<Backend> = {
    ...matchedLosses(addon),
    proxyNcaLoss: (op) => proxyNca(addon, op),
    vicRegLoss: (op) => vicReg(addon, op),
  };
  const whole = Object.entries(composed).map(([name, run]): [string, Run] => [name, inOneGo(run as Run, atOneLevel)]);
  const all: Record<string, Run> = { ...reference, ...addon, ...Object.fromEntries(whole) } as never;
  const exact = reference as unknown as Record<string, Run>;
  const chosen = Object.entries(forms).map(([name, has]): [string, Run] => [
    name,
    (op) => ((has as (op: unknown) => boolean)(op) ? all[name] : exact[name])?.(op),
  ]);
  return { ...all, ...Object.fromEntries(chosen) } as never;
}
