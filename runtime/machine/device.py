"""Where a model runs: "cpu", "cuda" (the first GPU) or "cuda:N"; in OpenVINO Intel's "gpu", "gpu:N" and "npu"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from stc.errors import InputError

if TYPE_CHECKING:
    import argparse

Kind = Literal["cpu", "cuda", "gpu", "npu"]
_NAME = re.compile(r"(cpu|npu)|(cuda|gpu)(?::([0-9]{1,4}))?")


@dataclass(frozen=True)
class Device:
    """`index` counts the GPUs that this process may use, from 0; of no meaning for "cpu" and "npu"."""

    kind: Kind
    index: int = 0

    def __str__(self) -> str:
        return f"{self.kind}:{self.index}" if self.index else self.kind


FIRST_GPU = Device("cuda")


def parse(name: str) -> Device:
    """Raises InputError for anything else."""
    if (found := _NAME.fullmatch(name)) is None:
        raise InputError(
            f"unknown device {name!r}; known: cpu, cuda (the first GPU), cuda:N, and in OpenVINO gpu (Intel's), npu"
        )
    return Device(cast(Kind, found[1] or found[2]), int(found[3] or 0))


def add_option(parser: argparse.ArgumentParser) -> None:
    """`--device`, as `device` of `Session`."""
    parser.add_argument(
        "--device", metavar="D", type=lambda name: parse(name) and name,
        help="cpu, cuda (the first GPU) or cuda:N; of a bundle, cuda runs its engine.plan, or its ONNX file where it "
        "has none (default: cuda for a plan, else cpu); gpu and npu are Intel's, in OpenVINO, untested",
    )  # fmt: skip
