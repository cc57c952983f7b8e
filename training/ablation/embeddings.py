"""Stage 1: tracking towers from scratch on cached patches, and how often their embeddings find an object again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from stc.model.config import ModelConfig
from stc.model.head import Head
from stc.signals import asked
from stc.training.ablation.cache import Located, Seen, load_located
from stc.training.ablation.patches import embed, joined
from stc.training.ablation.scenes import Scenes
from stc.training.ablation.variants import Variant
from stc.training.config import TrainConfig
from stc.training.losses.consistency import matched
from stc.training.losses.contrastive import embedding_losses
from stc.training.optimisation import set_learning_rate

_DRAWING = Lock()  # PyTorch has one generator for all threads
WIDEST = 2  # times as many pairs as usual are drawn for a step: the most that any variant uses
Scores = dict[str, float]


def draw(count: int, number: int, seed: int, step: int) -> list[int]:
    """The pairs of a step, of `count`: a function of (seed, step), so that all variants of a seed see the same."""
    rng = np.random.default_rng((seed, step))
    return [int(index) for index in rng.choice(count, number, replace=count < number)]


def train_tower(model: ModelConfig, pairs: Sequence[Path], variant: Variant, steps: int, seed: int) -> Head:
    """A head whose tracking tower was trained for `steps` from weights that depend on the seed alone."""
    config = variant.config
    with _DRAWING:
        torch.manual_seed(seed)
        head = Head(model).train()
    weights = [weight for module in head.tracking() for weight in module.parameters()]
    optimiser = optimiser_of(weights, config)
    for step in range(steps):
        set_learning_rate(optimiser, step, step / steps, config)
        stop_if_asked()
        chosen = draw(len(pairs), WIDEST * config.batch_pairs, seed, step)[: variant.pairs * config.batch_pairs]
        views = [view for index in chosen for view in load_located(pairs[index])]
        generator = torch.Generator().manual_seed((seed << 32) + step)
        optimiser.zero_grad(set_to_none=True)
        tower_loss(head, views, variant, generator).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(weights, config.clip_norm)
        optimiser.step()
    return head.eval()


def stop_if_asked() -> None:
    """A signal reaches the main thread alone."""
    if asked():
        raise KeyboardInterrupt


def optimiser_of(weights: Sequence[torch.nn.Parameter], config: TrainConfig) -> torch.optim.Optimizer:
    """The recipe's: norms and biases are not decayed."""
    groups = [
        {"params": [w for w in weights if (w.ndim <= 1) == flat], "peak_lr": config.lr, "weight_decay": decay}
        for flat, decay in ((False, config.weight_decay), (True, 0.0))
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=config.lr)


def tower_loss(head: Head, views: Sequence[Located], variant: Variant, generator: torch.Generator) -> Tensor:
    """The terms of the recipe that reach the tower; views 2p and 2p + 1 are a pair."""
    config = variant.config
    counts = [len(view.identity) for view in views]
    found = torch.split(embed(head, joined([view.patches for view in views])), counts)
    room = max(counts)
    embeddings = torch.stack([pad(part, (0, 0, 0, room - len(part))) for part in found])
    clear = torch.stack([pad(view.identity < 0, (0, room - n)) for view, n in zip(views, counts, strict=True)])
    wanted = [torch.where(view.own, view.identity, -1) if variant.own else view.identity for view in views]
    identities = torch.stack([pad(ids, (0, room - len(ids)), value=-1) for ids in wanted])
    contrast, cosine = embedding_losses(embeddings, identities, clear, config, generator)
    total = config.contrast_weight * contrast + config.cosine_weight * cosine
    if config.consistency == "embedding":
        total = total + config.consistency_weight * _consistency(embeddings, identities, config, generator)
    return total


def _consistency(embeddings: Tensor, identities: Tensor, config: TrainConfig, generator: torch.Generator) -> Tensor:
    terms = [embeddings.sum() * 0]
    for key in range(0, len(embeddings), 2):
        one, two = matched(identities[key], identities[key + 1], config.max_consistency, generator)
        if len(one):
            terms.append((embeddings[key, one] - embeddings[key + 1, two]).square().sum(1).mean())
    return torch.stack(terms).sum() / max(len(terms) - 1, 1)


def association(scenes: Scenes, seen: Mapping[Path, Seen], vectors: Mapping[Path, Tensor]) -> tuple[Scores, Scores]:
    """How often, of an object and at least two of its class in another frame of its scene, the one with the nearest
    vector is itself: shares by set and gap, over all objects and over the detected ones alone; and of how many.

    vectors: (n, D) of each frame's objects; compared by cosine.
    """
    right: dict[str, list[bool]] = {}
    for name, one, two in scenes.comparisons():
        cosines = normalize(vectors[one], dim=1) @ normalize(vectors[two], dim=1).T
        key, other = seen[one], seen[two]
        for which in ("all", "detected"):
            results = right.setdefault(f"{name}, {which}", [])
            here, there = (frame.detected if which == "detected" else frame.detected | True for frame in (key, other))
            for row in here.nonzero()[:, 0].tolist():
                rivals = (there & (other.label == key.label[row])).nonzero()[:, 0]
                if len(rivals) >= 2 and (other.identity[rivals] == key.identity[row]).any():
                    best = rivals[cosines[row, rivals].argmax()]
                    results.append(bool(other.identity[best] == key.identity[row]))
    shares = {name: sum(results) / len(results) for name, results in right.items() if results}
    return shares, {name: float(len(results)) for name, results in right.items()}


@torch.inference_mode()
def vectors_of(head: Head, seen: Mapping[Path, Seen]) -> dict[Path, Tensor]:
    """The embeddings of all frames' objects, computed at once."""
    counts = [len(frame.identity) for frame in seen.values()]
    parts = torch.split(embed(head, joined([frame.patches for frame in seen.values()])), counts)
    return dict(zip(seen, parts, strict=True))


def raw_vectors(seen: Mapping[Path, Seen]) -> dict[Path, Tensor]:
    """The pyramid's own feature at each object's location: what a tower has to improve on."""
    middle = next(iter(seen.values())).patches.values.shape[-1] // 2
    return {path: frame.patches.values[:, :, middle, middle].float() for path, frame in seen.items()}
