"""Which convolutions are cheaper at the cells of detections alone than on whole maps: an estimate of their work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# A number that is copied into a patch takes as long as this many multiply-adds: about 12 GB/s of copying beside
# 100 GFLOP/s, on one core with AVX-512. GPUs are not far from it.
COPY = 16


@dataclass(frozen=True)
class ConvSize:
    """Of a square convolution with stride 1: channels in and out, and cells a side that it reads."""

    inputs: int
    outputs: int
    kernel: int

    @property
    def patch(self) -> int:
        """Numbers that one output cell reads."""
        return self.inputs * self.kernel**2

    @property
    def multiply_adds(self) -> int:
        """Per output cell."""
        return self.patch * self.outputs


def reaches(layers: Sequence[ConvSize]) -> tuple[int, ...]:
    """By how many cells to each side what follows a layer reads its output; 0 for the last."""
    return tuple(sum(after.kernel // 2 for after in layers[index + 1 :]) for index in range(len(layers)))


def work(layers: Sequence[ConvSize], start: int, cells: int, kept: int) -> int:
    """Multiply-adds, and copies counted as such, of `layers` in a row for `kept` cells of a map of `cells`.

    Those before `start` are computed everywhere. The map behind them is brought into rows; each layer from there on
    is computed at the cells that the rest reads, `(2 reach + 1)^2` around each kept one, of patches copied together.
    """
    everywhere = sum(cells * layer.multiply_adds for layer in layers[:start])
    rows = cells * layers[start].inputs * COPY
    at_kept = zip(layers[start:], reaches(layers)[start:], strict=True)
    windows = sum((2 * reach + 1) ** 2 * (layer.multiply_adds + layer.patch * COPY) for layer, reach in at_kept)
    return everywhere + rows + kept * windows


def cheapest_start(layers: Sequence[ConvSize], first: int, cells: int, kept: int) -> int:
    """The layer, not before `first`, from which on it is the least work to compute at kept cells alone.

    The last one always is: it takes one patch for each detection, and only toys have fewer cells than detections.
    """
    return min(range(first, len(layers)), key=lambda start: work(layers, start, cells, kept))
