"""Sizes that an export may choose: pictures per run, pixels of the input, detections of a frame."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError
from stc.model.config import MAX_SIZE

if TYPE_CHECKING:
    from stc.model.checkpoint import Checkpoint
    from stc.runtime.letterbox import Letterbox

MAX_BATCH = 256

Size = tuple[int, int]  # (H, W)
MOST_SLENDER = 4  # times as long as wide: frames beyond are for `--sizes`
_LONG = 4320  # of frames that say a shape: so large that rounding does not


@dataclass(frozen=True)
class Batch:
    """Least, optimal and largest number of pictures; all equal: the number is fixed in the file.

    Raises InputError unless 1 <= least <= optimal <= largest <= 256.
    """

    least: int = 1
    optimal: int = 1
    largest: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.optimal <= self.largest <= MAX_BATCH:
            raise InputError(f"--batch {self}: must be 1 <= MIN <= OPT <= MAX <= {MAX_BATCH}")

    @property
    def fixed(self) -> int | None:
        """The number of pictures if there is no choice."""
        return self.least if self.least == self.largest else None

    def __str__(self) -> str:
        return str(self.fixed) if self.fixed else f"{self.least}:{self.optimal}:{self.largest}"

    def to_tuple(self) -> tuple[int, int, int]:
        return self.least, self.optimal, self.largest


@dataclass(frozen=True)
class Sizes:
    """Least, optimal and largest input (H, W) of an engine of a model that takes any.

    Raises InputError unless both sides rise, from 1 to 4096.
    """

    least: Size
    optimal: Size
    largest: Size

    def __post_init__(self) -> None:
        for sides in zip(self.least, self.optimal, self.largest, strict=True):
            if not 1 <= sides[0] <= sides[1] <= sides[2] <= MAX_SIZE:
                raise InputError(f"--sizes {self}: both sides must rise from MIN to OPT to MAX, from 1 to {MAX_SIZE}")

    def __str__(self) -> str:
        return ":".join("{}x{}".format(*size) for size in self.to_tuple())

    def to_tuple(self) -> tuple[Size, Size, Size]:
        return self.least, self.optimal, self.largest


def parse_sizes(text: str) -> Sizes:
    """`MIN:OPT:MAX`, each `HxW`. Raises InputError for anything else."""
    if not re.fullmatch(r"\d{1,5}x\d{1,5}(:\d{1,5}x\d{1,5}){2}", text):
        raise InputError(f"--sizes {text}: must be MIN:OPT:MAX, such as 160x160:360x640:640x640")
    least, optimal, largest = (tuple(map(int, size.split("x"))) for size in text.split(":"))
    return Sizes((least[0], least[1]), (optimal[0], optimal[1]), (largest[0], largest[1]))


def sizes_of(letterbox: Callable[[Size], Letterbox], frame: Size) -> Sizes:
    """The inputs of frames of all shapes from 1:4 to 4:1 and of `frame` (H, W), for which it is optimal.

    letterbox: the rule of the model, `Passport.letterbox`.
    """
    shapes = [frame, *((_LONG, width) for width in (_LONG, _LONG * MOST_SLENDER)), (_LONG * MOST_SLENDER, _LONG)]
    optimal, *others = (letterbox(shape).input_size for shape in shapes)
    heights, widths = zip(optimal, *others, strict=True)
    return Sizes((min(heights), min(widths)), optimal, (max(heights), max(widths)))


def parse(text: str) -> Batch:
    """`N` or `MIN:OPT:MAX`. Raises InputError for anything else."""
    if not re.fullmatch(r"\d{1,4}(:\d{1,4}:\d{1,4})?", text):
        raise InputError(f"--batch {text}: must be a number or MIN:OPT:MAX, such as 4 or 1:4:8")
    numbers = [int(part) for part in text.split(":")]
    return Batch(*numbers) if len(numbers) == 3 else Batch(numbers[0], numbers[0], numbers[0])


def batches(frames: NDArray[Any], batch: Batch) -> Iterator[tuple[NDArray[Any], int]]:
    """Pictures for one run each, and how many of them count: the last picture fills up what is short."""
    for start in range(0, len(frames), batch.largest):
        pictures = frames[start : start + batch.largest]
        missing = max(batch.least - len(pictures), 0)
        yield np.concatenate([pictures, np.repeat(pictures[-1:], missing, axis=0)]), len(pictures)


def configured(
    source: Checkpoint, size: tuple[int, int] | None, max_detections: int | None, appearance: bool | None = None
) -> Checkpoint:
    """`source` with a fixed input size (H, W), another capacity, and with or without `appearance`; None: its own. Its
    model is changed in place.

    Raises InputError when the capacity exceeds the candidates that the model considers, or that the size has.
    """
    config = source.config
    if size is not None:
        config = config.with_(input_size=size, shortest_edge=None)
    if max_detections is not None:
        if not 1 <= max_detections <= config.pre_nms_topk:
            raise InputError(
                f"--max-detections {max_detections}: must be from 1 to {config.pre_nms_topk}, the candidates that this "
                "model keeps before suppression"
            )
        config = config.with_(max_detections=max_detections)
    if appearance is not None:
        config = config.with_(appearance=appearance)
    height, width = config.padded_size
    candidates = sum(-(-height // stride) * -(-width // stride) for stride in config.strides) * config.num_classes
    if config.shortest_edge is None and candidates < config.max_detections:
        raise InputError(
            f"--size {height}x{width}: {candidates} candidates for {config.max_detections} detections; choose a larger "
            f"--size, or --max-detections {candidates}"
        )
    source.model.config = config
    given = {name for name, value in (("input_size", size), ("max_detections", max_detections)) if value is not None}
    assumed, read = ({k: v for k, v in words.items() if k not in given} for words in (source.assumed, source.read))
    return replace(source, config=config, assumed=assumed, read=read)
