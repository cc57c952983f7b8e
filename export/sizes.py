"""How many pictures one run of the graph takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError

MAX_BATCH = 256


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
