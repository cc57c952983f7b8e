"""Published variants of the known layouts that are no STC model: how a file shows them, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stc.errors import CheckpointError

SUPPORTED = (
    "supported are ResNet-50 and -101 with (frozen) batch norm, an FPN of P3 to P7, and towers of 3x3 convolutions "
    "with group norm, or with batch norm per level"
)
Shape = tuple[int, ...]
_CHANNELS = 8  # of the dynamic layers, as published
# Length of `params` without the two relative coordinates, of 2 to 8 dynamic layers.
_WITHOUT_COORDINATES = {_CHANNELS * (_CHANNELS + 1) * (layers - 1) + _CHANNELS + 1 for layers in range(2, 9)}


@dataclass(frozen=True)
class Variant:
    """`name` is the architecture of a file that holds an entry like `pattern` and of such a `shape`, and no entry like
    `without`."""

    name: str
    pattern: str
    shape: Callable[[Shape], bool] = lambda shape: True
    without: str | None = None

    def entry(self, shapes: Mapping[str, Shape]) -> str | None:
        """The first entry that shows it; None where none does."""
        if self.without is not None and any(re.search(self.without, name) for name in shapes):
            return None
        found = (name for name, shape in shapes.items() if re.search(self.pattern, name) and self.shape(shape))
        return next(found, None)


VARIANTS = (
    Variant("a BiFPN pyramid", r"(?i:bifpn)|bottom_up\.bottom_up\."),
    Variant("deformable convolutions in the backbone", r"backbone\..*conv\d(_|\.|\.conv_)offset"),
    Variant("deformable convolutions in the head's towers", r"(_tower|_convs)\.\d+\.(conv\.)?(conv_)?offset"),
    Variant(
        "grouped convolutions in the backbone (ResNeXt)",
        r"\.(res2|layer1)\.0\.conv2\.weight$",
        lambda shape: len(shape) == 4 and shape[1] < shape[0],
    ),
    Variant(
        "a backbone with group norm (its norms hold no running statistics)",
        r"backbone\..*(\.norm|\.[bg]n\d)\.weight$",
        without=r"backbone\..*\.running_(mean|var)$",
    ),
    Variant(
        "a ResNet of 18 or 34 layers",
        r"\.(res2|layer1)\.0\.conv2\.weight$",
        without=r"\.(res2|layer1)\.\d+\.conv3\.weight$",
    ),
    Variant("a ResNet of 152 layers", r"\.(res3|layer2)\.7\.conv1\.weight$"),
    Variant("a tower that classes and boxes share (NUM_SHARE_CONVS)", r"share_tower\.\d+\."),
    Variant("towers without norm", r"(cls|bbox|reid|track)_tower\.2\.weight$", lambda shape: len(shape) == 4),
    Variant("towers without norm", r"(cls|reg)_convs\.0\.conv\.weight$", without=r"_convs\.\d+\.(?!conv\.)"),
    Variant(
        "towers whose batch norm all levels share",
        r"_tower\.\d+\.running_mean$|(cls|reg)_convs\.\d+\.bn\.running_mean$",
    ),
    Variant(
        "mask heads without relative coordinates (DISABLE_REL_COORDS)",
        r"(^|\.)controller\.weight$",
        lambda shape: len(shape) == 4 and shape[0] in _WITHOUT_COORDINATES,
    ),
)


def seen(shapes: Mapping[str, Shape]) -> list[str]:
    """Every variant that `shapes`, by the names of the file, shows: its name, and an entry that shows it."""
    found = [(variant.name, variant.entry(shapes)) for variant in VARIANTS]
    return [f"{name}, as {entry[:200]} shows" for name, entry in found if entry is not None]


def error(path: object, variants: list[str]) -> CheckpointError:
    """The error for a file that shows `variants` (of `seen`): it is whole, so no other file and no key map helps."""
    listed = "\n".join(f"  {variant}" for variant in variants)
    return CheckpointError(
        f"{path}: a model that is not supported; it has\n{listed}\n{SUPPORTED}; give a checkpoint of such a model "
        "(stc-export --inspect --json lists the entries that have no place)"
    )
