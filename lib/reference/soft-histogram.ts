// Histograms with triangular bins: a value is shared between the two nodes around it in proportion to its nearness, so that
// counts have a derivative.

export interface SoftBins {
  /** Adds the shares of a value to the counts of the bins + 1 nodes. */
  readonly add: (counts: Float64Array, value: number) => void;
  /** Σ derivatives·∂shares/∂value: a constant between two nodes; at a node, that of the side above it. */
  readonly slope: (derivatives: Float64Array, value: number) => number;
}

/** Nodes at low, …, high in equal steps. A value beyond the ends, by rounding, counts as the end. */
export function softBins(low: number, high: number, bins: number): SoftBins {
  const width = (high - low) / bins;
  const placeOf = (value: number): number => Math.max(0, Math.min(bins, (value - low) / width));
  const lowerOf = (place: number): number => Math.min(Math.floor(place), bins - 1);
  return {
    add: (counts, value) => {
      const place = placeOf(value);
      const lower = lowerOf(place);
      counts[lower] = (counts[lower] as number) + (1 - (place - lower));
      counts[lower + 1] = (counts[lower + 1] as number) + (place - lower);
    },
    slope: (derivatives, value) => {
      const lower = lowerOf(placeOf(value));
      return ((derivatives[lower + 1] as number) - (derivatives[lower] as number)) / width;
    },
  };
}
