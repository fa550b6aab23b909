// The miners' rules as lib/reference has them, over the distances of the backend that serves: what a native miner must select, row for row.
import { backend } from '../../lib/backend.js';
import { shortest, type Values } from '../../lib/ops/types.js';
import { type AnchorBlock, anchorsOfBlock, type BlocksOf } from '../../lib/reference/mined.js';

export const servedBlocks: BlocksOf = function* ({ x, n, d, distance, normalize: unit }): Iterable<AnchorBlock> {
  const { distances, normalize } = backend();
  const cosine = distance === 'cosineSimilarity';
  let rows: Values = x;
  if (unit || cosine) normalize({ x, n, d, eps: shortest, out: (rows = new Float32Array(n * d)) });
  const most = anchorsOfBlock(n);
  const block = new Float32Array(most * n);
  for (let first = 0; first < n; first += most) {
    const count = Math.min(most, n - first);
    const apart = block.subarray(0, count * n);
    const metric = cosine ? 'dot' : distance;
    distances({ x: rows.subarray(first * d, (first + count) * d), y: rows, n: count, m: n, d, metric, out: apart });
    if (cosine) for (let i = 0; i < apart.length; i++) apart[i] = -(apart[i] as number);
    for (let a = 0; a < count; a++) apart[a * n + first + a] = 0;
    yield { first, n: count, apart };
  }
};
