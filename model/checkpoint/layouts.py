"""Layouts: how each code base names the weights that we hold.

A layout is a table of template pairs (their name, our name). `{x}` stands for one dotted part, or the rest of one, and
`{x*}` for any tail; the table is read in both directions, so that errors can speak the names of the user's own file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

MAX_TOWER = 8  # convs of a head tower that the tables reach


@dataclass(frozen=True)
class Layout:
    """One code base's names. `ignored` are patterns of entries that inference does not need."""

    name: str
    pairs: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...] = (r".*num_batches_tracked",)

    def ours(self, name: str) -> str | None:
        """Our name of their `name`; None when the layout does not know it."""
        return _translate(self._from_theirs, name)

    def theirs(self, name: str) -> str | None:
        """Their name of our `name`; None when their code base has no such weight."""
        return _translate(self._from_ours, name)

    def ignores(self, name: str) -> bool:
        return any(re.fullmatch(pattern, name) for pattern in self.ignored)

    @cached_property
    def _from_theirs(self) -> list[tuple[re.Pattern[str], str]]:
        return [(_pattern(theirs), ours) for theirs, ours in self.pairs]

    @cached_property
    def _from_ours(self) -> list[tuple[re.Pattern[str], str]]:
        return [(_pattern(ours), theirs) for theirs, ours in self.pairs]


def closest(names: Iterable[str]) -> tuple[Layout, int]:
    """The layout that knows most of `names`, and how many it knows. The simpler layout wins a tie."""
    kept = list(names)
    counted = [(layout, sum(layout.ours(name) is not None for name in kept)) for layout in LAYOUTS]
    return max(counted, key=lambda pair: pair[1])


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\*?\})", template)
    return re.compile("".join(_group(part) if part.startswith("{") else re.escape(part) for part in parts))


def _group(placeholder: str) -> str:
    name = placeholder.strip("{}*")
    return f"(?P<{name}>.+)" if placeholder.endswith("*}") else f"(?P<{name}>[^.]+)"


def _translate(table: list[tuple[re.Pattern[str], str]], name: str) -> str | None:
    for pattern, template in table:
        if match := pattern.fullmatch(name):
            return template.replace("*}", "}").format(**match.groupdict())
    return None


def _tower(theirs: str, ours: str) -> tuple[tuple[str, str], ...]:
    """A tower of AdelaiDet is one Sequential of (conv, group norm, ReLU) triples."""
    head = "proposal_generator.fcos_head"
    return tuple(
        pair
        for i in range(MAX_TOWER)
        for pair in (
            (f"{head}.{theirs}.{3 * i}.{{p}}", f"head.{ours}.convs.{i}.{{p}}"),
            (f"{head}.{theirs}.{3 * i + 1}.{{p}}", f"head.{ours}.norms.{i}.{{p}}"),
        )
    )


_ADELAIDET_PAIRS = (
    ("backbone.bottom_up.stem.conv1.norm.{p}", "backbone.stem.bn.{p}"),
    ("backbone.bottom_up.stem.conv1.{p}", "backbone.stem.conv.{p}"),
    ("backbone.bottom_up.res{s}.{k}.conv{c}.norm.{p}", "backbone.res{s}.{k}.bn{c}.{p}"),
    ("backbone.bottom_up.res{s}.{k}.conv{c}.{p}", "backbone.res{s}.{k}.conv{c}.{p}"),
    ("backbone.bottom_up.res{s}.{k}.shortcut.norm.{p}", "backbone.res{s}.{k}.shortcut.bn.{p}"),
    ("backbone.bottom_up.res{s}.{k}.shortcut.{p}", "backbone.res{s}.{k}.shortcut.conv.{p}"),
    *((f"backbone.fpn_lateral{i + 3}.{{p}}", f"fpn.lateral.{i}.{{p}}") for i in range(3)),
    *((f"backbone.fpn_output{i + 3}.{{p}}", f"fpn.output.{i}.{{p}}") for i in range(3)),
    ("backbone.top_block.{level}.{p}", "fpn.{level}.{p}"),
    *_tower("cls_tower", "cls_tower"),
    *_tower("bbox_tower", "box_tower"),
    ("proposal_generator.fcos_head.cls_logits.{p}", "head.cls_logits.{p}"),
    ("proposal_generator.fcos_head.bbox_pred.{p}", "head.bbox_pred.{p}"),
    ("proposal_generator.fcos_head.ctrness.{p}", "head.centerness.{p}"),
    ("proposal_generator.fcos_head.scales.{i}.scale", "head.scales.{i}"),
    ("controller.{p}", "head.controller.{p}"),
    ("mask_branch.refine.{i}.0.{p}", "mask_branch.refine.{i}.conv.{p}"),
    ("mask_branch.refine.{i}.1.{p}", "mask_branch.refine.{i}.bn.{p}"),
    ("mask_branch.tower.{i}.0.{p}", "mask_branch.tower.{i}.conv.{p}"),
    ("mask_branch.tower.{i}.1.{p}", "mask_branch.tower.{i}.bn.{p}"),
    # Their tower ends with our prediction layer: number 4 as published, another one for another depth.
    *((f"mask_branch.tower.{i}.{{p}}", "mask_branch.pred.{p}") for i in (4, *range(4), *range(5, MAX_TOWER))),
)
_ADELAIDET_IGNORED = (
    r".*num_batches_tracked",
    r"mask_head\.(_iter|sizes_of_interest)",
    r"mask_branch\.(seg_head|logits)\..*",  # the semantic loss of the _sem configurations
    r"cls\..*",  # CrossVIS: one class per training track
    r"pixel_(mean|std)",
    r".*anchor_generator\.cell_anchors.*",
)

ADELAIDET = Layout("adelaidet", _ADELAIDET_PAIRS, _ADELAIDET_IGNORED)
CROSSVIS = Layout(
    "crossvis",
    (
        *_ADELAIDET_PAIRS,
        *_tower("reid_tower", "track_tower"),
        ("proposal_generator.fcos_head.reid_pred.{p}", "head.track_pred.{p}"),
        ("proposal_generator.fcos_head.reid_pred_bn.{p}", "head.track_norm.{p}"),
    ),
    _ADELAIDET_IGNORED,
)
STC = Layout(
    "stc",
    tuple(
        (template, template)
        for template in (
            *(
                "backbone.stem.{rest*}",
                "backbone.res{s}.{rest*}",
                "backbone.blocks.{rest*}",
                "fpn.{rest*}",
                "head.{rest*}",
            ),
            *("mask_branch.refine.{i}.conv.{p}", "mask_branch.refine.{i}.bn.{p}"),
            *("mask_branch.tower.{i}.conv.{p}", "mask_branch.tower.{i}.bn.{p}", "mask_branch.pred.{p}"),
        )
    ),
)
LAYOUTS = (ADELAIDET, CROSSVIS, STC)
