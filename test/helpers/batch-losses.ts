// The losses over one labelled batch by name, each in one form: what holds for all of them is tested over this table. Scales and
// temperatures are mild, so that a rounding of the inputs moves no loss by more than 32 times as much.
import * as hs from '../../lib/index.js';

type Result = hs.OptionalGradients<hs.BatchLossResult> & { readonly perExample?: Float32Array; readonly gradBeta?: Float32Array };
export interface BatchLoss {
  readonly name: string;
  /** What a batch must have for a loss other than 0. */
  readonly needs: 'both' | 'pairs';
  /** Whether lengths of rows do not matter. */
  readonly unit: boolean;
  readonly run: (x: hs.Matrix, labels: hs.Labels, options?: { gradients?: boolean; out?: { gradEmbeddings?: hs.Matrix } }) => Result;
}

const beta = Float32Array.of(1.1);
export const batchLosses: readonly BatchLoss[] = [
  { name: 'supConLoss', needs: 'both', unit: true, run: (x, y, o) => hs.supConLoss(x, y, o) },
  { name: 'ntXentLoss', needs: 'both', unit: true, run: (x, y, o) => hs.ntXentLoss(x, y, { ...o, temperature: 0.2 }) },
  { name: 'circleLoss', needs: 'both', unit: true, run: (x, y, o) => hs.circleLoss(x, y, { ...o, gamma: 4 }) },
  { name: 'multiSimilarityLoss', needs: 'pairs', unit: true, run: (x, y, o) => hs.multiSimilarityLoss(x, y, { ...o, beta: 8 }) },
  {
    name: 'multiSimilarityLoss of mined pairs',
    needs: 'both',
    unit: true,
    run: (x, y, o) => hs.multiSimilarityLoss(x, y, { ...o, beta: 8, epsilon: 0.5 }),
  },
  { name: 'liftedStructureLoss', needs: 'both', unit: true, run: (x, y, o) => hs.liftedStructureLoss(x, y, o) },
  {
    name: 'liftedStructureLoss of raw rows',
    needs: 'both',
    unit: false,
    run: (x, y, o) => hs.liftedStructureLoss(x, y, { ...o, normalize: false }),
  },
  {
    name: 'liftedStructureLoss generalized',
    needs: 'pairs',
    unit: true,
    run: (x, y, o) => hs.liftedStructureLoss(x, y, { ...o, generalized: true }),
  },
  {
    name: 'liftedStructureLoss generalized of raw rows',
    needs: 'pairs',
    unit: false,
    run: (x, y, o) => hs.liftedStructureLoss(x, y, { ...o, generalized: true, normalize: false }),
  },
  { name: 'ncaLoss', needs: 'both', unit: true, run: (x, y, o) => hs.ncaLoss(x, y, { ...o, scale: 2 }) },
  { name: 'ncaLoss of raw rows', needs: 'both', unit: false, run: (x, y, o) => hs.ncaLoss(x, y, { ...o, scale: 0.2, normalize: false }) },
  { name: 'angularLoss', needs: 'both', unit: true, run: (x, y, o) => hs.angularLoss(x, y, o) },
  { name: 'fastApLoss', needs: 'both', unit: true, run: (x, y, o) => hs.fastApLoss(x, y, o) },
  { name: 'marginLoss', needs: 'both', unit: true, run: (x, y, o) => hs.marginLoss(x, y, beta, { ...o, nu: 0.1 }) },
  { name: 'marginLoss of raw rows', needs: 'both', unit: false, run: (x, y, o) => hs.marginLoss(x, y, beta, { ...o, normalize: false }) },
  { name: 'intraPairVarianceLoss', needs: 'pairs', unit: true, run: (x, y, o) => hs.intraPairVarianceLoss(x, y, o) },
  { name: 'tupletMarginLoss', needs: 'both', unit: true, run: (x, y, o) => hs.tupletMarginLoss(x, y, { ...o, s: 8 }) },
  { name: 'histogramLoss', needs: 'both', unit: true, run: (x, y, o) => hs.histogramLoss(x, y, { ...o, numBins: 10 }) },
  ...(['O', 'Ds', 'Dq', 'Iu', 'Ib'] as const).map(
    (variant): BatchLoss => ({
      name: `pnpLoss ${variant}`,
      needs: 'both',
      unit: true,
      run: (x, y, o) => hs.pnpLoss(x, y, { ...o, variant, anneal: 0.5 }),
    }),
  ),
  { name: 'rankedListLoss', needs: 'pairs', unit: true, run: (x, y, o) => hs.rankedListLoss(x, y, { ...o, tPos: 2, tNeg: 3 }) },
  { name: 'tcmLoss', needs: 'pairs', unit: true, run: (x, y, o) => hs.tcmLoss(x, y, { ...o, marginMinus: 0.2 }) },
];
