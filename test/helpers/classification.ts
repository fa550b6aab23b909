// A small batch for the ops of the reference in float64, and every way of reducing its loss.

const [n, classes] = [5, 6];
/** One row is ignored, one class has two rows. */
export const base = {
  labels: Int32Array.of(2, 0, -5, 5, 2),
  n,
  classes,
  labelSmoothing: 0,
  ignoreIndex: -5,
  perExample: new Float64Array(n),
};

/** Those that a loss without softmax has too. */
export const plainReductions = [
  { name: 'mean', options: { reduction: 'mean' as const } },
  { name: 'sum', options: { reduction: 'sum' as const } },
  { name: 'none with upstream gradients', options: { reduction: 'none' as const, gradOutput: Float64Array.of(1, -2, 3, 0.5, 0.1) } },
];

export const reductions = [
  ...plainReductions,
  { name: 'sum, smoothed', options: { reduction: 'sum' as const, labelSmoothing: 0.2 } },
  {
    name: 'mean, weighted and smoothed',
    options: { reduction: 'mean' as const, labelSmoothing: 0.1, classWeights: Float64Array.of(1, 2, 0, 0.5, 3, 1) },
  },
];
