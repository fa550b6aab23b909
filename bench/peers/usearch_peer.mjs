// What a user of usearch would run for exact neighbours, on two threads. usearch_peer.mjs nearest:1000,100000,128,10 …
import { peer, report, uniforms } from './timing.mjs';

const { exactSearch, MetricKind } = peer('usearch');

await report((op, [n, m, d, k]) => {
  if (op !== 'nearest') return;
  const [x, gallery] = [uniforms(n * d, 1), uniforms(m * d, 2)];
  return () => exactSearch(gallery, x, d, k, MetricKind.L2sq, 2);
});
