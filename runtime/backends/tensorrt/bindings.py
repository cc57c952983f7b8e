"""What to reserve for an engine and which bytes of its outputs to fetch: decided from names and shapes alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.errors import IncompatibleError, InputError
from stc.runtime.bundle.contract import COUNT, FILL, INPUT, MASKS, TensorSpec

Size = tuple[int, int]
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
_FREE = {INPUT: slice(1, 3), MASKS: slice(2, 4)}  # the dimensions of a model that takes any size
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

    def of(self, memory: Mapping[str, NDArray[Any]], batch: int) -> NDArray[Any]:
        """This tensor of a batch at the beginning of its memory, which may hold a larger one."""
        shape = self.shape(batch)
        return memory[self.name].reshape(-1)[: math.prod(shape)].reshape(shape)

    def empty(self, batch: int) -> NDArray[Any]:
        """What an output is where there are no detections: (batch, …), zero-filled, labels -1."""
        fill = FILL.get(self.name, 0)
        return np.full(self.shape(batch), fill, self.dtype) if fill else np.zeros(self.shape(batch), self.dtype)


@dataclass(frozen=True)
class Bindings:
    """The tensors of an engine; the first dimension of each is the batch, from `least` to `largest` pictures.

    Of an engine that takes inputs of several sizes, those of the largest.
    """

    frames: Tensor
    count: Tensor
    rows: tuple[Tensor, ...]  # outputs with one row per detection
    least: int
    largest: int
    sizes: tuple[Size, Size] | None = None  # least and largest input (H, W); None: one
    cells: Callable[[Size], Size] | None = None  # of masks, for an input of a size

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        return (self.frames, self.count, *self.rows)

    def spec(self, tensor: Tensor) -> TensorSpec:
        shape: list[int | None] = [self.least if self.least == self.largest else None, *tensor.row]
        if self.sizes is not None and tensor.name in _FREE:
            shape[_FREE[tensor.name]] = [None, None]
        return TensorSpec((tensor.dtype.name,), tuple(shape))

    def at(self, size: Size, where: str) -> Bindings:
        """The tensors for inputs of this size (H, W). Raises InputError for one that the engine was not built for."""
        if self.sizes is None or self.cells is None or self.frames.row[:2] == size:
            return self
        least, largest = self.sizes
        if not all(low <= side <= high for low, side, high in zip(least, size, largest, strict=True)):
            low, high, found = ("{}x{}".format(*each) for each in (least, largest, size))
            raise InputError(
                f"{where}: frames that come to an input of {found}, while this engine was built for {low} to {high}; "
                f"rebuild it with: stc-export --onnx FILE --sizes MIN:OPT:MAX"
            )
        cells = self.cells(size)
        rows = (replace(t, row=(t.row[0], *cells)) if t.name == MASKS else t for t in self.rows)
        return replace(self, frames=replace(self.frames, row=(*size, *self.frames.row[2:])), rows=tuple(rows))


def plan(
    tensors: Sequence[EngineTensor],
    batches: tuple[int, int],
    where: str,
    sizes: tuple[Size, Size] | None = None,
    cells: Callable[[Size], Size] | None = None,
) -> Bindings:
    """Bind by name. `batches`: least and largest batch of the engine's profile, used where the batch is free. `sizes`:
    the same of the input (H, W), and `cells`: of the masks for an input of a size, used where those are free.

    Raises IncompatibleError for an engine that is no model of ours: `frames` or `num_detections` are missing, there are
    other inputs, a type has no NumPy counterpart, or another dimension is free.
    """
    if sizes is not None and cells is not None:
        largest_of = {INPUT: sizes[1], MASKS: cells(sizes[1])}
        tensors = [replace(t, shape=_filled(t, largest_of.get(t.name))) for t in tensors]
    else:
        sizes = cells = None
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
    return Bindings(bound[INPUT], bound[COUNT], rows, least, largest, sizes, cells)


def _filled(tensor: EngineTensor, size: Size | None) -> tuple[int, ...]:
    """Its shape with `size` where it is free in a model that takes any."""
    shape = list(tensor.shape)
    if size is not None and shape[_FREE[tensor.name]] == [-1, -1]:
        shape[_FREE[tensor.name]] = size
    return tuple(shape)


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
