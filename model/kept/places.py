"""Where chosen cells lie in the pyramid, and what lies around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Places:
    """Chosen cells, int64 (B, K) each: their index among `total` cells of all levels, in the order of
    `decode.join_levels`; their level, row and column in it, and the level's height and width in cells.
    """

    cell: Tensor
    level: Tensor
    row: Tensor
    column: Tensor
    height: Tensor
    width: Tensor
    total: int

    @classmethod
    def of(cls, cell: Tensor, shapes: Sequence[tuple[int, int]]) -> Places:
        """cell: int64 (B, K). shapes: (h, w) of the levels; they may be unknown in a graph of any size."""
        starts = [0]
        for height, width in shapes:
            starts.append(starts[-1] + height * width)
        total = starts.pop()
        level = (cell[..., None] >= _numbers(starts[1:], cell)).sum(2)
        height, width, start = (
            _numbers(values, cell)[level] for values in (*zip(*shapes, strict=True), starts)
        )
        inside = cell - start
        # In floating point, because a graph has no plain division of integers: exact for levels below 2^22 cells.
        row = ((inside.float() + 0.5) / width.float()).to(torch.int64)
        return cls(cell, level, row, inside - row * width, height, width, total)

    def around(self, reach: int) -> tuple[Tensor, Tensor]:
        """The square of cells up to `reach` away, row-major: their indices (B, K, n), and which of them exist.

        Where there is none, because the level ends, the index is `total`.
        """
        steps = list(range(-reach, reach + 1))
        down = torch.tensor([step for step in steps for _ in steps], device=self.cell.device)
        right = torch.tensor([step for _ in steps for step in steps], device=self.cell.device)
        row, column = self.row[..., None] + down, self.column[..., None] + right
        width = self.width[..., None]
        exists = (row >= 0) & (row < self.height[..., None]) & (column >= 0) & (column < width)
        return torch.where(exists, self.cell[..., None] + down * width + right, self.total), exists


def _numbers(values: Sequence[int], like: Tensor) -> Tensor:
    """int64 (n,) of integers that may be unknown: those of a tensor's shape, in a graph of any size."""
    if all(type(value) is int for value in values):
        return torch.tensor(values, dtype=torch.int64, device=like.device)
    return torch.stack([torch.scalar_tensor(value, dtype=torch.int64, device=like.device) for value in values])
