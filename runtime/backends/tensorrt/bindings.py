"""What to reserve for an engine and which bytes of its outputs to fetch: decided from names and shapes alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.errors import IncompatibleError
from stc.runtime.bundle.contract import COUNT, FILL, INPUT, TensorSpec

# TensorRT's names of types that NumPy has.
_DTYPES = {
    "FLOAT": "float32",
    "HALF": "float16",
    "INT32": "int32",
    "INT64": "int64",
    "INT8": "int8",
    "UINT8": "uint8",
    "BOOL": "bool",
}
_REBUILD = "rebuild it with: stc-export --onnx FILE"


@dataclass(frozen=True)
class EngineTensor:
    """A tensor as TensorRT describes it: `dtype` is TensorRT's name ("HALF"), -1 in `shape` a free dimension."""

    name: str
    is_input: bool
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Tensor:
    """One tensor of a batch: `row` is the shape of one picture's part."""

    name: str
    dtype: np.dtype[Any]
    row: tuple[int, ...]

    def shape(self, batch: int) -> tuple[int, ...]:
        return (batch, *self.row)

    def nbytes(self, batch: int) -> int:
        return batch * math.prod(self.row) * self.dtype.itemsize

    def empty(self, batch: int) -> NDArray[Any]:
        """What an output is where there are no detections: (batch, …), zero-filled, labels -1."""
        fill = FILL.get(self.name, 0)
        return np.full(self.shape(batch), fill, self.dtype) if fill else np.zeros(self.shape(batch), self.dtype)


@dataclass(frozen=True)
class Bindings:
    """The tensors of an engine; the first dimension of each is the batch, from `least` to `largest` pictures."""

    frames: Tensor
    count: Tensor
    rows: tuple[Tensor, ...]  # outputs with one row per detection
    least: int
    largest: int

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return (self.frames, self.count, *self.rows)

    def spec(self, tensor: Tensor) -> TensorSpec:
        batch = self.least if self.least == self.largest else None
        return TensorSpec((tensor.dtype.name,), (batch, *tensor.row))


def plan(tensors: Sequence[EngineTensor], batches: tuple[int, int], where: str) -> Bindings:
    """Bind by name. `batches`: least and largest batch of the engine's profile, used where the batch is free.

    Raises IncompatibleError for an engine that is no model of ours: `frames` or `num_detections` are missing, there are
    other inputs, a type has no NumPy counterpart, or a dimension other than the batch is free.
    """
    found = {tensor.name: tensor for tensor in tensors}
    wrong = [f"{name}: missing" for name in (INPUT, COUNT) if name not in found]
    wrong += [f"{t.name}: an input that nobody feeds" for t in tensors if t.is_input and t.name != INPUT]
    wrong += [f"{t.name}: type {t.dtype}" for t in tensors if t.dtype not in _DTYPES]
    wrong += [f"{t.name}: shape {t.shape}" for t in tensors if not t.shape or any(size < 1 for size in t.shape[1:])]
    wrong += [f"{t.name}: no rows" for t in tensors if len(t.shape) < 2 and t.name != COUNT]
    if not wrong and len({t.shape[0] for t in tensors}) > 1:
        wrong.append("batch sizes differ: " + ", ".join(f"{t.name} {t.shape[0]}" for t in tensors))
    if wrong:
        raise IncompatibleError(f"{where}: not an engine of stc ({'; '.join(wrong)}); {_REBUILD}")
    bound = {t.name: Tensor(t.name, np.dtype(_DTYPES[t.dtype]), t.shape[1:]) for t in tensors}
    fixed = found[INPUT].shape[0]
    least, largest = batches if fixed < 0 else (fixed, fixed)
    rows = tuple(tensor for name, tensor in bound.items() if name not in {INPUT, COUNT})
    return Bindings(bound[INPUT], bound[COUNT], rows, least, largest)


@dataclass(frozen=True)
class Span:
    """`size` bytes at `offset` of a tensor."""

    offset: int
    size: int


def valid_spans(tensor: Tensor, counts: Sequence[int]) -> list[Span]:
    """The bytes of the first `counts[b]` rows of each picture b, adjacent ones joined."""
    picture = tensor.nbytes(1)
    row = picture // tensor.row[0]
    spans: list[Span] = []
    for index, count in enumerate(counts):
        start, size = index * picture, count * row
        if not size:
            continue
        if spans and spans[-1].offset + spans[-1].size == start:
            spans[-1] = Span(spans[-1].offset, spans[-1].size + size)
        else:
            spans.append(Span(start, size))
    return spans


def check_counts(counts: Sequence[int], rows: Sequence[Tensor], where: str) -> None:
    """Raises IncompatibleError for a count that is no number of rows: it would read beyond the outputs."""
    capacity = min(tensor.row[0] for tensor in rows)
    if any(not 0 <= count <= capacity for count in counts):
        raise IncompatibleError(f"{where}: gave {COUNT} {list(counts)} for {capacity} rows; {_REBUILD}")
