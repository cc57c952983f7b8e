"""Where a model runs: "cpu", "cuda" (the first GPU) or "cuda:N"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from stc.errors import InputError

if TYPE_CHECKING:
    import argparse

_CUDA = re.compile(r"cuda(?::([0-9]{1,4}))?")


@dataclass(frozen=True)
class Device:
    """`index` counts the GPUs that this process may use, from 0; of no meaning for "cpu"."""

    kind: Literal["cpu", "cuda"]
    index: int = 0

    def __str__(self) -> str:
        return f"{self.kind}:{self.index}" if self.index else self.kind


FIRST_GPU = Device("cuda")


def parse(name: str) -> Device:
    """Raises InputError for anything but "cpu", "cuda" and "cuda:N"."""
    if name == "cpu":
        return Device("cpu")
    if (found := _CUDA.fullmatch(name)) is None:
        raise InputError(f"unknown device {name!r}; known: cpu, cuda (the first GPU), cuda:N")
    return Device("cuda", int(found[1] or 0))


def add_option(parser: argparse.ArgumentParser) -> None:
    """`--device`, as `device` of `Session`."""
    parser.add_argument(
        "--device", metavar="D", type=lambda name: parse(name) and name,
        help="cpu, cuda (the first GPU) or cuda:N; of a bundle, cuda runs its engine.plan, or its ONNX file where it "
        "has none (default: cuda for a plan, else cpu)",
    )  # fmt: skip
