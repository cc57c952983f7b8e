"""What a weight file is, without exporting it: its layout, what its weights tell, and what has to be assumed."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from stc.errors import CheckpointError, InputError
from stc.files import sha256
from stc.model.checkpoint.compare import Differences
from stc.model.checkpoint.examine import Examined, examine
from stc.model.checkpoint.infer import SIZES_OF_INTEREST
from stc.model.checkpoint.load import finish
from stc.model.checkpoint.options import AS_THE_FILE_SAYS, Reading
from stc.model.checkpoint.reading import files
from stc.model.checkpoint.save import CONFIG_KEY, weights
from stc.model.config import ModelConfig

# Config fields that `infer` reads off the weights -> our names (expressions) of the weights that tell.
INFERRED = {
    "backbone": r"backbone\.(blocks\..*|res4\.\d+\.conv1\.weight)",
    "fpn_channels": r"fpn\.lateral\.0\.weight",
    "p6_from": r"fpn\.p6\.weight",
    "cls_convs": r"head\.cls_tower\.convs\.\d+\.weight",
    "box_convs": r"head\.box_tower\.convs\.\d+\.weight",
    "track_convs": r"head\.track_tower\.convs\.\d+\.weight",
    "track_dim": r"head\.track_pred\.weight",
    "track_kernel": r"head\.track_pred\.weight",
    "track_norm": r"head\.track_norm\.weight",
    "head_norm": r"head\.cls_tower\.norms\.0\..*weight",
    "head_kernel": r"head\.cls_logits\.weight",
    "mask_branch_channels": r"mask_branch\.refine\.0\.conv\.weight",
    "mask_branch_convs": r"mask_branch\.tower\.\d+\.conv\.weight",
    "mask_channels": r"mask_branch\.pred\.weight",
    "mask_layers": r"head\.controller\.weight",
}
# Config fields that some files store -> our name of the entry; where it is not there, the preset's value stands.
STORED = {"sizes_of_interest": SIZES_OF_INTEREST}
# Config fields that the weights do not tell -> the option that says them.
FLAGS = {
    "classes": "--classes",
    **dict.fromkeys(("stride_in_1x1", "channel_order", "pixel_mean", "pixel_std"), "--backbone-style"),
    **dict.fromkeys(("score_form", "threshold_with_centerness", "level_topk", "clip_boxes"), "--decode-rule"),
    **dict.fromkeys(("drop_empty_boxes", "mask_out_stride", "resize", "nms_threshold"), "--decode-rule"),
    **dict.fromkeys(("input_size", "shortest_edge"), "--size"),
    "max_detections": "--max-detections",
}


@dataclass(frozen=True)
class Told:
    """One field of the config and where its value comes from: `entries` of the file, by its names, or else `flag`."""

    field: str
    value: Any
    entries: tuple[str, ...] = ()
    flag: str | None = None


@dataclass(frozen=True)
class Inspection:
    """What is known about a file; of one that has no known layout, only what does not depend on one."""

    file: str
    size: int  # bytes
    sha256: str
    entry: str  # the part of the file that holds the weights; "" for the whole of it
    entries: int
    numbers: int
    dtypes: dict[str, int]  # entries of each type
    complete: bool  # it loads
    problem: str  # why it does not
    layout: str | None = None
    known: int = 0  # entries that `layout` has a place for
    ignored: int = 0  # entries that inference does not need
    parameters: dict[str, int] = field(default_factory=dict)  # of each part of the network
    config: dict[str, Any] = field(default_factory=dict)
    config_from: str = ""  # "weights", or "metadata" where the file holds its own
    inferred: tuple[Told, ...] = ()
    not_told: tuple[Told, ...] = ()  # fields that the weights do not tell, with the values that were taken
    assumed: dict[str, str] = field(default_factory=dict)
    differences: Differences = field(default_factory=Differences)
    suggested_map: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def inspect(path: str | Path, reading: Reading = AS_THE_FILE_SAYS, **options: Any) -> Inspection:
    """Inspect a weight file; `reading` and `options` are those of `stc.model.checkpoint.load`.

    Raises CheckpointError for a file that is no readable weight file, InputError for an unusable option.
    """
    reading = replace(reading, **options)
    path = Path(path)
    file = files.read(path)
    facts: dict[str, Any] = {
        "file": str(path),
        "size": path.stat().st_size,
        "sha256": sha256(path),
        "entry": file.entry,
        "entries": len(file.tensors),
        "numbers": sum(tensor.numel() for tensor in file.tensors.values()),
        "dtypes": dict(Counter(str(tensor.dtype).removeprefix("torch.") for tensor in file.tensors.values())),
    }
    try:
        found = examine(path, file, reading)
    except CheckpointError as error:
        return Inspection(**facts, complete=False, problem=str(error))
    problem = _problem(found)
    return Inspection(
        **facts,
        complete=not problem,
        problem=problem,
        layout=found.layout.name,
        known=sum(found.layout.ours(name) is not None and not found.layout.ignores(name) for name in file.tensors),
        ignored=sum(found.layout.ignores(name) for name in file.tensors),
        parameters=_parameters(found),
        config=found.config.to_dict(),
        config_from="weights" if CONFIG_KEY not in file.metadata else "metadata",
        inferred=() if CONFIG_KEY in file.metadata else _inferred(found),
        not_told=() if CONFIG_KEY in file.metadata else _not_told(found),
        assumed=found.assumed,
        differences=found.wrong,
        suggested_map=tuple(found.suggested_map()),
    )


def _problem(found: Examined) -> str:
    try:
        finish(found)
    except InputError as error:
        return str(error)
    return ""


def _parameters(found: Examined) -> dict[str, int]:
    parts: Counter[str] = Counter()
    for name, tensor in weights(found.model).items():
        parts[name.partition(".")[0]] += tensor.numel()
    return dict(parts)


def _inferred(found: Examined) -> tuple[Told, ...]:
    def entries(pattern: str) -> tuple[str, ...]:
        names = (name for name in found.tensors if re.fullmatch(pattern, name))
        return tuple(found.layout.theirs(name) or name for name in names)

    told = [Told(name, getattr(found.config, name), entries(pattern)) for name, pattern in INFERRED.items()]
    told += [
        Told(name, getattr(found.config, name), (found.layout.theirs(entry) or entry,))
        for name, entry in _stored(found).items()
    ]
    return (*told, Told("num_classes", found.config.num_classes, entries(r"head\.cls_logits\.weight")))


def _stored(found: Examined) -> dict[str, str]:
    return {name: entry for name, entry in STORED.items() if entry in found.tensors}


def _not_told(found: Examined) -> tuple[Told, ...]:
    told = INFERRED.keys() | _stored(found).keys()
    names = (f.name for f in fields(ModelConfig) if f.name not in told)
    return tuple(Told(name, getattr(found.config, name), flag=FLAGS.get(name)) for name in names)
