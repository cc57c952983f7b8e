"""What the comparison of an ONNX file with PyTorch found; without PyTorch, for a device that rebuilds an engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from stc.benchmarks.agreement.parity import Agreement
from stc.export.graph.precision import Precision
from stc.export.proof.ranges import FLOAT16_MAX, Ranges
from stc.export.speed import Speed


@dataclass(frozen=True)
class Stage:
    """One intermediate tensor on the first frame. `magnitude`: the largest absolute value in the reference."""

    name: str
    max_error: float
    mean_error: float
    magnitude: float

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
