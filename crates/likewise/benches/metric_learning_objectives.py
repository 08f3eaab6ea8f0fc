"""The objectives and miners of pytorch-metric-learning that come nearest to ours, with the same
hyper-parameters where they exist. The work is not always the same: its semi-hard miner returns all
triplets in the band and its N-pair loss takes one pair of each class, where ours takes one for each row."""

import warnings

from pytorch_metric_learning import distances, losses, miners, regularizers
from torch import Tensor

euclidean = distances.LpDistance
cosine = distances.CosineSimilarity


def length_penalty() -> dict:
    return {"embedding_regularizer": regularizers.LpRegularizer(), "embedding_reg_weight": 0.005}


# Miner (nothing where there is none) and objective, made for C classes and D dimensions.
PAIRS = {
    "contrastive": lambda c, d: (
        miners.DistanceWeightedMiner(cutoff=0.5, nonzero_loss_cutoff=2.0),
        losses.ContrastiveLoss(pos_margin=0, neg_margin=1),
    ),
    "triplet": lambda c, d: (
        miners.TripletMarginMiner(margin=0.2, type_of_triplets="semihard"),
        losses.TripletMarginLoss(margin=0.2, distance=euclidean(power=2)),
    ),
    "margin": lambda c, d: (
        miners.DistanceWeightedMiner(cutoff=0.5, nonzero_loss_cutoff=2.0),
        losses.MarginLoss(margin=0.2, beta=1.2, learn_beta=True, num_classes=c),
    ),
    "npair": lambda c, d: (None, losses.NPairsLoss(**length_penalty())),
    "angular": lambda c, d: (None, losses.AngularLoss(alpha=45)),
    "lifted": lambda c, d: (
        None,
        losses.GeneralizedLiftedStructureLoss(
            neg_margin=1, distance=euclidean(normalize_embeddings=False), **length_penalty()
        ),
    ),
    "multisimilarity": lambda c, d: (
        miners.MultiSimilarityMiner(epsilon=0.1),
        losses.MultiSimilarityLoss(alpha=2, beta=40, base=0.5),
    ),
    "histogram": lambda c, d: (None, losses.HistogramLoss(n_bins=64)),
    "circle": lambda c, d: (None, losses.CircleLoss(m=0.4, gamma=80)),
    "ntxent": lambda c, d: (None, losses.NTXentLoss(temperature=0.07)),
    "supcon": lambda c, d: (None, losses.SupConLoss(temperature=0.1)),
    "fastap": lambda c, d: (None, losses.FastAPLoss(num_bins=10)),
    "smoothap": lambda c, d: (None, losses.SmoothAPLoss(temperature=0.01)),
    "proxynca": lambda c, d: (None, losses.ProxyNCALoss(c, d, softmax_scale=9)),
    "proxy_anchor": lambda c, d: (None, losses.ProxyAnchorLoss(c, d, margin=0.1, alpha=32)),
    "softmax": lambda c, d: (None, losses.NormalizedSoftmaxLoss(c, d, temperature=0.05)),
    "softtriplet": lambda c, d: (
        None,
        losses.SoftTripleLoss(c, d, centers_per_class=2, la=8, gamma=0.1, margin=0.01),
    ),
    # Its margin is in degrees.
    "arcface": lambda c, d: (None, losses.ArcFaceLoss(c, d, margin=28.6, scale=16)),
}


def step(name: str, classes: int, dimension: int):
    """A function of embeddings and labels: mining, loss and backward."""
    warnings.filterwarnings("ignore")
    miner, objective = PAIRS[name](classes, dimension)

    def run(z: Tensor, labels: Tensor) -> None:
        objective.zero_grad()
        tuples = miner(z, labels) if miner else None
        objective(z, labels, tuples).backward()

    return run
