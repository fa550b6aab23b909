import { checkLabels, type Labels } from '../checks.js';

export interface Clustering {
  /** Mutual information over the arithmetic mean of the two entropies; 1 if both are 0. */
  readonly nmi: number;
  /** Share of rows whose class is their cluster's most frequent one. */
  readonly purity: number;
}

/**
 * How well clusters match classes.
 * @param labelsTrue [N] classes
 * @param labelsPredicted [N] clusters
 * @throws ERR_TYPE, ERR_SHAPE, ERR_LABEL_RANGE
 */
export function clustering(labelsTrue: Labels, labelsPredicted: Labels): Clustering {
  const truth = checkLabels('labelsTrue', labelsTrue);
  const predicted = checkLabels('labelsPredicted', labelsPredicted, truth.length);
  const n = truth.length;
  const [classes, clusters, cells] = [new Map<number, number>(), new Map<number, number>(), new Map<number, Map<number, number>>()];
  const increment = (map: Map<number, number>, label: number): void => void map.set(label, (map.get(label) ?? 0) + 1);
  for (let i = 0; i < n; i++) {
    const [label, cluster] = [truth[i] as number, predicted[i] as number];
    increment(classes, label);
    increment(clusters, cluster);
    let cell = cells.get(cluster);
    if (!cell) cells.set(cluster, (cell = new Map()));
    increment(cell, label);
  }
  const entropy = (counts: Map<number, number>): number => [...counts.values()].reduce((sum, c) => sum - (c / n) * Math.log(c / n), 0);
  let [mutual, majority] = [0, 0];
  for (const [cluster, cell] of cells) {
    for (const [label, count] of cell) {
      mutual += (count / n) * Math.log((count * n) / ((classes.get(label) as number) * (clusters.get(cluster) as number)));
    }
    majority += [...cell.values()].reduce((most, count) => Math.max(most, count));
  }
  const mean = (entropy(classes) + entropy(clusters)) / 2;
  return { nmi: mean === 0 ? 1 : mutual / mean, purity: n === 0 ? 0 : majority / n };
}
