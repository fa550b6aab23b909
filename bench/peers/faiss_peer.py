"""What a faiss user would run, on this CPU: one JSON line for each op and shape named. faiss_peer.py squaredEuclidean:1024,1024,128 …"""
import sys

import faiss
import numpy as np

from timing import report


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
    report(op, shape, OPS[op](*shape))
