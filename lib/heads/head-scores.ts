// What a trained head says of an embedding: its logits without a margin, and the classes that fit best.
import type { Collective } from '../collective.js';
import type { Margin, SoftTripleMargin } from '../margins/types.js';
import type { HeadState } from './head-state.js';

/** Similarities computed at once: what a chunk of a score matrix may take. */
const chunkBytes = 2 ** 24;

/** How the similarity to a row of weights is measured: a dot product where the margin takes the weights as they are. */
const metricOf = (margin: Margin): 'dot' | 'cosineSimilarity' =>
  margin.kind === 'softmax' || margin.kind === 'lSoftmax' ? 'dot' : 'cosineSimilarity';

/** Scores of x [n, D] against the shard's classes, a run of classes after another: `use(scores, first, count)` gets [n, count]. */
function eachChunk(state: HeadState, x: Float32Array, n: number, use: (scores: Float32Array, first: number, count: number) => void): void {
  const { margin, centers, rows, shard } = state;
  const d = state.settings.dim;
  const owned = shard.to - shard.from;
  const perChunk = Math.max(1, Math.min(owned, Math.floor(chunkBytes / (4 * centers * Math.max(1, n, d)))));
  const lengths = margin.kind === 'aSoftmax' ? norms(x, n, d) : undefined;
  const similarities = new Float32Array(n * perChunk * centers);
  for (let first = 0; first < owned; first += perChunk) {
    const count = Math.min(perChunk, owned - first);
    const out = similarities.subarray(0, n * count * centers);
    rows.similarities({ x, n, first: first * centers, m: count * centers, d, metric: metricOf(margin), out });
    if (centers > 1) pool(margin, out, centers);
    if (lengths) for (let i = 0; i < out.length; i++) out[i] = (out[i] as number) * (lengths[Math.floor(i / count)] as number);
    use(out.subarray(0, n * count), first, count);
  }
}

function norms(x: Float32Array, n: number, d: number): Float64Array {
  return Float64Array.from({ length: n }, (_, i) => Math.sqrt(x.subarray(i * d, (i + 1) * d).reduce((sum, v) => sum + v * v, 0)));
}

/**
 * The similarities to a class's centers become one, in place: the greatest, or SoftTriple's mean weighted by their own softmax. NaN is
 * passed over for the greatest while there is another number, as a step and `nearest` do.
 */
function pool(margin: Margin, similarities: Float32Array, centers: number): void {
  for (let at = 0, c = 0; at < similarities.length; at += centers, c++) {
    let max = similarities[at] as number;
    for (let i = at + 1; i < at + centers; i++) {
      const s = similarities[i] as number;
      if (s > max || (Number.isNaN(max) && !Number.isNaN(s))) max = s;
    }
    similarities[c] = margin.kind === 'softTriple' ? softMean(similarities, at, centers, max, margin) : max;
  }
}

function softMean(similarities: Float32Array, at: number, centers: number, max: number, { gamma }: SoftTripleMargin): number {
  let sum = 0;
  let weighted = 0;
  for (let i = at; i < at + centers; i++) {
    const s = similarities[i] as number;
    const weight = Math.exp((s - max) / gamma);
    sum += weight;
    weighted += weight * s;
  }
  return weighted / sum;
}

/** Scores of x against the shard's classes, [n, to − from], into `out`. */
export function fillLogits(state: HeadState, x: Float32Array, n: number, out: Float32Array): void {
  const owned = state.shard.to - state.shard.from;
  eachChunk(state, x, n, (scores, first, count) => {
    for (let i = 0; i < n; i++) out.set(scores.subarray(i * count, (i + 1) * count), i * owned + first);
  });
}

/** [n, k], best first. */
export interface Best {
  readonly classes: Int32Array;
  readonly scores: Float32Array;
}

/** The k best of the shard's classes; where it has fewer, class −1 and score −∞ fill up. Ties go to the lowest class. */
export function bestOf(state: HeadState, x: Float32Array, n: number, k: number): Best {
  const { shard, centers, margin } = state;
  const owned = Math.min(k, shard.to - shard.from);
  const best: Best = { classes: new Int32Array(n * k).fill(-1), scores: new Float32Array(n * k).fill(-Infinity) };
  // SoftTriple pools its centers: the nearest rows alone do not tell.
  if (margin.kind === 'softTriple') {
    eachChunk(state, x, n, (scores, first, count) => {
      for (let i = 0; i < n; i++) {
        for (let c = 0; c < count; c++) insert(best, i, k, shard.from + first + c, scores[i * count + c] as number);
      }
    });
    return best;
  }
  // A class has `centers` rows at most among the nearest, so that many times k hold k classes.
  const near = owned * centers;
  const indices = new Int32Array(n * near);
  const distances = new Float32Array(n * near);
  state.rows.nearest({ x, n, metric: metricOf(margin), k: near, indices, distances });
  const lengths = margin.kind === 'aSoftmax' ? norms(x, n, state.settings.dim) : undefined;
  for (let i = 0; i < n; i++) {
    const seen = new Set<number>();
    for (let j = i * near; j < (i + 1) * near && seen.size < owned; j++) {
      const c = Math.floor((indices[j] as number) / centers);
      if (seen.has(c)) continue;
      best.classes[i * k + seen.size] = shard.from + c;
      best.scores[i * k + seen.size] = (distances[j] as number) * (lengths?.[i] ?? 1);
      seen.add(c);
    }
  }
  return best;
}

/** Keeps row i's k best in order; an equal score stays behind the one that came first, and NaN behind all. */
function insert({ classes, scores }: Best, i: number, k: number, c: number, score: number): void {
  const beaten = (at: number): boolean => {
    const other = scores[at] as number;
    return classes[at] === -1 || score > other || (Number.isNaN(other) && !Number.isNaN(score));
  };
  let at = (i + 1) * k - 1;
  if (!beaten(at)) return;
  for (; at > i * k && beaten(at - 1); at--) {
    classes[at] = classes[at - 1] as number;
    scores[at] = scores[at - 1] as number;
  }
  classes[at] = c;
  scores[at] = score;
}

/** The k best of all shards for the rows [first, first + n) of those that every rank searched. */
export function mergeBest(collective: Collective, found: Best, first: number, n: number, k: number): Best {
  const [classes, scores] = [collective.allGather(found.classes), collective.allGather(found.scores)];
  const merged: Best = { classes: new Int32Array(n * k).fill(-1), scores: new Float32Array(n * k).fill(-Infinity) };
  for (let rank = 0; rank < collective.size; rank++) {
    for (let at = 0; at < n * k; at++) {
      const source = rank * found.classes.length + first * k + at;
      const c = classes[source] as number;
      if (c >= 0) insert(merged, Math.floor(at / k), k, c, scores[source] as number);
    }
  }
  return merged;
}
