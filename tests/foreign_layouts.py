"""The seeded checkpoints of `tests/seeded.py` as other code bases would have written them.

Each layout is stated here as a renaming of AdelaiDet's entries, from the sources of those code bases and apart from the
tables under test; where a code base stores something else than AdelaiDet, the tensors are changed too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from tests.seeded import COUNTER, PUBLISHED, Weights, Widths, adelaidet_state, crossvis_state

State = dict[str, Tensor]
Rules = list[tuple[str, str | Callable[[re.Match[str]], str]]]  # the first pattern that matches a name from its start


def _layer(text: str) -> Callable[[re.Match[str]], str]:
    """`text` with {s}: torchvision's number of detectron2's stage, and the groups by number."""
    return lambda match: text.format(*match.groups(), s=int(match[1]) - 1)


_RES = r"backbone\.bottom_up\.res(\d)\.(\d+)\."


def _resnet(root: str, stem: str = "") -> Rules:
    return [
        (r"backbone\.bottom_up\.stem\.conv1\.norm", f"{root}{stem}bn1"),
        (r"backbone\.bottom_up\.stem\.conv1", f"{root}{stem}conv1"),
        (_RES + r"conv(\d)\.norm", _layer(root + "layer{s}.{1}.bn{2}")),
        (_RES + r"conv(\d)", _layer(root + "layer{s}.{1}.conv{2}")),
        (_RES + r"shortcut\.norm", _layer(root + "layer{s}.{1}.downsample.1")),
        (_RES + r"shortcut", _layer(root + "layer{s}.{1}.downsample.0")),
    ]


_FCOS_HEAD = r"proposal_generator\.fcos_head\."
OLD_FCOS: Rules = [
    *_resnet("backbone.body.", "stem."),
    (r"backbone\.fpn_lateral3", "backbone.fpn.fpn_inner2"),
    (r"backbone\.fpn_lateral4", "backbone.fpn.fpn_inner3"),
    (r"backbone\.fpn_lateral5", "backbone.fpn.fpn_inner4"),
    (r"backbone\.fpn_output3", "backbone.fpn.fpn_layer2"),
    (r"backbone\.fpn_output4", "backbone.fpn.fpn_layer3"),
    (r"backbone\.fpn_output5", "backbone.fpn.fpn_layer4"),
    (r"backbone\.top_block", "backbone.fpn.top_blocks"),
    (_FCOS_HEAD + "ctrness", "rpn.head.centerness"),
    (_FCOS_HEAD, "rpn.head."),
]


def _tower(theirs: str, ours: str) -> Rules:
    """0, 3, 6, 9 are convolutions, 1, 4, 7, 10 group norms."""

    def name(match: re.Match[str]) -> str:
        block, part = divmod(int(match[1]), 3)
        return f"bbox_head.{ours}.{block}.{('conv', 'gn')[part]}"

    return [(_FCOS_HEAD + theirs + r"\.(\d+)", name)]


_MMDET: Rules = [
    *_resnet("backbone."),
    (r"backbone\.fpn_lateral3", "neck.lateral_convs.0.conv"),
    (r"backbone\.fpn_lateral4", "neck.lateral_convs.1.conv"),
    (r"backbone\.fpn_lateral5", "neck.lateral_convs.2.conv"),
    (r"backbone\.fpn_output3", "neck.fpn_convs.0.conv"),
    (r"backbone\.fpn_output4", "neck.fpn_convs.1.conv"),
    (r"backbone\.fpn_output5", "neck.fpn_convs.2.conv"),
    (r"backbone\.top_block\.p6", "neck.fpn_convs.3.conv"),
    (r"backbone\.top_block\.p7", "neck.fpn_convs.4.conv"),
    *_tower("cls_tower", "cls_convs"),
    *_tower("bbox_tower", "reg_convs"),
    *_tower("reid_tower", "reid_convs"),
    *_tower("track_tower", "track_convs"),
    (_FCOS_HEAD + r"scales", "bbox_head.scales"),
    (r"controller", "bbox_head.controller"),
    (_FCOS_HEAD + r"(reid|track)_", lambda match: f"bbox_head.{match[1]}_"),
]
_FEATURES = "mask_head.mask_feature_head"
_PART = {"0": "conv", "1": "bn"}
MMDET3: Rules = [
    *_MMDET,
    (_FCOS_HEAD + "cls_logits", "bbox_head.conv_cls"),
    (_FCOS_HEAD + "bbox_pred", "bbox_head.conv_reg"),
    (_FCOS_HEAD + "ctrness", "bbox_head.conv_centerness"),
    (
        r"mask_branch\.refine\.(\d)\.([01])\b",
        lambda match: f"{_FEATURES}.convs_all_levels.{match[1]}.conv{match[1]}.{_PART[match[2]]}",
    ),
    (r"mask_branch\.tower\.(\d)\.([01])\b", lambda match: f"{_FEATURES}.conv_branch.{match[1]}.{_PART[match[2]]}"),
    (r"mask_branch\.tower\.\d", f"{_FEATURES}.conv_pred"),
]
MMDET_PR: Rules = [
    *_MMDET,
    (_FCOS_HEAD + "cls_logits", "bbox_head.fcos_cls"),
    (_FCOS_HEAD + "bbox_pred", "bbox_head.fcos_reg"),
    (_FCOS_HEAD + "ctrness", "bbox_head.fcos_centerness"),
    (r"mask_branch\.refine", "bbox_head.mask_refine"),
    (r"mask_branch\.tower", "bbox_head.mask_head"),
]
TRACK: Rules = [  # our names of a tracking head, in AdelaiDet's style
    (_FCOS_HEAD + "reid_tower", "proposal_generator.fcos_head.track_tower"),
    (_FCOS_HEAD + "reid_pred_bn", "proposal_generator.fcos_head.track_norm"),
    (_FCOS_HEAD + "reid_pred", "proposal_generator.fcos_head.track_pred"),
]


def renamed(state: State, rules: Rules) -> State:
    return {_renamed(name, rules): tensor for name, tensor in state.items()}


def _renamed(name: str, rules: Rules) -> str:
    for pattern, replacement in rules:
        if re.match(pattern, name):
            return re.sub("^" + pattern, replacement, name)
    return name


def _mmdet(state: State, rules: Rules) -> State:
    """Scalar scales, batch norms that count, pixels divided by their spread (torchvision's) instead of not."""
    kept = {k: v for k, v in state.items() if not re.match(r"mask_head\.|cls\.", k)}
    state = renamed(kept, rules)
    for name in [name for name in state if name.startswith("backbone.") and name.endswith("running_var")]:
        state[name.replace("running_var", "num_batches_tracked")] = COUNTER.clone()
    for name in [name for name in state if name.startswith("bbox_head.scales.")]:
        state[name] = state[name].reshape(())
    state["backbone.conv1.weight"] = state["backbone.conv1.weight"] * 58
    return state


def _pull_request(state: State) -> State:
    """P6 reads the backbone's C5; the towers' convolutions have no bias."""
    state = {k: v for k, v in state.items() if not re.match(r"bbox_head\.\w+_convs\.\d+\.conv\.bias", k)}
    channels = state["neck.fpn_convs.3.conv.weight"].shape[0]
    state["neck.fpn_convs.3.conv.weight"] = Weights(7).conv(channels, 2048, 3, gain=1.0)
    return state


@dataclass(frozen=True)
class Case:
    """A checkpoint of one layout: `make(state)` from AdelaiDet's, or CrossVIS's where `tracked`.

    Without a seed, a state has names and shapes only.
    """

    layout: str
    decode_rule: str
    style: str
    make: Callable[[State], State]
    tracked: bool = False

    def state(
        self, seed: int | None = None, *, depth: int = 50, num_classes: int = 80, widths: Widths = PUBLISHED
    ) -> State:
        return self.make(_source(seed, depth, num_classes, widths, self.tracked))


@lru_cache(maxsize=2)
def _source(seed: int | None, depth: int, num_classes: int, widths: Widths, tracked: bool) -> State:
    if tracked:
        assert depth == 50
        return crossvis_state(seed, num_classes, widths)
    return adelaidet_state(seed, depth=depth, num_classes=num_classes, widths=widths)


def _our_track(state: State) -> State:
    return renamed(state, TRACK)


def _boxinst(state: State) -> State:
    return {**state, "mask_head._iter": torch.tensor([90000.0]), "pixel_mean": torch.zeros(3, 1, 1)}


CASES = {
    "condinst": Case("adelaidet", "adelaidet", "msra", dict),
    "boxinst": Case("adelaidet", "adelaidet", "msra", _boxinst),
    "condinst-track": Case("adelaidet", "adelaidet", "msra", _our_track, tracked=True),
    "condinst-torchvision": Case(
        "adelaidet", "adelaidet", "torchvision", lambda s: renamed(s, _resnet("backbone.bottom_up."))
    ),
    "crossvis": Case("crossvis", "adelaidet", "msra", dict, tracked=True),
    "crossvis-torchvision": Case(
        "crossvis", "adelaidet", "torchvision", lambda s: renamed(s, _resnet("backbone.bottom_up.")), tracked=True
    ),
    "fcos": Case("fcos", "adelaidet", "msra", lambda s: renamed(s, OLD_FCOS)),
    "fcos-reid": Case("fcos", "adelaidet", "msra", lambda s: renamed(s, OLD_FCOS), tracked=True),
    "fcos-track": Case("fcos", "adelaidet", "msra", lambda s: renamed(_our_track(s), OLD_FCOS), tracked=True),
    "mmdet3": Case("mmdet3", "mmdet3", "torchvision", lambda s: _mmdet(s, MMDET3)),
    "mmdet3-reid": Case("mmdet3", "mmdet3", "torchvision", lambda s: _mmdet(s, MMDET3), tracked=True),
    "mmdet3-track": Case("mmdet3", "mmdet3", "torchvision", lambda s: _mmdet(_our_track(s), MMDET3), tracked=True),
    "mmdet-pr": Case("mmdet-pr", "mmdet-pr", "torchvision", lambda s: _pull_request(_mmdet(s, MMDET_PR))),
    "mmdet-pr-reid": Case(
        "mmdet-pr", "mmdet-pr", "torchvision", lambda s: _pull_request(_mmdet(s, MMDET_PR)), tracked=True
    ),
    "mmdet-pr-track": Case(
        "mmdet-pr", "mmdet-pr", "torchvision", lambda s: _pull_request(_mmdet(_our_track(s), MMDET_PR)), tracked=True
    ),
}
