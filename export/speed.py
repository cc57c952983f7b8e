"""Is a file faster than the float32 one in ONNX Runtime on this CPU?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

ROUNDS = 15
WARM_UP = 2


@dataclass(frozen=True)
class Speed:
    """Medians in milliseconds of `rounds` runs each, taken in turns on the machine of the export."""

    ms: float
    fp32_ms: float
    rounds: int

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
    """Run both in turns, so that a machine that changes its clock changes it for both."""
    times: Sequence[list[float]] = ([], [])
    for index in range(WARM_UP + rounds):
        for run, taken in zip((candidate, fp32), times, strict=True):
            start = perf_counter()
            run()
            if index >= WARM_UP:
                taken.append(1e3 * (perf_counter() - start))
    return Speed(median(times[0]), median(times[1]), rounds)
