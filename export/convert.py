"""A checkpoint of any layout to our own file: safetensors in float32, with the config in its metadata."""

from __future__ import annotations

from pathlib import Path

from stc.errors import InputError
from stc.model import checkpoint
from stc.model.checkpoint import Checkpoint
from stc.model.checkpoint.infer import BackboneStyle
from stc.model.decode_rules import DecodeRule


def to_safetensors(
    ckpt: str | Path,
    target: str | Path,
    *,
    classes: str | None = None,
    backbone_style: BackboneStyle | None = None,
    decode_rule: DecodeRule | None = None,
    key_map: str | Path | None = None,
) -> Checkpoint:
    """Write `ckpt` to `target`; what `stc.model.checkpoint.load` makes of either is equal bit by bit.

    What was assumed about `ckpt` stays written in `target`. The options are those of `load`. Raises CheckpointError or
    InputError for an unusable file or option, and for a `target` that is `ckpt` itself or cannot be written.
    """
    ckpt, target = Path(ckpt), Path(target)
    if target.exists() and ckpt.exists() and target.samefile(ckpt):
        raise InputError(f"--to-safetensors {target}: the checkpoint itself; give another name")
    source = checkpoint.load(
        ckpt, classes=classes, backbone_style=backbone_style, decode_rule=decode_rule, key_map=key_map
    )
    checkpoint.save(source.model, target, assumed=source.assumed)
    return source
