"""How one code base names the weights that we hold, in both directions: errors speak the names of the user's file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from stc.model.backbone_styles import BackboneStyle
from stc.model.config import MSRA_MEAN
from stc.model.decode_rules import DecodeRule
from stc.model.renaming import Pairs, Renaming

MAX_TOWER = 8  # convs of a head tower that the tables reach
OLD_MSRA_MEAN = (102.9801, 115.9465, 122.7717)  # BGR, as code bases before detectron2 had it


@dataclass(frozen=True)
class Layout:
    """One code base's names, and what a file of it does not say. `ignored`: patterns of entries that inference does not
    need.

    `decode_rule` and `backbone_style` are what that code base trains for by default. `msra_mean`: BGR mean of its MSRA
    backbones.
    """

    name: str
    pairs: Pairs
    ignored: tuple[str, ...] = (r".*num_batches_tracked",)
    decode_rule: DecodeRule = "adelaidet"
    backbone_style: BackboneStyle = "msra"
    msra_mean: tuple[float, float, float] = MSRA_MEAN
    scale_shape: tuple[int, ...] = (1,)  # of a level's scale
    tracker: str = ""  # `--tracker` rule that its authors used, where it is not ours
    # (shorter side, most for the longer) that its models for video are tested at; None: letterboxed.
    shortest_edge: tuple[int, int] | None = (360, 640)
    may_lack_scales: bool = False  # with USE_SCALE False, which is a scale of 1
    bare_towers: bool = False  # its tower convolutions may have no bias, because a norm follows

    def ours(self, name: str) -> str | None:
        """Our name of their `name`; None when the layout does not know it."""
        return self._from_theirs(name)

    def theirs(self, name: str) -> str | None:
        """Their name of our `name`; None when their code base has no such weight."""
        return self._from_ours(name)

    def ignores(self, name: str) -> bool:
        return any(re.fullmatch(pattern, name) for pattern in self.ignored)

    @cached_property
    def _from_theirs(self) -> Renaming:
        return Renaming(self.pairs)

    @cached_property
    def _from_ours(self) -> Renaming:
        return Renaming((ours, theirs) for theirs, ours in self.pairs)
