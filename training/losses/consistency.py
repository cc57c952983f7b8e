"""Instance-wise temporal consistency: what belongs to one object must agree in the two frames of a pair.

STC (arXiv 2202.03747) names such a scheme in its abstract without saying what is compared. These are three readings:
the generated filters, the embeddings, or masks made with the other frame's filters, as in CrossVIS (arXiv 2104.05970).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from stc.model.config import ModelConfig
from stc.training.config import TrainConfig
from stc.training.losses.masks import dice_loss, grid_tensors, predict_masks
from stc.training.losses.predictions import Predictions, balanced_sample
from stc.training.losses.targets import Batch


@dataclass(frozen=True)
class Matches:
    """Locations (n,) of views `one` and `two` of a pair, such that entry i is the same object in both."""

    one: int
    two: int
    at_one: Tensor
    at_two: Tensor


def consistency_loss(
    found: Predictions, batch: Batch, model: ModelConfig, config: TrainConfig, generator: torch.Generator
) -> Tensor:
    """Mean over the pairs that share an object; 0 when none does, or with `consistency="none"`.

    filters: mean_i |theta_i,key - theta_m(i),ref|^2, embedding: the same of embeddings, i running over key positives
    whose object is in the reference and m(i) being one of its positives there. crossover: half the sum of both
    directions' mean dice between the mask that one frame's filters make in the other frame and the true mask there.
    Raises ValueError for `embedding` with a model that has none.
    """
    compared = {"filters": found.params, "embedding": found.embeddings}.get(config.consistency)
    if config.consistency == "embedding" and compared is None:
        raise ValueError("consistency=embedding, but the model has no tracking head")
    losses = []
    for key in range(0, len(found.logits), 2) if config.consistency != "none" else ():
        forward = match(found, batch, key, key + 1, config, generator)
        if len(forward.at_one) == 0:
            continue
        if compared is not None:
            losses.append((compared[key, forward.at_one] - compared[key + 1, forward.at_two]).square().sum(1).mean())
        else:
            backward = match(found, batch, key + 1, key, config, generator)
            both = (_crossover(found, batch, way, model, config) for way in (forward, backward))
            losses.append(sum(both, found.params.new_zeros(())) / 2)
    return torch.stack(losses).mean() if losses else found.params.sum() * 0


def match(
    found: Predictions, batch: Batch, one: int, two: int, config: TrainConfig, generator: torch.Generator
) -> Matches:
    """At most `max_consistency` positives of view `one`, evenly over its objects, each with a partner in view `two`."""
    ids, others = batch.identities[one], batch.identities[two]
    best = None
    if config.consistency_partner == "best":
        candidates = (others >= 0).nonzero()[:, 0]
        order = _scores(found, batch, two, candidates).argsort(descending=True, stable=True)
        best = candidates[order]
    return Matches(one, two, *matched(ids, others, config.max_consistency, generator, best))


def matched(
    ids: Tensor, others: Tensor, cap: int, generator: torch.Generator, ranked: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """At most `cap` places (n,) of objects in `ids` that are in `others`, too, and of each a place (n,) there.

    ids, others: (L,) identities, negative where there is no object. The partner is the first of the places `ranked`
    that has the object, or, without them, any.
    """
    at_one = ((ids >= 0) & torch.isin(ids, others)).nonzero()[:, 0]
    at_one = at_one[balanced_sample(ids[at_one], cap, generator)]
    if len(at_one) == 0:
        return at_one, at_one
    if ranked is not None:
        return at_one, ranked[_first_equal(ids[at_one], others[ranked])]
    partners = []
    for location in at_one:
        same = (others == ids[location]).nonzero()[:, 0]
        partners.append(same[int(torch.randint(len(same), (1,), generator=generator))])
    return at_one, torch.stack(partners)


def _scores(found: Predictions, batch: Batch, view: int, at: Tensor) -> Tensor:
    """Class x centerness of the true class, as decoding scores it."""
    labels = batch.labels[view, at]
    logits = found.logits[view, at].detach().gather(1, labels[:, None])[:, 0]
    return logits.sigmoid() * found.centerness[view, at].detach().sigmoid()


def _first_equal(values: Tensor, ordered: Tensor) -> Tensor:
    """For each of `values` the index of the first of `ordered` that equals it."""
    return (values[:, None] == ordered[None]).int().argmax(1)


def _crossover(found: Predictions, batch: Batch, way: Matches, model: ModelConfig, config: TrainConfig) -> Tensor:
    """Masks in view `two` from the filters of view `one`, placed by the partners' locations and levels."""
    points, sizes = grid_tensors(model, config, found.params.device)
    params = found.params[way.one, way.at_one]
    masks = predict_masks(found.mask_feats[way.two], params, points[way.at_two], sizes[way.at_two], model)
    return dice_loss(masks, batch.masks[way.two][batch.instance[way.two, way.at_two]]).mean()
