"""All layouts that are known, and which of them a file has.

A name may stand for several tables: with a tracking head or without, under CrossVIS's names or ours.
"""

from __future__ import annotations

from collections.abc import Iterable

from stc.model.backbones.known import BACKBONES
from stc.model.checkpoint import adelaidet, mmdetection
from stc.model.checkpoint.adelaidet import ADELAIDET, CROSSVIS
from stc.model.checkpoint.layout import Layout

__all__ = ["ADELAIDET", "CROSSVIS", "LAYOUTS", "NAMES", "STC", "Layout", "closest"]

STC = Layout(
    "stc",
    tuple(
        (template, template)
        for template in (
            *dict.fromkeys(f"backbone.{part}.{{rest*}}" for known in BACKBONES.values() for part in known.parts),
            *("fpn.{rest*}", "head.{rest*}"),
            *("mask_branch.refine.{i}.conv.{p}", "mask_branch.refine.{i}.bn.{p}"),
            *("mask_branch.tower.{i}.conv.{p}", "mask_branch.tower.{i}.bn.{p}", "mask_branch.pred.{p}"),
        )
    ),
)
LAYOUTS = (*adelaidet.LAYOUTS, *mmdetection.LAYOUTS, STC)
NAMES = tuple(dict.fromkeys(layout.name for layout in LAYOUTS))


def closest(names: Iterable[str]) -> tuple[Layout, int]:
    """The layout that knows most of `names`, and how many it knows. The simpler layout wins a tie."""
    kept = list(names)
    counted = [(layout, sum(layout.ours(name) is not None for name in kept)) for layout in LAYOUTS]
    return max(counted, key=lambda pair: pair[1])
