"""The graph contract: which tensors a model has, by name, whatever engine runs it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.errors import IncompatibleError
from stc.runtime.bundle.passport import FIX, Passport

INPUT = "frames"
COUNT = "num_detections"
MASKS = "masks"
OUTPUTS = (COUNT, "boxes", "scores", "labels", MASKS, "embeddings", "appearance")
MAX_BATCH = 1024  # pictures at once that a model may insist on
FILL = {"labels": -1}  # what rows beyond the count hold; other outputs: 0


@dataclass(frozen=True)
class TensorSpec:
    """Allowed element types (NumPy names) and shape of a tensor; None is a free dimension."""

    dtypes: tuple[str, ...]
    shape: tuple[int | None, ...]

    def admits(self, dtype: Any, shape: Sequence[int]) -> bool:
        """Whether an array of this type and shape is such a tensor."""
        return (
            type_name(np.dtype(dtype)) in self.dtypes
            and len(shape) == len(self.shape)
            and all(want is None or size == want for size, want in zip(shape, self.shape, strict=True))
            and 0 not in shape[1:]
        )

    def __str__(self) -> str:
        free = ("B", *("any" for _ in self.shape[1:]))
        sizes = (name if size is None else str(size) for size, name in zip(self.shape, free, strict=False))
        return f"{'|'.join(self.dtypes)} ({', '.join(sizes)})"


@lru_cache(64)
def type_name(dtype: np.dtype[Any]) -> str:
    """NumPy's name of it, which NumPy puts together anew each time: in every frame, between two runs of the engine."""
    return str(dtype.name)


def input_spec(passport: Passport) -> TensorSpec:
    """uint8 (B, H, W, 3), BGR at the model's size, or of any."""
    sides = passport.input_size if passport.shortest_edge is None else (None, None)
    return TensorSpec(("uint8",), (None, *sides, 3))


def output_specs(passport: Passport, input_size: tuple[int, int] | None = None) -> dict[str, TensorSpec]:
    """The outputs by name; rows at and beyond `num_detections` are 0 (labels -1). No tracking head, no embeddings; a
    model exported without `appearance` has none.

    input_size: (H, W) of the input, on which the size of masks depends in a model that takes any; None: not known.
    """
    known = passport.input_size if passport.shortest_edge is None else input_size
    cells = (None, None) if known is None else passport.mask_cells(known)
    return dict(_output_specs(passport.max_detections, cells, passport.embedding_dim, passport.appearance_dim))


@lru_cache(64)
def _output_specs(
    k: int, cells: tuple[int | None, int | None], embedding_dim: int, appearance_dim: int
) -> Mapping[str, TensorSpec]:
    specs = {
        COUNT: TensorSpec(("int32",), (None,)),
        "boxes": TensorSpec(("float32",), (None, k, 4)),
        "scores": TensorSpec(("float32",), (None, k)),
        "labels": TensorSpec(("int32",), (None, k)),
        MASKS: TensorSpec(("float32", "float16"), (None, k, *cells)),
    }
    for name, length in (("embeddings", embedding_dim), ("appearance", appearance_dim)):
        if length:
            specs[name] = TensorSpec(("float32",), (None, k, length))
    return specs


def check(passport: Passport, inputs: Mapping[str, TensorSpec], outputs: Mapping[str, TensorSpec], where: str) -> None:
    """Compare what a model has with what its passport promises. Raises IncompatibleError that names every difference.

    A free dimension of the model fits anything; a fixed batch size up to 1024 is the model's own affair.
    """
    wrong = [f"input {name}: not in the contract" for name in inputs if name != INPUT]
    wrong += _differences("input", {INPUT: input_spec(passport)}, inputs)
    wrong += _differences("output", output_specs(passport), outputs)
    if not wrong and passport.shortest_edge is not None and any(inputs[INPUT].shape[1:3]):
        wrong.append(f"input {INPUT}: {inputs[INPUT]} where any size is promised")
    batch = next(iter(inputs[INPUT].shape), None) if INPUT in inputs else None
    if batch is not None and not 1 <= batch <= MAX_BATCH:
        wrong.append(f"input {INPUT}: {batch} pictures at once instead of 1 to {MAX_BATCH}")
    if wrong:
        raise IncompatibleError(f"{where}: not the model its passport describes ({'; '.join(wrong)}); {FIX}")


def check_answer(
    passport: Passport, outputs: Mapping[str, NDArray[Any]], batch: int, input_size: tuple[int, int], where: str
) -> None:
    """Hold what an engine gave for `batch` pictures of `input_size` (H, W) against the contract: types, shapes, and
    counts within 0..K.

    A graph may declare less than it does, and a server may give anything. Raises IncompatibleError.
    """
    wrong = []
    for name, spec in output_specs(passport, input_size).items():
        value = outputs.get(name)
        if value is None:
            wrong.append(f"no {name}")
        elif type_name(value.dtype) not in spec.dtypes or value.shape != (batch, *spec.shape[1:]):
            wrong.append(f"{name} {value.dtype} {value.shape} instead of {spec} for {batch} pictures")
    if not wrong:
        counts = outputs[COUNT]
        if counts.min() < 0 or counts.max() > passport.max_detections:
            wrong.append(f"{COUNT} {np.array2string(counts, threshold=8)} for {passport.max_detections} rows")
    if wrong:
        raise IncompatibleError(f"{where}: the model gave {'; '.join(wrong)}; {FIX}")


def answer_bytes(passport: Passport, batch: int, input_size: tuple[int, int]) -> int:
    """Bytes of all outputs for `batch` pictures of `input_size` (H, W)."""
    return sum(
        batch * math.prod(size or 1 for size in spec.shape) * np.dtype(spec.dtypes[0]).itemsize
        for spec in output_specs(passport, input_size).values()
    )


def _differences(kind: str, expected: Mapping[str, TensorSpec], found: Mapping[str, TensorSpec]) -> list[str]:
    wrong = []
    for name, spec in expected.items():
        has = found.get(name)
        if has is None:
            wrong.append(f"{kind} {name}: missing")
        elif not _fits(spec, has):
            wrong.append(f"{kind} {name}: {has} instead of {spec}")
    return wrong


def _fits(expected: TensorSpec, found: TensorSpec) -> bool:
    return (
        set(found.dtypes) <= set(expected.dtypes)
        and len(found.shape) == len(expected.shape)
        and all(e is None or f is None or e == f for e, f in zip(expected.shape, found.shape, strict=True))
    )
