"""Where chosen cells lie in the pyramid, and what lies around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stc.model.decode import join_levels


@dataclass(frozen=True)
class Places:
    """K chosen cells of each of B pictures, int64 (B * K,) each: their index in `rows`, their level, their row and
    column in it, and the level's height and width in cells.

    nothing: int64, where `rows` has zeros; one number, or (B * K, 1) where each picture has its own.
    """

    index: Tensor
    level: Tensor
    row: Tensor
    column: Tensor
    height: Tensor
    width: Tensor
    nothing: Tensor

    @classmethod
    def of(cls, cell: Tensor, shapes: Sequence[tuple[int, int]]) -> Places:
        """cell: int64 (B, K) among the cells of all levels, in the order of `join_levels`. shapes: (h, w) of the
        levels; they may be unknown in a graph of any size.
        """
        starts = [0]
        for rows_there, columns_there in shapes:
            starts.append(starts[-1] + rows_there * columns_there)
        total = starts.pop()
        batch, kept = cell.shape
        nothing = _numbers([total], cell)
        cell = index = cell.flatten()
        if type(batch) is not int or batch > 1:
            picture = torch.arange(batch, device=cell.device)[:, None].expand(batch, kept).reshape(-1) * (total + 1)
            nothing, index = nothing + picture[:, None], cell + picture
        level = (cell[:, None] >= _numbers(starts[1:], cell)).sum(1)
        height, width, start = (_numbers(values, cell)[level] for values in (*zip(*shapes, strict=True), starts))
        inside = cell - start
        # In floating point, because a graph has no plain division of integers: exact for levels below 2^22 cells.
        row = ((inside.float() + 0.5) / width.float()).to(torch.int64)
        return cls(index, level, row, inside - row * width, height, width, nothing)

    def around(self, reach: int) -> tuple[Tensor, Tensor]:
        """The square of cells up to `reach` away, row-major: their indices in `rows` (B * K, n), and which exist.

        Where there is none, because the level ends, the index is that of zeros.
        """
        steps = list(range(-reach, reach + 1))
        down = torch.tensor([step for step in steps for _ in steps], device=self.index.device)
        right = torch.tensor([step for _ in steps for step in steps], device=self.index.device)
        row, column = self.row[:, None] + down, self.column[:, None] + right
        width = self.width[:, None]
        exists = (row >= 0) & (row < self.height[:, None]) & (column >= 0) & (column < width)
        return torch.where(exists, self.index[:, None] + down * width + right, self.nothing), exists


def rows(levels: list[Tensor]) -> Tensor:
    """Per level (B, C, h, w) -> (B * (L + 1), C): of each picture the L cells of all levels, and a row of zeros."""
    batch, channels = levels[0].shape[:2]
    return join_levels([*levels, levels[0].new_zeros(batch, channels, 1, 1)]).flatten(0, 1)


def _numbers(values: Sequence[int], like: Tensor) -> Tensor:
    """int64 (n,) of integers that may be unknown: those of a tensor's shape, in a graph of any size."""
    if all(type(value) is int for value in values):
        return torch.tensor(values, dtype=torch.int64, device=like.device)
    return torch.stack([torch.scalar_tensor(value, dtype=torch.int64, device=like.device) for value in values])
