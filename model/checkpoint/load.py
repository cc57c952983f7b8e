"""A weight file of any known layout -> a model that is ready to run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stc.errors import CheckpointError
from stc.files import sha256
from stc.model.checkpoint.examine import Examined, examine, tower_bias
from stc.model.checkpoint.infer import SIZES_OF_INTEREST
from stc.model.checkpoint.options import AS_THE_FILE_SAYS, Reading
from stc.model.checkpoint.reading import files
from stc.model.checkpoint.save import weights
from stc.model.config import ModelConfig
from stc.model.network import STC

QUANTISED = (torch.int8, torch.uint8)


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint: `model` in float32 on the CPU, in eval mode."""

    model: STC
    config: ModelConfig
    layout: str  # one of stc.model.checkpoint.layouts.known.NAMES
    sha256: str
    assumed: dict[str, str]  # topic -> in words, what was assumed because the file does not tell
    read: dict[str, str] = field(default_factory=dict)  # config field -> in words, what its training's config says


def load(path: str | Path, reading: Reading = AS_THE_FILE_SAYS, **options: Any) -> Checkpoint:
    """Load a weight file of any form (`files.py`) and known layout (`layouts/`), also one that wrappers have renamed.

    reading, or its fields as `options` (`classes="coco"`): what the file does not tell. Numbers of any precision become
    float32. Entries that inference does not need are ignored.

    Raises CheckpointError for a file that cannot be read safely or whose weights are missing, unexpected, misshapen or
    not finite, or whose training config says another architecture; InputError when an option does not fit, or that
    config says what no model of ours has.
    """
    reading = replace(reading, **options)
    return finish(examine(Path(path), files.read(Path(path)), reading))


def finish(found: Examined) -> Checkpoint:
    """The model of a file that holds all of it. Raises CheckpointError for one that does not, see `load`."""
    if error := found.error():
        raise error
    model, path = found.model, found.path
    counters = {name: torch.tensor(0) for name in model.state_dict().keys() - weights(model).keys()}
    tensors = {name: tensor for name, tensor in found.tensors.items() if name != SIZES_OF_INTEREST}
    model.load_state_dict({**_folded(_numbers(found, _stacked(tensors))), **counters}, assign=True)
    origins = found.origins
    return Checkpoint(model.eval(), found.config, found.layout.name, sha256(path), origins.assumed, origins.read)


def _stacked(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The scales of the levels, one tensor each in other layouts, as our one tensor."""
    levels = sorted(name for name in tensors if name.startswith("head.scales."))
    if not levels:
        return tensors
    rest = {name: tensor for name, tensor in tensors.items() if name not in levels}
    return {**rest, "head.scales": torch.stack([tensors[name].reshape(()) for name in levels])}


def _folded(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tower convolutions in front of batch norms have no bias with us: theirs are taken off the means."""
    folded = dict(tensors)
    for name in tensors:
        bias = tower_bias(name)
        norm = name.replace(".convs.", ".norms.").removesuffix("weight")
        if bias in folded and f"{norm}0.running_mean" in folded:
            shift = folded.pop(bias)
            means = [mean for mean in folded if mean.startswith(norm) and mean.endswith(".running_mean")]
            folded |= {mean: folded[mean] - shift for mean in means}
    return folded


def _numbers(found: Examined, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """All tensors in float32, each in memory of its own.

    Raises CheckpointError where a number is not finite, a variance is negative, or a tensor is stored in 8 bits.
    """
    for name, tensor in tensors.items():
        if tensor.dtype in QUANTISED:
            raise CheckpointError(
                f"{found.path}: {found.layout.theirs(name) or name} is stored as {tensor.dtype}: weights of a "
                "quantised model, whose scales are elsewhere; give the checkpoint that training wrote"
            )
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
            f"{found.path}: {found.layout.theirs(name) or name}: {problem}; training diverged or the file is damaged: "
            "give an earlier checkpoint"
        )
    return numbers
