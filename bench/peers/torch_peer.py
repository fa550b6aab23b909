"""What a PyTorch user would run, on this CPU: one JSON line for each op and shape named. torch_peer.py dot:64,64,1000 …"""
import sys

import torch
import torch.nn.functional as F

from timing import report


def dot(b, d, c):
    x, w, out = torch.randn(b, d), torch.randn(c, d), torch.zeros(b, c)
    return lambda: torch.mm(x, w.T, out=out)


def euclidean(n, m, d):
    x, y = torch.randn(n, d), torch.randn(m, d)
    return lambda: torch.cdist(x, y)


def center_update(b, d, c):
    x, centers, y = torch.randn(b, d), torch.randn(c, d), torch.randint(0, c, (b,))

    def run():
        classes, inverse = y.unique(return_inverse=True)
        sums = torch.zeros(len(classes), d).index_add_(0, inverse, centers[y] - x)
        counts = torch.zeros(len(classes)).index_add_(0, inverse, torch.ones(b))
        centers.index_add_(0, classes, -0.5 * sums / (1 + counts)[:, None])

    return run


def center_update_dense(b, d, c):
    """As most published code has it: a mask of batch by classes."""
    x, centers, y = torch.randn(b, d), torch.randn(c, d), torch.randint(0, c, (b,))
    classes = torch.arange(c)

    def run():
        mask = (y[:, None] == classes).float()
        counts = mask.sum(0)[:, None]
        centers.sub_(0.5 * (counts * centers - mask.T @ x) / (1 + counts))

    return run


def head(b, d, c, logits):
    """Forward and backward; 0.05 keeps the weights from making denormal probabilities, which PyTorch is slow on."""
    x, w = torch.randn(b, d, requires_grad=True), (0.05 * torch.randn(c, d)).requires_grad_()
    y = torch.randint(0, c, (b,))

    def run():
        with torch.enable_grad():
            x.grad = w.grad = None
            F.cross_entropy(logits(x, w, y), y).backward()

    return run


def margin_logits(target_of):
    def logits(x, w, y):
        cosines = F.linear(F.normalize(x), F.normalize(w)).clamp(-1 + 1e-7, 1 - 1e-7)
        return 64 * cosines.scatter(1, y[:, None], target_of(cosines.gather(1, y[:, None])))

    return logits


def softmax_ce(b, d, c):
    return head(b, d, c, lambda x, w, y: F.linear(x, w))


def arcface(b, d, c):
    return head(b, d, c, margin_logits(lambda target: torch.cos(torch.acos(target) + 0.5)))


def cosface(b, d, c):
    return head(b, d, c, margin_logits(lambda target: target - 0.35))


def combined_margin(b, d, c):
    return head(b, d, c, margin_logits(lambda target: torch.cos(torch.acos(target) + 0.3) - 0.2))


def retrieval(n, d, classes):
    """Blocks of distances, the nearest R by topk, precision among them: R-precision, MAP@R, precision at 1 and recall at 1, 2, 4, 8."""
    x, y = torch.randn(n, d), torch.arange(n) % classes
    r = n // classes - 1

    def run():
        at_r, hit_at = 0.0, torch.zeros(4)
        for start in range(0, n, 1000):
            distances = torch.cdist(x[start:start + 1000], x)
            distances[torch.arange(len(distances)), torch.arange(start, start + len(distances))] = torch.inf
            hits = (y[distances.topk(r, largest=False).indices] == y[start:start + 1000, None]).float()
            precision = hits.cumsum(1) / torch.arange(1, r + 1)
            at_r += (precision * hits).sum().item() / r
            hit_at += torch.stack([hits[:, :k].amax(1).sum() for k in (1, 2, 4, 8)])
        return at_r / n, hit_at / n

    return run


OPS = {"dot": dot, "euclidean": euclidean, "centerUpdate": center_update, "softmaxCE": softmax_ce, "arcface": arcface,
       "cosFace": cosface, "combinedMargin": combined_margin,
       "retrieval": retrieval}
for key in sys.argv[1:]:
    op, shape = key.split(":")
    if op not in OPS:
        continue
    shape = [int(n) for n in shape.split(",")]
    with torch.no_grad():
        report(op, shape, OPS[op](*shape), fresh=op != "dot")
        if op == "centerUpdate" and shape[1] * shape[2] <= 10**8:
            report(op, shape, center_update_dense(*shape), way="Dense")
