"""A weight file of any known layout -> a model that is ready to run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor

from stc.errors import CheckpointError, InputError
from stc.files import sha256
from stc.model.backbones.known import find as find_backbone
from stc.model.checkpoint import assumptions, class_names
from stc.model.checkpoint import key_map as key_maps
from stc.model.checkpoint.compare import Differences, differences
from stc.model.checkpoint.infer import BackboneStyle, class_count, infer
from stc.model.checkpoint.key_map import suggested_map
from stc.model.checkpoint.layouts import imagenet
from stc.model.checkpoint.layouts import known as layouts
from stc.model.checkpoint.layouts.known import Layout
from stc.model.checkpoint.reading import files
from stc.model.checkpoint.save import ASSUMED_KEY, CONFIG_KEY, weights
from stc.model.config import ModelConfig
from stc.model.decode_rules import DECODE_RULES, DecodeRule
from stc.model.network import STC

MAX_CLASSES = 10_000


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint: `model` in float32 on the CPU, in eval mode."""

    model: STC
    config: ModelConfig
    layout: str  # one of stc.model.checkpoint.layouts.known.NAMES
    sha256: str
    assumed: dict[str, str]  # topic -> in words, what was assumed because the file does not tell


@dataclass(frozen=True)
class Examined:
    """The content of a weight file, held against the layout that is closest to it."""

    path: Path
    file: files.StateFile
    layout: Layout
    known: int  # entries that have a name of `layout`
    tensors: dict[str, Tensor]  # by our names
    config: ModelConfig
    assumed: dict[str, str]
    model: STC  # of `config`, without memory for its weights
    wrong: Differences

    def error(self) -> CheckpointError:
        """The error that says what is `wrong`."""
        total = len(self.file.tensors)
        return self.wrong.error(self.path, self.layout.name, self.known, total, self.suggested_map())

    def suggested_map(self) -> list[str]:
        """A key map for left-over entries that look like a tracking head."""
        entries = set(self.file.tensors)  # what was filled in is none
        unexpected = [name for name in self.wrong.unexpected if name in entries]
        return suggested_map(unexpected, {name: t.shape for name, t in self.file.tensors.items()})


def load(
    path: str | Path,
    *,
    classes: str | Path | Sequence[str] | None = None,
    backbone_style: BackboneStyle | None = None,
    decode_rule: DecodeRule | None = None,
    key_map: str | Path | None = None,
) -> Checkpoint:
    """Load a weight file of any form (`files.py`) and known layout (`layouts/`), also one that wrappers have renamed.

    classes: "coco", "ytvis2019", "ytvis2021", "ovis", a file of names, or the names; needed where the number of classes
    does not tell. backbone_style: stride placement and pixels that the ResNet was trained with, decode_rule: how
    detections are made of its outputs; those of the layout's code base when not given. key_map: a file that names
    entries of another code base, see `stc.model.checkpoint.key_map`. Numbers of any precision become float32. Entries
    that inference does not need are ignored.

    Raises CheckpointError for a file that cannot be read safely or whose weights are missing, unexpected, misshapen or
    not finite; InputError when `classes`, `backbone_style`, `decode_rule` or `key_map` does not fit.
    """
    path = Path(path)
    file = files.read(path)
    return finish(
        examine(path, file, classes=classes, backbone_style=backbone_style, decode_rule=decode_rule, key_map=key_map)
    )


def examine(
    path: Path,
    file: files.StateFile,
    *,
    classes: str | Path | Sequence[str] | None = None,
    backbone_style: BackboneStyle | None = None,
    decode_rule: DecodeRule | None = None,
    key_map: str | Path | None = None,
) -> Examined:
    """What the content of `path` is, complete or not; no number is looked at. Arguments and errors: see `load`."""
    if backbone_style is not None and backbone_style not in get_args(BackboneStyle):
        raise InputError(f"--backbone-style {backbone_style}: must be one of {', '.join(get_args(BackboneStyle))}")
    if decode_rule is not None and decode_rule not in DECODE_RULES:
        raise InputError(f"--decode-rule {decode_rule}: must be one of {', '.join(DECODE_RULES)}")
    user_map = None if key_map is None else key_maps.read(key_map)
    file = _unwrapped(file, user_map)
    mapped = {} if user_map is None else user_map.names(file.tensors)
    layout, known = layouts.closest(name for name in file.tensors if name not in mapped)
    if mapped:
        layout = key_maps.extended(layout if known else layouts.STC, mapped, file.tensors)
        known += sum(ours is not None for ours in mapped.values())
    if known == 0:
        raise _foreign(path, list(file.tensors))
    tensors, unexpected = _translate(layout, file.tensors)
    assumed: dict[str, str] = {}
    if file.left_out:
        assumed["weights"] = f"those under {file.entry!r}; the file also holds {', '.join(file.left_out)}"

    stored = file.metadata.get(CONFIG_KEY)
    if stored is None:
        config = _inferred_config(path, tensors, classes, assumed)
        config = assumptions.trained_by(path, config, layout, backbone_style, decode_rule, assumed)
    else:
        config = _stored_config(path, stored, classes, backbone_style, decode_rule)
        assumed |= _stored_assumptions(path, file.metadata.get(ASSUMED_KEY, "{}"), named=classes is not None)
    if layout.name != layouts.STC.name:
        assumptions.fill_frozen_statistics(tensors, assumed)

    model = _empty(path, config)
    if layout.bare_towers:
        assumptions.fill_tower_biases(tensors, weights(model), assumed)
    wrong = differences(_expected(model, layout, tensors), _shapes(layout, tensors), unexpected)
    return Examined(path, file, layout, known, tensors, config, assumed, model, wrong)


def _unwrapped(file: files.StateFile, user_map: key_maps.KeyMap | None) -> files.StateFile:
    """Without what wrappers have put before all names, unless the user's map means the names with it."""
    prefix = layouts.wrapping(file.tensors)
    short = {name.removeprefix(prefix): tensor for name, tensor in file.tensors.items()}
    if user_map is not None and user_map.matches(file.tensors) > user_map.matches(short):
        return file
    return replace(file, tensors=short)


def finish(found: Examined) -> Checkpoint:
    """The model of a file that holds all of it. Raises CheckpointError for one that does not, see `load`."""
    if found.wrong:
        raise found.error()
    model, path = found.model, found.path
    counters = {name: torch.tensor(0) for name in model.state_dict().keys() - weights(model).keys()}
    model.load_state_dict({**_numbers(path, found.layout, _stacked(found.tensors)), **counters}, assign=True)
    return Checkpoint(model.eval(), found.config, found.layout.name, sha256(path), found.assumed)


def _foreign(path: Path, names: list[str]) -> CheckpointError:
    if bare := imagenet.names_of(names):
        return CheckpointError(
            f"{path}: only a backbone ({bare.source} names, as of ImageNet weights): the feature pyramid, the class, "
            f"box and controller head and the mask branch are missing; train a model from it: stc-train --init {path}"
        )
    examples = {layout.name: layout.theirs("head.cls_logits.weight") for layout in layouts.LAYOUTS}
    known = "; ".join(f"{name} (such as {example})" for name, example in examples.items())
    return CheckpointError(
        f"{path}: weights of another model: none of its {len(names)} entries ({', '.join(names[:3])}, ...) has a "
        f"name of a known layout: {known}; give a CondInst, CrossVIS or STC checkpoint"
    )


def _translate(layout: Layout, tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors by our names, and the names that have none or whose place is taken."""
    translated: dict[str, Tensor] = {}
    unexpected = []
    for name, tensor in tensors.items():
        if layout.ignores(name):
            continue
        ours = layout.ours(name)
        if ours is None or ours in translated:
            unexpected.append(name)
        else:
            translated[ours] = tensor
    return translated, unexpected


def _stored_config(
    path: Path,
    stored: str,
    classes: str | Path | Sequence[str] | None,
    style: BackboneStyle | None,
    rule: DecodeRule | None,
) -> ModelConfig:
    if style is not None:
        raise InputError(f"{path}: says itself how its backbone was trained; leave out --backbone-style")
    if rule is not None:
        raise InputError(f"{path}: says itself how it is decoded; leave out --decode-rule")
    try:
        values = json.loads(stored)
        if isinstance(values, dict) and "backbone" in values:
            find_backbone(values["backbone"])  # names those there are
        config = ModelConfig.from_dict(values)
    except (ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{path}: its {CONFIG_KEY} cannot be used ({error}); save it again with this version of stc"
        ) from error
    return config if classes is None else config.with_(classes=class_names.named(classes, config.num_classes))


def _stored_assumptions(path: Path, stored: str, *, named: bool) -> dict[str, str]:
    """What the conversion to this file assumed. named: the classes have been named since."""
    try:
        texts = {str(topic): str(text) for topic, text in json.loads(stored).items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"{path}: its {ASSUMED_KEY} cannot be used ({error}); convert it again with stc-export --to-safetensors"
        ) from error
    return {topic: text for topic, text in texts.items() if not (named and topic == "classes")}


def _inferred_config(
    path: Path,
    tensors: dict[str, Tensor],
    classes: str | Path | Sequence[str] | None,
    assumed: dict[str, str],
) -> ModelConfig:
    config = infer(tensors)
    count = class_count(tensors)
    if not 0 < count <= MAX_CLASSES:
        raise CheckpointError(
            f"{path}: a classifier of {count} classes; give an STC checkpoint (1 to {MAX_CLASSES} classes)"
        )
    if classes is None:
        names, assumed["classes"] = class_names.assumed(count)
    else:
        names = class_names.named(classes, count)
    return config.with_(classes=names)


def _empty(path: Path, config: ModelConfig) -> STC:
    """The network of `config` without memory for its weights."""
    try:
        with torch.device("meta"):
            return STC(config)
    except (ValueError, TypeError, RuntimeError, ZeroDivisionError) as error:
        raise CheckpointError(
            f"{path}: its shapes make no network ({error}); give a CondInst, CrossVIS or STC checkpoint"
        ) from error


def _expected(model: STC, layout: Layout, tensors: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Shapes of all weights of `model` by the names of the file."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, tensor in weights(model).items():
        if name == "head.scales" and (layout.name != layouts.STC.name or f"{name}.0" in tensors):
            shapes |= {_their(layout, f"{name}.{level}"): layout.scale_shape for level in range(len(tensor))}
        else:
            shapes[_their(layout, name)] = tuple(tensor.shape)
    return shapes


def _shapes(layout: Layout, tensors: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {_their(layout, name): tuple(tensor.shape) for name, tensor in tensors.items()}


def _their(layout: Layout, name: str) -> str:
    return layout.theirs(name) or name


def _stacked(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The scales of the levels, one tensor each in other layouts, as our one tensor."""
    levels = sorted(name for name in tensors if name.startswith("head.scales."))
    if not levels:
        return tensors
    rest = {name: tensor for name, tensor in tensors.items() if name not in levels}
    return {**rest, "head.scales": torch.stack([tensors[name].reshape(()) for name in levels])}


def _numbers(path: Path, layout: Layout, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """All tensors in float32, each in memory of its own.

    Raises CheckpointError where a number is not finite or a variance is negative.
    """
    numbers = {
        name: tensor.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    for name, tensor in numbers.items():
        if bad := int((~tensor.isfinite()).sum()):
            problem = f"{bad} of {tensor.numel()} numbers are NaN or infinite in float32"
        elif name.endswith("running_var") and tensor.min() < 0:
            problem = "a variance is negative"
        else:
            continue
        raise CheckpointError(
            f"{path}: {_their(layout, name)}: {problem}; training diverged or the file is damaged: "
            "give an earlier checkpoint"
        )
    return numbers
