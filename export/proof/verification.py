"""What the comparison of an ONNX file with PyTorch found; without PyTorch, for a device that rebuilds an engine.

With it: whether a file is faster than the float32 one in ONNX Runtime on this CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from stc.benchmarks.agreement.parity import Agreement, Words
from stc.benchmarks.reference import Reference
from stc.benchmarks.timing.turns import in_turns
from stc.export.graph.precision import Precision
from stc.export.proof.ranges import FLOAT16_MAX, Ranges
from stc.runtime import schema

ROUNDS = 15
WARM_UP = 2


@dataclass(frozen=True)
class Speed:
    """Medians in milliseconds of `rounds` runs each, taken in turns on the machine of the export."""

    ms: Annotated[float, schema.number(0, 1e300, above=True)]
    fp32_ms: Annotated[float, schema.number(0, 1e300, above=True)]
    rounds: Annotated[int, schema.integer(1, 1 << 31)]

    @property
    def ratio(self) -> float:
        """How many times faster than float32; less than 1 is slower."""
        return self.fp32_ms / self.ms

    def __str__(self) -> str:
        return (
            f"ONNX Runtime on this CPU: {self.ms:.1f} ms, float32 {self.fp32_ms:.1f} ms "
            f"({self.ratio:.2f} times as fast; medians of {self.rounds} runs in turns)"
        )


def measure(candidate: Callable[[], object], fp32: Callable[[], object], rounds: int = ROUNDS) -> Speed:
    """Run both in turns."""
    taken = in_turns({"candidate": lambda _: candidate(), "fp32": lambda _: fp32()}, rounds, WARM_UP)
    ms, fp32_ms = (1e3 * float(np.median(seconds)) for seconds in taken.values())
    return Speed(ms, fp32_ms, rounds)


Size = Annotated[float, schema.number(0, 1e300)]


@dataclass(frozen=True)
class Stage:
    """One intermediate tensor on the first frame. `magnitude`: the largest absolute value in the reference."""

    name: Words
    max_error: Size
    mean_error: Size
    magnitude: Size

    @property
    def relative(self) -> float:
        """max_error over magnitude."""
        return self.max_error / self.magnitude if self.magnitude else self.max_error

    @property
    def float16_headroom(self) -> float:
        """How many times larger the tensor could get before float16 overflows."""
        return FLOAT16_MAX / self.magnitude if self.magnitude else float("inf")


@dataclass(frozen=True)
class Verification:
    """A file that was run and compared. A tensor out of range is one of the agreement's failures."""

    precision: Precision
    stages: tuple[Stage, ...]
    ranges: Ranges
    agreement: Agreement
    speed: Speed | None = None  # of a file that ONNX Runtime might run faster
    settled: Reference | None = None  # what it was compared with, where ties of scores were broken as the file does

    @property
    def verdict(self) -> str:
        return self.agreement.verdict

    def to_dict(self) -> dict[str, Any]:
        """For `Passport.agreement`."""
        return self.agreement.to_dict()


@dataclass(frozen=True)
class NotCompared:
    """A file that ONNX Runtime cannot run on this machine, so that nothing is known of its outputs."""

    precision: Precision
    reason: str
    verdict: ClassVar[str] = "not compared on this machine"

    def to_dict(self) -> dict[str, Any]:
        """For `Passport.agreement`."""
        return {"verdict": self.verdict, "reason": self.reason}
