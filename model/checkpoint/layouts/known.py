"""All layouts that are known, and which of them a file has.

A name may stand for several tables: with a tracking head or without, under CrossVIS's names or ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile

from stc.model.backbones.known import BACKBONES
from stc.model.checkpoint.layouts import adelaidet, mmdetection
from stc.model.checkpoint.layouts.adelaidet import ADELAIDET, CROSSVIS
from stc.model.checkpoint.layouts.layout import Layout

__all__ = ["ADELAIDET", "CROSSVIS", "LAYOUTS", "NAMES", "STC", "Layout", "closest"]

STC = Layout(
    "stc",
    tuple(
        (template, template)
        for template in (
            *dict.fromkeys(f"backbone.{part}.{{rest*}}" for known in BACKBONES.values() for part in known.parts),
            *("fpn.{rest*}", "head.{rest*}"),
            *("mask_branch.refine.{i}.conv.{p}", "mask_branch.refine.{i}.bn.{p}"),
            *("mask_branch.fine.conv.{p}", "mask_branch.fine.bn.{p}"),
            *("mask_branch.tower.{i}.conv.{p}", "mask_branch.tower.{i}.bn.{p}", "mask_branch.pred.{p}"),
        )
    ),
    shortest_edge=None,
)
LAYOUTS = (*adelaidet.LAYOUTS, *mmdetection.LAYOUTS, STC)
MAX_WRAPPERS = 8  # one in another
NAMES = tuple(dict.fromkeys(layout.name for layout in LAYOUTS))


def closest(names: Iterable[str]) -> tuple[Layout, int]:
    """The layout that knows most of `names`, and how many it knows. The simpler layout wins a tie."""
    kept = list(names)
    counted = [(layout, sum(layout.ours(name) is not None for name in kept)) for layout in LAYOUTS]
    return max(counted, key=lambda pair: pair[1])


def wrapping(names: Iterable[str]) -> str:
    """What wrappers have put before all of `names` of a known layout: "_orig_mod.", "module.model.", mostly "".

    Of all dotted beginnings that the names share, the one behind which a layout knows most of them; the shorter wins a
    tie.
    """
    kept = list(names)
    first, last = min(kept).split("."), max(kept).split(".")
    shared = [a for a, b in takewhile(lambda pair: pair[0] == pair[1], zip(first[:-1], last[:-1], strict=False))]
    if not shared:
        return ""
    beginnings = [".".join([*shared[:depth], ""]) for depth in range(min(len(shared), MAX_WRAPPERS) + 1)]
    return max(beginnings, key=lambda beginning: closest(name.removeprefix(beginning) for name in kept)[1])


def networks(names: Iterable[str]) -> dict[str, int]:
    """The first parts of `names` behind which stand names of a known layout ("student.", "teacher."), and how many
    entries each has."""
    groups: dict[str, list[str]] = {}
    for name in names:
        beginning, dot, rest = name.partition(".")
        if dot:
            groups.setdefault(f"{beginning}.", []).append(rest)
    short = {beginning: [name.removeprefix(wrapping(rest)) for name in rest] for beginning, rest in groups.items()}
    return {beginning: len(rest) for beginning, rest in short.items() if closest(rest)[1] > len(rest) // 2}
