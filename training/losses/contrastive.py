"""Bi-directional contrastive learning of tracking embeddings between the two frames of a pair.

Our reading of STC (arXiv 2202.03747), whose abstract names the bi-directional strategy; the multi-positive form and the
auxiliary cosine term are QDTrack's (arXiv 2006.06664).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize, softplus

from stc.training.config import TrainConfig
from stc.training.losses.predictions import balanced_sample, random_sample

BACKGROUND = -1


@dataclass(frozen=True)
class Samples:
    """Embeddings (N, D), and of each the identity (N,) of its object, or BACKGROUND."""

    embeddings: Tensor
    identities: Tensor


@dataclass(frozen=True)
class FrameSamples:
    """What one frame of a pair gives: its positives, and background that is no object for certain."""

    objects: Samples
    background: Samples


def embedding_losses(
    embeddings: Tensor, identities: Tensor, clear: Tensor, config: TrainConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """(contrastive, cosine) terms, averaged over the pairs that share an object; 0 when none does.

    embeddings: (M, L, D), views 2p and 2p + 1 being a pair. identities: (M, L), -1 where no object is to be predicted.
    clear: (M, L), locations that are background for certain.
    """
    frames = [sample_frame(*view, config, generator) for view in zip(embeddings, identities, clear, strict=True)]
    terms = []
    for first in range(0, len(frames), 2):
        others = [frame.objects for index, frame in enumerate(frames) if index not in {first, first + 1}]
        foreign = _foreign(others, frames[first].objects, config.max_foreign, generator)
        terms += pair_losses(frames[first], frames[first + 1], foreign, config, generator)
    if not terms:
        return embeddings.sum() * 0, embeddings.sum() * 0
    contrasts, cosines = zip(*terms, strict=True)
    return torch.stack(contrasts).mean(), torch.stack(cosines).mean()


def sample_frame(
    embeddings: Tensor, identities: Tensor, clear: Tensor, config: TrainConfig, generator: torch.Generator
) -> FrameSamples:
    """embeddings: (L, D). identities, clear: (L,). At most `max_contrast` positives, evenly over the objects."""
    at = (identities != BACKGROUND).nonzero()[:, 0]
    at = at[balanced_sample(identities[at], config.max_contrast, generator)]
    empty = clear.nonzero()[:, 0]
    empty = empty[random_sample(len(empty), config.max_background, generator).to(empty.device)]
    background = Samples(embeddings[empty], torch.full_like(empty, BACKGROUND))
    return FrameSamples(Samples(embeddings[at], identities[at]), background)


def pair_losses(
    key: FrameSamples, reference: FrameSamples, foreign: Samples, config: TrainConfig, generator: torch.Generator
) -> list[tuple[Tensor, Tensor]]:
    """(contrastive, cosine) of each direction; none when no object is in both frames.

    Anchors are the positives of one frame whose object is in the other. Candidates are the positives and the background
    of that other frame, and `foreign` positives of other pairs.
    """
    ways = [(key, reference), (reference, key)] if config.directions == "both" else [(key, reference)]
    terms = []
    for one, two in ways:
        shared = torch.isin(one.objects.identities, two.objects.identities)
        if not shared.any():
            continue
        anchors = one.objects.embeddings[shared]
        candidates = _join([two.objects, two.background, foreign])
        same = one.objects.identities[shared][:, None] == candidates.identities[None]
        terms.append(
            (
                contrastive_loss(anchors, candidates.embeddings, same, config),
                cosine_loss(anchors, candidates.embeddings, same, config, generator),
            )
        )
    return terms


def contrastive_loss(anchors: Tensor, candidates: Tensor, same: Tensor, config: TrainConfig) -> Tensor:
    """Mean over anchors; without negatives 0.

    anchors: (A, D), A >= 1. candidates: (N, D). same: (A, N) bool, at least one in each row. With s the similarities
    divided by the temperature, p running over an anchor's positives and n over its negatives:
    multi-positive: log(1 + sum_p sum_n exp(s_n - s_p)) = softplus(logsumexp_n(s_n) + logsumexp_p(-s_p));
    infonce: mean_p -log(exp(s_p) / (exp(s_p) + sum_n exp(s_n))) = mean_p softplus(logsumexp_n(s_n) - s_p).
    """
    if config.similarity == "cosine":
        anchors, candidates = normalize(anchors, dim=1), normalize(candidates, dim=1)
    similarity = anchors @ candidates.T / config.temperature
    negative = similarity.masked_fill(same, -torch.inf).logsumexp(1)
    if config.contrast_form == "infonce":
        each = torch.where(same, softplus(negative[:, None] - similarity), 0)
        return (each.sum(1) / same.sum(1)).mean()
    positive = (-similarity).masked_fill(~same, -torch.inf).logsumexp(1)
    return softplus(negative + positive).mean()


def cosine_loss(
    anchors: Tensor, candidates: Tensor, same: Tensor, config: TrainConfig, generator: torch.Generator
) -> Tensor:
    """Mean squared distance of cosines from 1 (same object) and from at most `cosine_margin` (other).

    Of the negatives only some count, the hardest or random ones, `negatives_per_positive` times as many as there are
    positives. It keeps cosines meaningful, on which the tracker puts a floor.
    """
    cosine = normalize(anchors, dim=1) @ normalize(candidates, dim=1).T
    positives = (1 - cosine[same]) ** 2
    negatives = (cosine[~same] - config.cosine_margin).clamp(min=0) ** 2
    number = min(len(negatives), config.negatives_per_positive * len(positives))
    if config.cosine_negatives == "hardest":
        chosen = negatives.topk(number).values
    else:
        chosen = negatives[random_sample(len(negatives), number, generator).to(negatives.device)]
    return torch.cat([positives, chosen]).mean()


def _foreign(others: Sequence[Samples], like: Samples, cap: int, generator: torch.Generator) -> Samples:
    joined = _join([Samples(like.embeddings[:0], like.identities[:0]), *others])
    chosen = balanced_sample(joined.identities, cap, generator)
    return Samples(joined.embeddings[chosen], joined.identities[chosen])


def _join(parts: Sequence[Samples]) -> Samples:
    return Samples(torch.cat([part.embeddings for part in parts]), torch.cat([part.identities for part in parts]))
