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


def batch(loss):
    """Forward and backward of loss(x, same class, itself) over n rows, 4 or `per_class` a class."""

    def make(n, d, per_class=4):
        x, y = torch.randn(n, d, requires_grad=True), torch.arange(n) // per_class
        same, itself = y[:, None] == y, torch.eye(n, dtype=torch.bool)

        def run():
            with torch.enable_grad():
                x.grad = None
                loss(x, same, itself).backward()

        return run

    return make


@batch
def batch_hard(x, same, itself):
    d = torch.cdist(x, x)
    return F.relu((d * same).amax(1) - (d + same * 1e9).amin(1) + 0.2).mean()


@batch
def batch_all(x, same, itself):
    """Positive pairs by rows: pairs × N terms."""
    d = torch.cdist(x, x)
    anchor, positive = torch.where(same & ~itself)
    terms = F.relu(d[anchor, positive][:, None] - d[anchor] + 0.2) * ~same[anchor]
    return terms.sum() / (terms > 0).sum().clamp(min=1)


@batch
def supcon(x, same, itself):
    z = F.normalize(x)
    s = (z @ z.T / 0.1).masked_fill(itself, -1e9)
    positives = same & ~itself
    return -(((s - s.logsumexp(1, keepdim=True)) * positives).sum(1) / positives.sum(1)).mean()


@batch
def contrastive(x, same, itself):
    z = F.normalize(x)
    d = torch.cdist(z, z)
    positives = same & ~itself
    return (d * positives).sum() / positives.sum() + (F.relu(1 - d) * ~same).sum() / (~same).sum()


@batch
def multi_similarity(x, same, itself):
    z = F.normalize(x)
    s = z @ z.T - 0.5
    own, others = (torch.exp(-2 * s) * (same & ~itself)).sum(1), (torch.exp(50 * s) * ~same).sum(1)
    return (torch.log1p(own) / 2 + torch.log1p(others) / 50).mean()


@batch
def circle(x, same, itself):
    z = F.normalize(x)
    s = z @ z.T
    own = -80 * F.relu(1.25 - s.detach()) * (s - 0.75)
    others = 80 * F.relu(s.detach() + 0.25) * (s - 0.25)
    own, others = own.masked_fill(~same | itself, -1e9), others.masked_fill(same, -1e9)
    return F.softplus(own.logsumexp(1) + others.logsumexp(1)).mean()


def batch_all_by_library(n, d, per_class=4):
    """pytorch-metric-learning's loss over all triplets, where it is installed."""
    try:
        from pytorch_metric_learning.losses import TripletMarginLoss
        from pytorch_metric_learning.distances import LpDistance
    except ImportError:
        return None
    loss = TripletMarginLoss(margin=0.2, distance=LpDistance(normalize_embeddings=False))
    x, y = torch.randn(n, d, requires_grad=True), torch.arange(n) // per_class

    def run():
        with torch.enable_grad():
            x.grad = None
            loss(x, y).backward()

    return run


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
       "batchHard": batch_hard, "batchAll": batch_all, "supcon": supcon, "contrastive": contrastive,
       "multiSimilarity": multi_similarity, "circle": circle, "retrieval": retrieval}
for key in sys.argv[1:]:
    op, shape = key.split(":")
    if op not in OPS:
        continue
    shape = [int(n) for n in shape.split(",")]
    with torch.no_grad():
        report(op, shape, OPS[op](*shape), fresh=op != "dot")
        if op == "centerUpdate" and shape[1] * shape[2] <= 10**8:
            report(op, shape, center_update_dense(*shape), way="Dense")
        library = batch_all_by_library(*shape) if op == "batchAll" and shape[0] <= 1024 else None
        if library:
            report(op, shape, library, way="MetricLearning")
