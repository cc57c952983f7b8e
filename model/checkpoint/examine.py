"""What a weight file holds, under our names and beside what the network of its config needs."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from stc.errors import CheckpointError
from stc.model.checkpoint import assumptions, file_config
from stc.model.checkpoint import key_map as key_maps
from stc.model.checkpoint.compare import Differences, differences
from stc.model.checkpoint.configs import find
from stc.model.checkpoint.configs.statements import FIX, Statements
from stc.model.checkpoint.infer import SIZES_OF_INTEREST
from stc.model.checkpoint.key_map import suggested_map
from stc.model.checkpoint.layouts import imagenet, unsupported
from stc.model.checkpoint.layouts import known as layouts
from stc.model.checkpoint.layouts.known import Layout
from stc.model.checkpoint.options import Reading
from stc.model.checkpoint.reading import files, shards
from stc.model.checkpoint.save import CONFIG_KEY, weights
from stc.model.checkpoint.sources import Origins, told
from stc.model.config import ModelConfig
from stc.model.network import STC


@dataclass(frozen=True)
class Examined:
    """The content of a weight file, held against the layout that is closest to it."""

    path: Path
    file: files.StateFile
    layout: Layout
    known: int  # entries that have a name of `layout`
    tensors: dict[str, Tensor]  # by our names
    config: ModelConfig
    origins: Origins
    trained: Statements  # the config of its training
    model: STC  # of `config`, without memory for its weights
    wrong: Differences

    def error(self) -> CheckpointError | None:
        """The error that says what is `wrong`, or that the config of the training is another model's; None for neither.

        Raises InputError for a config of a model that is not supported.
        """
        if not self.wrong:
            return self._error_of_config()
        if part := shards.part(self.path):
            return shards.error(self.path, f"shard {part}, which holds a part of the weights only")
        if variants := unsupported.seen({name: tuple(tensor.shape) for name, tensor in self.file.tensors.items()}):
            return unsupported.error(self.path, variants)
        total = len(self.file.tensors)
        return self.wrong.error(self.path, self.layout.name, self.known, total, self.suggested_map())

    def _error_of_config(self) -> CheckpointError | None:
        self.trained.check()
        contradiction = self.trained.contradiction(self.config, sorted(told(self.tensors)))
        return CheckpointError(f"{self.path}: {contradiction}; {FIX}") if contradiction else None

    def suggested_map(self) -> list[str]:
        """A key map for left-over entries that look like a tracking head."""
        entries = set(self.file.tensors)  # what was filled in is none
        unexpected = [name for name in self.wrong.unexpected if name in entries]
        return suggested_map(unexpected, {name: t.shape for name, t in self.file.tensors.items()})


def examine(path: Path, file: files.StateFile, reading: Reading) -> Examined:
    """What the content of `path` is, complete or not; no number is looked at. Errors: see `load`."""
    user_map = None if reading.key_map is None else key_maps.read(reading.key_map)
    file = _unwrapped(file, user_map)
    mapped = {} if user_map is None else user_map.names(file.tensors)
    written = [] if user_map is None else user_map.of_layouts(mapped)
    layout, known = layouts.closest([*(name for name in file.tensors if name not in mapped), *written])
    if mapped:
        layout = key_maps.extended(layout if known else layouts.STC, mapped, file.tensors)
        known += sum(ours is not None for ours in mapped.values())
    if known == 0:
        raise _foreign(path, list(file.tensors))
    tensors, unexpected = _translate(layout, file.tensors)
    origins = Origins()
    if file.left_out:
        origins.assumed["weights"] = f"those under {file.entry!r}; the file also holds {', '.join(file.left_out)}"
    trained = Statements()
    if CONFIG_KEY in file.metadata:
        config = file_config.stored(path, file.metadata, reading, origins.assumed)
    else:
        trained = _trained(path, file, layout, reading, origins)
        config = file_config.inferred(path, tensors, layout, trained, reading, origins)
    if file.from_caffe2:
        origins.assumed.update(imagenet.fill_frozen_statistics(tensors))
    origins.assumed.update(assumptions.fill_scales(tensors, layout, len(config.strides)))

    model = _empty(path, config)
    if layout.bare_towers:
        origins.assumed.update(assumptions.fill_tower_biases(tensors, weights(model)))
    wrong = differences(_expected(model, layout, tensors), _shapes(layout, tensors), unexpected)
    return Examined(path, file, layout, known, tensors, config, origins, trained, model, wrong)


def _trained(path: Path, file: files.StateFile, layout: Layout, reading: Reading, origins: Origins) -> Statements:
    """The config that the weights were trained with, as far as there is one."""
    found, passed_over = find.of_file(path, file.meta, layout.code_base)
    if reading.config is not None:
        named = find.named(Path(reading.config))
        find.check_code_base(named, layout.code_base, path, layout.name)
        names = found.said.get("classes")
        return named if names is None else named.with_class_names(names)
    origins.assumed.update(passed_over)
    return found


def _unwrapped(file: files.StateFile, user_map: key_maps.KeyMap | None) -> files.StateFile:
    """Without what wrappers have put before all names, unless the user's map means the names with it."""
    kept = {name: tensor for name, tensor in file.tensors.items() if not _is_counter(name, tensor)}
    prefix = layouts.wrapping(kept) if kept else ""
    if not prefix:
        return file
    short = {name.removeprefix(prefix): tensor for name, tensor in kept.items()}
    if user_map is not None and user_map.matches(file.tensors) > user_map.matches(short):
        return file
    return replace(file, tensors=short)


def _is_counter(name: str, tensor: Tensor) -> bool:
    """Whether it may be a wrapper's own number, such as `n_averaged` beside `module.` of an averaged model."""
    return "." not in name and tensor.numel() == 1


def _foreign(path: Path, names: list[str]) -> CheckpointError:
    if bare := imagenet.names_of(names):
        return CheckpointError(
            f"{path}: only a backbone ({bare.source} names, as of ImageNet weights): the feature pyramid, the class, "
            f"box and controller head and the mask branch are missing; train a model from it: stc-train --init {path}"
        )
    if found := layouts.networks(names):
        first = next(reversed(found))
        several = " and ".join(f"{count} entries under {name!r}" for name, count in found.items())
        return CheckpointError(
            f"{path}: not one network alone, but {several}, of {len(names)}; say which with --key-map FILE, such as of "
            f"these two lines: {re.escape(first)}(.*) \\1 and .* -"
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
        if layout.name != layouts.STC.name and model.config.head_norm == "batch" and (bias := tower_bias(name)):
            shapes[_their(layout, bias)] = tuple(tensor.shape[:1])
    if SIZES_OF_INTEREST in tensors:
        shapes[_their(layout, SIZES_OF_INTEREST)] = (len(model.config.strides),)
    return shapes


def tower_bias(name: str) -> str | None:
    """The bias of the tower convolution whose weight is `name`; None where that is something else."""
    match = re.fullmatch(r"(head\.\w+_tower\.convs\.\d+\.)weight", name)
    return f"{match[1]}bias" if match else None


def _shapes(layout: Layout, tensors: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {_their(layout, name): tuple(tensor.shape) for name, tensor in tensors.items()}


def _their(layout: Layout, name: str) -> str:
    return layout.theirs(name) or name
