"""What a faiss user would run, on this CPU: one JSON line for each op and shape named. faiss_peer.py squaredEuclidean:1024,1024,128 …"""
import json
import sys

import faiss
import numpy as np

from timing import timed


def squared_euclidean(n, m, d):
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((n, d), dtype=np.float32), rng.standard_normal((m, d), dtype=np.float32)
    return lambda: faiss.pairwise_distances(x, y)


def nearest(queries, count, d, k):
    rng = np.random.default_rng(1)
    index = faiss.IndexFlatL2(d)
    index.add(rng.standard_normal((count, d), dtype=np.float32))
    x = rng.standard_normal((queries, d), dtype=np.float32)
    return lambda: index.search(x, k)


OPS = {"squaredEuclidean": squared_euclidean, "nearest": nearest}
faiss.omp_set_num_threads(2)
for key in sys.argv[1:]:
    op, shape = key.split(":")
    if op not in OPS:
        continue
    shape = [int(n) for n in shape.split(",")]
    ms, lo, hi = timed(OPS[op](*shape))
    print(json.dumps(dict(op=op, shape=shape, ms=round(ms, 4), lo=round(lo, 4), hi=round(hi, 4))), flush=True)
