"""What a user may say about a checkpoint because its file does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stc.errors import InputError
from stc.model.backbone_styles import BACKBONE_STYLES, BackboneStyle
from stc.model.decode_rules import DECODE_RULES, DecodeRule


@dataclass(frozen=True)
class Reading:
    """How to read a checkpoint.

    classes: "coco", "ytvis2019", "ytvis2021", "ovis", a file of names, or the names; needed where the number of classes
    does not tell. backbone_style: stride placement and pixels that the ResNet was trained with, decode_rule: how
    detections are made of its outputs; those of the layout's code base when not given. key_map: a file that names
    entries of another code base, see `stc.model.checkpoint.key_map`. config: what the checkpoint was trained with
    (detectron2's YAML, mmdetection's Python or JSON), in place of that in the file or beside it. Raises InputError for
    a style or rule of no known name.
    """

    classes: str | Path | Sequence[str] | None = None
    backbone_style: BackboneStyle | None = None
    decode_rule: DecodeRule | None = None
    key_map: str | Path | None = None
    config: str | Path | None = None

    def __post_init__(self) -> None:
        if self.backbone_style not in (None, *BACKBONE_STYLES):
            raise InputError(f"--backbone-style {self.backbone_style}: must be one of {', '.join(BACKBONE_STYLES)}")
        if self.decode_rule not in (None, *DECODE_RULES):
            raise InputError(f"--decode-rule {self.decode_rule}: must be one of {', '.join(DECODE_RULES)}")


AS_THE_FILE_SAYS = Reading()
