"""Miners and objectives in plain batched PyTorch: matrix products, masks, one draw for all anchors, no
loop over rows. Formulas and defaults are those of the objectives' documentation.

`z` are embeddings [B, D], `labels` class numbers [B], `triplets` (anchor, positive, negative), [T] each.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

NEGATIVE_INFINITY = float("-inf")
SMALLEST = 1e-12


class Masks:
    """Which rows of a batch are of one class, [B, B]."""

    def __init__(self, labels: Tensor) -> None:
        same = labels[:, None] == labels[None, :]
        self.labels, self.same, self.negative = labels, same, ~same
        self.positive = same & ~torch.eye(len(labels), dtype=torch.bool)


def one_hot_mask(labels: Tensor, classes: int) -> Tensor:
    return F.one_hot(labels, classes).bool()


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    squares = a.square().sum(1)[:, None] + b.square().sum(1)[None, :]
    return (squares - 2 * a @ b.T).clamp_min(0)


def masked_logsumexp(values: Tensor, mask: Tensor) -> Tensor:
    return values.masked_fill(~mask, NEGATIVE_INFINITY).logsumexp(1)


def mean_norm(z: Tensor) -> Tensor:
    return z.norm(dim=1).mean()


# Miners


def draw(weights: Tensor) -> Tensor:
    return torch.multinomial(weights, 1).squeeze(1)


@torch.no_grad()
def distance(z: Tensor, masks: Masks, lower_cutoff: float = 0.5) -> tuple[Tensor, Tensor, Tensor]:
    dimension = z.shape[1]
    d = squared_distances(z, z).sqrt().clamp(lower_cutoff, 2 - 1e-4)
    log_weight = (2 - dimension) * d.log() - (dimension - 3) / 2 * torch.log1p(-d.square() / 4)
    weight = log_weight.masked_fill(masks.same, NEGATIVE_INFINITY).softmax(1)
    return torch.arange(len(z)), draw(masks.positive.float()), draw(weight)


@torch.no_grad()
def semihard(z: Tensor, masks: Masks, margin: float = 0.2) -> tuple[Tensor, Tensor, Tensor]:
    d = squared_distances(z, z).sqrt()
    positive = draw(masks.positive.float())
    nearest = d.gather(1, positive[:, None])
    band = masks.negative & (d > nearest) & (d < nearest + margin)
    allowed = torch.where(band.any(1, keepdim=True), band, masks.negative)
    return torch.arange(len(z)), positive, draw(allowed.float())


@torch.no_grad()
def npair_tuples(z: Tensor, masks: Masks) -> tuple[Tensor, Tensor]:
    return torch.arange(len(z)), draw(masks.positive.float())


# Objectives of tuples


def contrastive(z, masks, tuples, pos_margin=0.0, neg_margin=1.0):
    a, p, n = tuples
    near, far = (z[a] - z[p]).norm(dim=1), (z[a] - z[n]).norm(dim=1)
    return F.relu(near - pos_margin).mean() + F.relu(neg_margin - far).mean()


def triplet(z, masks, tuples, margin=0.2):
    a, p, n = tuples
    near, far = (z[a] - z[p]).square().sum(1), (z[a] - z[n]).square().sum(1)
    return F.relu(near - far + margin).mean()


def margin(z, masks, tuples, beta, margin=0.2):
    a, p, n = tuples
    near = ((z[a] - z[p]).square().sum(1) + 1e-8).sqrt()
    far = ((z[a] - z[n]).square().sum(1) + 1e-8).sqrt()
    boundary = beta[masks.labels[a]]
    pull, push = F.relu(near - boundary + margin), F.relu(boundary - far + margin)
    active = (pull > 0).sum() + (push > 0).sum()
    return (pull.sum() + push.sum()) / active.clamp_min(1)


def npair_term(z, masks, a, p, clamp=None):
    products = z[a] @ z.T
    excess = products - products.gather(1, p[:, None])
    if clamp is not None:
        excess = excess.clamp(-clamp, clamp)
    return F.softplus(masked_logsumexp(excess, masks.negative[a])).mean()


def npair(z, masks, tuples, l2=0.005):
    return npair_term(z, masks, *tuples) + l2 * mean_norm(z)


def angular(z, masks, tuples, alpha_degrees=45.0, ang_weight=2.0, l2=0.005):
    a, p = tuples
    squared_tan = torch.tensor(alpha_degrees).deg2rad().tan().square().item()
    unit = F.normalize(z)
    both = 4 * squared_tan * (unit[a] + unit[p]) @ unit.T
    excess = both - 2 * (1 + squared_tan) * (unit[a] * unit[p]).sum(1, keepdim=True)
    term = F.softplus(masked_logsumexp(excess, masks.negative[a])).mean()
    return npair_term(z, masks, a, p, clamp=50.0) + ang_weight * term + l2 * mean_norm(z)


def lifted(z, masks, neg_margin=1.0, l2=0.005):
    d = squared_distances(z, z).clamp_min(SMALLEST).sqrt()
    near = masked_logsumexp(d, masks.positive)
    far = masked_logsumexp(neg_margin - d, masks.negative)
    return F.relu(near + far).mean() + l2 * mean_norm(z)


# Objectives of all pairs


def multisimilarity(z, masks, pos_weight=2.0, neg_weight=40.0, margin=0.1, thresh=0.5):
    s = z @ z.T
    with torch.no_grad():
        hardest_positive = s.masked_fill(~masks.positive, float("inf")).amin(1, keepdim=True)
        hardest_negative = s.masked_fill(~masks.negative, NEGATIVE_INFINITY).amax(1, keepdim=True)
        positive = masks.positive & (s - margin < hardest_negative)
        negative = masks.negative & (s + margin > hardest_positive)
        kept = positive.any(1) & negative.any(1)
    pull = ((-pos_weight * (s - thresh)).exp() * positive).sum(1).log1p() / pos_weight
    push = ((neg_weight * (s - thresh)).exp() * negative).sum(1).log1p() / neg_weight
    return ((pull + push) * kept).sum() / kept.sum().clamp_min(1)


def histogram(z, masks, n_bins=65):
    i, j = torch.triu_indices(len(z), len(z), 1)
    position = ((z @ z.T)[i, j].clamp(-1, 1) + 1) * ((n_bins - 1) / 2)
    node = position.detach().floor().long().clamp_max(n_bins - 2)
    upper = position - node
    row = node + masks.negative[i, j] * n_bins
    bins = torch.zeros(2 * n_bins).index_add(0, row, 1 - upper).index_add(0, row + 1, upper)
    positive, negative = bins.view(2, n_bins)
    return (negative / negative.sum() * (positive / positive.sum()).cumsum(0)).sum()


def circle(z, masks, m=0.4, gamma=80.0):
    unit = F.normalize(z)
    s = unit @ unit.T
    weight = s.detach()
    positive = -gamma * F.relu(1 + m - weight) * (s - (1 - m))
    negative = gamma * F.relu(weight + m) * (s - m)
    both = masked_logsumexp(positive, masks.positive) + masked_logsumexp(negative, masks.negative)
    return F.softplus(both).mean()


def ntxent(z, masks, temperature=0.07):
    unit = F.normalize(z)
    s = unit @ unit.T / temperature
    negatives = masked_logsumexp(s, masks.negative)
    a, p = masks.positive.nonzero(as_tuple=True)
    return F.softplus(negatives[a] - s[a, p]).mean()


def supcon(z, masks, temperature=0.1):
    unit = F.normalize(z)
    s = unit @ unit.T / temperature
    others = masked_logsumexp(s, masks.positive | masks.negative)
    positives = (s * masks.positive).sum(1) / masks.positive.sum(1)
    return (others - positives).mean()


def fastap(z, masks, num_bins=10):
    unit = F.normalize(z)
    position = (2 - 2 * unit @ unit.T).clamp(0, 4) * (num_bins / 4)
    node = position.detach().floor().long().clamp_max(num_bins - 1)
    upper = position - node

    def counts(mask: Tensor) -> Tensor:
        bins = torch.zeros(len(z), num_bins + 1)
        bins = bins.scatter_add(1, node, (1 - upper) * mask)
        return bins.scatter_add(1, node + 1, upper * mask)

    positive = counts(masks.positive)
    every = positive + counts(masks.negative)
    up_to = every.cumsum(1)
    precision = torch.where(up_to > 0, positive.cumsum(1) / up_to.clamp_min(SMALLEST), 0)
    return (1 - (positive * precision).sum(1) / masks.positive.sum(1)).mean()


def smoothap(z, masks, temperature=0.01):
    unit = F.normalize(z)
    s = unit @ unit.T
    query, item = masks.same.nonzero(as_tuple=True)
    before = ((s[query] - s[query, item][:, None]) / temperature).sigmoid()
    # An item is not before itself.
    before = before.scatter(1, item[:, None], 0.0)
    rank = 1 + before.sum(1)
    rank_in_class = 1 + (before * masks.same[query]).sum(1)
    size = masks.same.sum(1)[query]
    return 1 - (rank_in_class / rank / size).sum() / len(z)


# Objectives with class representatives


def proxynca(z, masks, proxies, scale=3.0):
    squared = squared_distances(scale * F.normalize(z), scale * F.normalize(proxies))
    own = one_hot_mask(masks.labels, len(proxies))
    return (squared[own] + masked_logsumexp(-squared, ~own)).mean()


def proxy_anchor(z, masks, proxies, margin=0.1, alpha=32.0):
    cosine = F.normalize(z) @ F.normalize(proxies).T
    own = one_hot_mask(masks.labels, len(proxies))
    pull = ((-alpha * (cosine - margin)).exp() * own).sum(0).log1p()
    push = ((alpha * (cosine + margin)).exp() * ~own).sum(0).log1p()
    return pull.sum() / own.any(0).sum() + push.mean()


def softmax(z, masks, class_vectors, temperature=0.05):
    return F.cross_entropy(z @ F.normalize(class_vectors).T / temperature, masks.labels)


def arcface(z, masks, class_vectors, angular_margin=0.5, feature_scale=16.0):
    cosine = z @ F.normalize(class_vectors).T
    own = masks.labels[:, None]
    angle = cosine.gather(1, own).clamp(-1 + 1e-7, 1 - 1e-7).acos()
    logits = feature_scale * cosine.scatter(1, own, (angle + angular_margin).cos())
    return F.cross_entropy(logits, masks.labels)


def softtriplet(z, masks, centroids, margin_delta=0.01, gamma=0.1, lam=8.0, reg_weight=0.2):
    classes, count, dimension = centroids.shape
    centres = F.normalize(centroids, dim=2)
    s = (z @ centres.reshape(-1, dimension).T).view(len(z), classes, count)
    similarity = ((s / gamma).softmax(2) * s).sum(2)
    own = F.one_hot(masks.labels, classes)
    loss = F.cross_entropy(lam * (similarity - margin_delta * own), masks.labels)
    i, j = torch.triu_indices(count, count, 1)
    between = (2 + 1e-5 - 2 * (centres @ centres.mT)[:, i, j]).sqrt()
    return loss + reg_weight * between.sum() / (classes * count * (count - 1))


# Miner (None where there is none) and objective.
PAIRS = {
    "contrastive": (distance, contrastive),
    "triplet": (semihard, triplet),
    "margin": (distance, margin),
    "npair": (npair_tuples, npair),
    "angular": (npair_tuples, angular),
    "lifted": (None, lifted),
    "multisimilarity": (None, multisimilarity),
    "histogram": (None, histogram),
    "circle": (None, circle),
    "ntxent": (None, ntxent),
    "supcon": (None, supcon),
    "fastap": (None, fastap),
    "smoothap": (None, smoothap),
    "proxynca": (None, proxynca),
    "proxy_anchor": (None, proxy_anchor),
    "softmax": (None, softmax),
    "softtriplet": (None, softtriplet),
    "arcface": (None, arcface),
}


def parameters(name: str, classes: int, dimension: int) -> list[Tensor]:
    """The objective's own parameters, one tensor at most."""
    shapes = {
        "margin": [classes],
        "proxynca": [classes, dimension],
        "proxy_anchor": [classes, dimension],
        "softmax": [classes, dimension],
        "arcface": [classes, dimension],
        "softtriplet": [classes, 2, dimension],
    }
    if name not in shapes:
        return []
    values = torch.full(shapes[name], 1.2) if name == "margin" else torch.randn(shapes[name])
    return [values.requires_grad_()]


def loss_of(name: str, z: Tensor, labels: Tensor, own: list[Tensor], tuples=None) -> Tensor:
    """The loss, with tuples drawn from the batch unless they are given."""
    miner, objective = PAIRS[name]
    masks = Masks(labels)
    if miner is None:
        return objective(z, masks, *own)
    tuples = tuples or miner(z.detach(), masks)
    return objective(z, masks, tuples, *own)


def step(name: str, classes: int, dimension: int):
    """A function of embeddings and labels: mining, loss and backward."""
    own = parameters(name, classes, dimension)

    def run(z: Tensor, labels: Tensor) -> None:
        for tensor in own:
            tensor.grad = None
        loss_of(name, z, labels, own).backward()

    return run
