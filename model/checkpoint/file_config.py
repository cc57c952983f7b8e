"""The config of a weight file: its own where stc wrote it, else read off the weights and completed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from stc.errors import CheckpointError, InputError
from stc.model.backbones.known import find as find_backbone
from stc.model.checkpoint import assumptions, class_names
from stc.model.checkpoint.configs.statements import Statements
from stc.model.checkpoint.infer import SIZES_OF_INTEREST, class_count, infer, sizes_of_interest
from stc.model.checkpoint.layouts.layout import Layout
from stc.model.checkpoint.options import Reading
from stc.model.checkpoint.save import ASSUMED_KEY, CONFIG_KEY
from stc.model.checkpoint.sources import Origins, said_by_user, told
from stc.model.config import ModelConfig

MAX_CLASSES = 10_000


def stored(path: Path, metadata: Mapping[str, str], reading: Reading, assumed: dict[str, str]) -> ModelConfig:
    """The config that `metadata` holds, and into `assumed` what the conversion to this file assumed."""
    if reading.backbone_style is not None:
        raise InputError(f"{path}: says itself how its backbone was trained; leave out --backbone-style")
    if reading.decode_rule is not None:
        raise InputError(f"{path}: says itself how it is decoded; leave out --decode-rule")
    if reading.config is not None:
        raise InputError(f"{path}: holds its own config; leave out --config")
    try:
        values = json.loads(metadata[CONFIG_KEY])
        if isinstance(values, dict) and "backbone" in values:
            find_backbone(values["backbone"])  # names those there are
        config = ModelConfig.from_dict(values)
    except (ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{path}: its {CONFIG_KEY} cannot be used ({error}); save it again with this version of stc"
        ) from error
    if reading.classes is not None:
        config = config.with_(classes=class_names.named(reading.classes, config.num_classes))
    try:
        texts = {str(topic): str(text) for topic, text in json.loads(metadata.get(ASSUMED_KEY, "{}")).items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"{path}: its {ASSUMED_KEY} cannot be used ({error}); convert it again with stc-export --to-safetensors"
        ) from error
    named = reading.classes is not None  # since
    assumed |= {topic: text for topic, text in texts.items() if not (named and topic == "classes")}
    return config


def inferred(
    path: Path, tensors: Mapping[str, Tensor], layout: Layout, trained: Statements, reading: Reading, origins: Origins
) -> ModelConfig:
    """The config that `tensors`, by our names, were made for; what they do not tell by `reading`, by the config that
    they were `trained` with, or assumed. What is read and what is assumed goes into `origins`."""
    config = infer(tensors)
    count = class_count(tensors)
    if not 0 < count <= MAX_CLASSES:
        raise CheckpointError(
            f"{path}: a classifier of {count} classes; give an STC checkpoint (1 to {MAX_CLASSES} classes)"
        )
    names = _class_names(count, trained, reading, origins)
    config = _with_sizes(path, config.with_(classes=names), tensors)
    config = assumptions.trained_by(path, config, layout, reading, trained, origins.assumed)
    taken = trained.said.keys() - told(tensors) - said_by_user(reading) - {"classes"}
    config, read = trained.applied(config, (name for name in trained.said if name in taken))
    origins.read.update(read)
    return config


def _class_names(count: int, trained: Statements, reading: Reading, origins: Origins) -> tuple[str, ...]:
    if reading.classes is not None:
        return class_names.named(reading.classes, count)
    if (said := trained.said.get("classes")) is not None:
        where = f"{said.key} of {trained.name}"
        if not isinstance(said.value, str):
            origins.read["classes"] = f"{count} names ({where})"
            return class_names.named(said.value, count, where)
        if len(known := class_names.KNOWN[said.value]) == count:  # else a subset, or a data set of that name
            origins.read["classes"] = f"{said.value} ({where})"
            return known
    names, origins.assumed["classes"] = class_names.assumed(count)
    return names


def _with_sizes(path: Path, config: ModelConfig, tensors: Mapping[str, Tensor]) -> ModelConfig:
    """`config` with the sizes of interest that the file stores, if it does."""
    if SIZES_OF_INTEREST not in tensors:
        return config
    try:
        sizes = sizes_of_interest(tensors[SIZES_OF_INTEREST], len(config.strides))
    except ValueError as error:
        raise CheckpointError(
            f"{path}: {SIZES_OF_INTEREST} {error}; the file is damaged or of another pyramid: give a CondInst, "
            "CrossVIS or STC checkpoint"
        ) from error
    return config.with_(sizes_of_interest=sizes)
