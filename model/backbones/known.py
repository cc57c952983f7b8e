"""All backbones. A new one is a file that defines a `Backbone`, a line here, and a preset in `config.PRESETS`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from stc.model.backbones.backbone import Backbone
from stc.model.backbones.efficientnet import LITE0, LITE0_192
from stc.model.backbones.resnet import RESNET50, RESNET101

# The first whose mark is in a file is the file's: an R-101 has all that an R-50 has, and Lite0 all of its beginning.
BACKBONES = {backbone.name: backbone for backbone in (LITE0, LITE0_192, RESNET101, RESNET50)}


def find(name: object) -> Backbone:
    """Raises ValueError, listing those there are, for anything but one of their names."""
    found = BACKBONES.get(name) if isinstance(name, str) else None
    if found is None:
        raise ValueError(f"backbone must be one of {', '.join(sorted(BACKBONES))}; got {name!r}")
    return found


def recognise(names: Iterable[str]) -> Backbone | None:
    """Whose weights `names` (ours, such as `backbone.stem.conv.weight`) are; None when no mark is among them."""
    inside = [name.removeprefix("backbone.") for name in names if name.startswith("backbone.")]
    marked = (backbone for backbone in BACKBONES.values() if any(re.match(backbone.mark, name) for name in inside))
    return next(marked, None)
