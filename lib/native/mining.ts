// How the miners cross to the addon. It counts what a rule selects and then asks for room, so the result has its exact size and the limits and
// their errors are the reference's.
import {
  easyHardChoices,
  type MinePairsOp,
  type MineTripletsOp,
  miningStrategies,
  type PairOps,
  pairDistances,
  pairStrategies,
} from '../ops/pairs.js';
import { pairRoom, tripletRoom } from '../reference/mining.js';
import { floats, translated } from './calls.js';

type MinedRowsArguments = [x: Float32Array, labels: Int32Array, n: number, d: number, metric: number, normalize: boolean, strategy: number];

export interface MiningAddon {
  /** `room` returns where to write the triplets. */
  mineTriplets(...args: [...MinedRowsArguments, margin: number, seed: number, room: (selected: number) => Int32Array]): void;
  /** `room` returns where to write the pairs of one kind. */
  minePairs(
    ...args: [
      ...MinedRowsArguments,
      epsilon: number,
      posMargin: number,
      negMargin: number,
      positives: number,
      negatives: number,
      seed: number,
      room: (own: boolean, positive: number, negative: number) => Int32Array,
    ]
  ): void;
}

function rowsArguments(op: MineTripletsOp | MinePairsOp, strategies: readonly string[]): MinedRowsArguments {
  const { x, labels, n, d, distance, normalize, strategy } = op;
  return [floats(x), labels, n, d, pairDistances.indexOf(distance), normalize, strategies.indexOf(strategy)];
}

export function nativeMiners(addon: MiningAddon): Pick<PairOps, 'mineTriplets' | 'minePairs'> {
  return {
    mineTriplets: translated((op: MineTripletsOp) => {
      let triplets: Int32Array = new Int32Array(0);
      const room = (selected: number): Int32Array => {
        triplets = tripletRoom(op, selected);
        return triplets;
      };
      addon.mineTriplets(...rowsArguments(op, miningStrategies), op.margin, op.seed, room);
      return triplets;
    }),
    minePairs: translated((op: MinePairsOp) => {
      const pairs: { positive: Int32Array; negative: Int32Array } = { positive: new Int32Array(0), negative: new Int32Array(0) };
      const room = (own: boolean, positive: number, negative: number): Int32Array => {
        const kind = own ? 'positive' : 'negative';
        pairs[kind] = pairRoom(op, { positive, negative }, kind);
        return pairs[kind];
      };
      const { epsilon, posMargin, negMargin } = op;
      const [positives, negatives] = [easyHardChoices.indexOf(op.positives), easyHardChoices.indexOf(op.negatives)];
      addon.minePairs(...rowsArguments(op, pairStrategies), epsilon, posMargin, negMargin, positives, negatives, op.seed, room);
      return { positivePairs: pairs.positive, negativePairs: pairs.negative };
    }),
  };
}
