"""Bi-directional contrastive learning of tracking embeddings between the two frames of a pair.

Our reading of STC (arXiv 2202.03747), whose abstract names the bi-directional strategy; the multi-positive form and the
auxiliary cosine term are QDTrack's (arXiv 2006.06664).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize, softplus

from stc.training.config import TrainConfig
from stc.training.sampling import balanced_sample

BACKGROUND = -1


def embedding_losses(
    embeddings: Tensor, identities: Tensor, clear: Tensor, config: TrainConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """(contrastive, cosine) terms, averaged over the pairs that share an object.

    embeddings: (M, L, D), views 2p and 2p + 1 being a pair. identities: (M, L), -1 where no object is to be predicted.
    clear: (M, L), locations outside of every box, from which background is drawn.
    """
    positives = [
        _positives(embeddings[i], identities[i], config.max_contrast, generator) for i in range(len(embeddings))
    ]
    backgrounds = [
        _background(embeddings[i], clear[i], config.max_background, generator) for i in range(len(embeddings))
    ]
    contrasts, cosines = [], []
    for key in range(0, len(embeddings), 2):
        others = [p for i, p in enumerate(positives) if i not in {key, key + 1}]
        foreign = _foreign(others, embeddings, config.max_foreign, generator)
        for one, two in ((key, key + 1), (key + 1, key)):
            parts = (positives[two], backgrounds[two], foreign)
            candidates, ids = (torch.cat([part[field] for part in parts]) for field in (0, 1))
            anchors, anchor_ids = positives[one]
            same = anchor_ids[:, None] == ids[None]
            # Only anchors whose object is in the other frame of this pair.
            matched = torch.isin(anchor_ids, positives[two][1])
            if matched.any():
                contrasts.append(contrastive_loss(anchors[matched], candidates, same[matched]))
                cosines.append(cosine_loss(anchors[matched], candidates, same[matched], config))
    if not contrasts:
        return embeddings.sum() * 0, embeddings.sum() * 0
    return torch.stack(contrasts).mean(), torch.stack(cosines).mean()


def contrastive_loss(anchors: Tensor, candidates: Tensor, same: Tensor) -> Tensor:
    """Mean over anchors of log(1 + sum_p sum_n exp(s_n - s_p)), s the dot products.

    anchors: (A, D), A >= 1. candidates: (N, D). same: (A, N) bool, at least one in each row. The double sum
    factorises: softplus(logsumexp_n(s_n) + logsumexp_p(-s_p)); without negatives the loss is 0.
    """
    similarity = anchors @ candidates.T
    negative = similarity.masked_fill(same, -torch.inf).logsumexp(1)
    positive = (-similarity).masked_fill(~same, -torch.inf).logsumexp(1)
    return softplus(negative + positive).mean()


def cosine_loss(anchors: Tensor, candidates: Tensor, same: Tensor, config: TrainConfig) -> Tensor:
    """Mean squared distance of cosines from 1 (same object) and from at most `cosine_margin` (other).

    Of the negatives only the hardest count, `negatives_per_positive` times as many as there are positives. It keeps
    cosines meaningful, on which the tracker puts a floor.
    """
    cosine = normalize(anchors, dim=1) @ normalize(candidates, dim=1).T
    positives = (1 - cosine[same]) ** 2
    negatives = (cosine[~same] - config.cosine_margin).clamp(min=0) ** 2
    hardest = negatives.topk(min(len(negatives), config.negatives_per_positive * len(positives))).values
    return torch.cat([positives, hardest]).mean()


def _positives(embeddings: Tensor, identities: Tensor, cap: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    at = (identities != BACKGROUND).nonzero()[:, 0]
    at = at[balanced_sample(identities[at], cap, generator)]
    return embeddings[at], identities[at]


def _background(embeddings: Tensor, clear: Tensor, cap: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    at = clear.nonzero()[:, 0]
    at = at[torch.randperm(len(at), generator=generator)[:cap].to(at.device)]
    return embeddings[at], torch.full_like(at, BACKGROUND)


def _foreign(
    others: list[tuple[Tensor, Tensor]], embeddings: Tensor, cap: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    if not others:
        return embeddings[0, :0], torch.zeros(0, dtype=torch.int64, device=embeddings.device)
    features, ids = (torch.cat([other[field] for other in others]) for field in (0, 1))
    chosen = balanced_sample(ids, cap, generator)
    return features[chosen], ids[chosen]
