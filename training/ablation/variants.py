"""What is compared with what: each variant is the first of its stage with one thing changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from stc.training.config import RECIPES, TrainConfig

BACKGROUND = 16  # locations of a view that are no object, kept as negatives
# Of tracking from pairs; other recipes, such as a detector's, leave these terms out.
RECIPE = replace(RECIPES["stc-lite"], max_background=BACKGROUND, consistency="none")


@dataclass(frozen=True)
class Variant:
    """`settings` change the recipe; `pairs` times as many pairs are in a step; `own`: only positives on their mask."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    pairs: int = 1
    own: bool = False

    @property
    def config(self) -> TrainConfig:
        return replace(RECIPE, **self.settings)


ONE_WAY = {"directions": "key-to-reference"}
# Stage 1: the embedding, learned on a frozen trunk. Key and reference are exchangeable, so the reverse direction is the
# same gradient from twice the anchors: one direction with twice the pairs is its control.
EMBEDDING = {
    "both directions": Variant(),
    "one direction": Variant(ONE_WAY),
    "one direction, twice the pairs": Variant(ONE_WAY, pairs=2),
    "both + embedding consistency": Variant({"consistency": "embedding", "consistency_weight": 0.01}),
    "InfoNCE on cosines": Variant({"contrast_form": "infonce", "similarity": "cosine", "temperature": 0.1}),
    "own-mask positives": Variant(own=True),
}
# Stage 2: masks. The crossover term sends no gradient into the tracking tower: what it may change are filters.
CROSSOVER = {
    "without crossover": Variant(),
    "with crossover": Variant({"consistency": "crossover"}),
}
STAGES = {"embedding": EMBEDDING, "crossover": CROSSOVER}
