"""The graph contract: which tensors a model has, by name, whatever engine runs it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.errors import IncompatibleError
from stc.runtime.bundle.passport import FIX, Passport

INPUT = "frames"
COUNT = "num_detections"
MASKS = "masks"
MAX_BATCH = 1024  # pictures at once that a model may insist on
FILL = {"labels": -1}  # what rows beyond the count hold; other outputs: 0


@dataclass(frozen=True)
class TensorSpec:
    """Allowed element types (NumPy names) and shape of a tensor; None is a free dimension."""

    dtypes: tuple[str, ...]
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        return f"{'|'.join(self.dtypes)} ({', '.join('B' if size is None else str(size) for size in self.shape)})"


def input_spec(passport: Passport) -> TensorSpec:
    """uint8 (B, H, W, 3), BGR at the model's size."""
    return TensorSpec(("uint8",), (None, *passport.input_size, 3))


def output_specs(passport: Passport) -> dict[str, TensorSpec]:
    """The outputs by name; rows at and beyond `num_detections` are 0 (labels -1). No tracking head, no embeddings."""
    k = passport.max_detections
    cells = tuple(size // passport.mask_stride for size in passport.padded_size)
    specs = {
        COUNT: TensorSpec(("int32",), (None,)),
        "boxes": TensorSpec(("float32",), (None, k, 4)),
        "scores": TensorSpec(("float32",), (None, k)),
        "labels": TensorSpec(("int32",), (None, k)),
        MASKS: TensorSpec(("float32", "float16"), (None, k, *cells)),
    }
    if passport.has_tracking_head:
        specs["embeddings"] = TensorSpec(("float32",), (None, k, passport.embedding_dim))
    return specs


def check(passport: Passport, inputs: Mapping[str, TensorSpec], outputs: Mapping[str, TensorSpec], where: str) -> None:
    """Compare what a model has with what its passport promises. Raises IncompatibleError that names every difference.

    A free dimension of the model fits anything; a fixed batch size up to 1024 is the model's own affair.
    """
    wrong = [f"input {name}: not in the contract" for name in inputs if name != INPUT]
    wrong += _differences("input", {INPUT: input_spec(passport)}, inputs)
    wrong += _differences("output", output_specs(passport), outputs)
    batch = next(iter(inputs[INPUT].shape), None) if INPUT in inputs else None
    if batch is not None and not 1 <= batch <= MAX_BATCH:
        wrong.append(f"input {INPUT}: {batch} pictures at once instead of 1 to {MAX_BATCH}")
    if wrong:
        raise IncompatibleError(f"{where}: not the model its passport describes ({'; '.join(wrong)}); {FIX}")


def check_answer(passport: Passport, outputs: Mapping[str, NDArray[Any]], batch: int, where: str) -> None:
    """Hold what an engine gave for `batch` pictures against the contract: types, shapes, and counts within 0..K.

    A graph may declare less than it does, and a server may give anything. Raises IncompatibleError.
    """
    wrong = []
    for name, spec in output_specs(passport).items():
        value = outputs.get(name)
        if value is None:
            wrong.append(f"no {name}")
        elif value.dtype.name not in spec.dtypes or value.shape != (batch, *spec.shape[1:]):
            wrong.append(f"{name} {value.dtype} {value.shape} instead of {spec} for {batch} pictures")
    if not wrong:
        counts = outputs[COUNT]
        if counts.min() < 0 or counts.max() > passport.max_detections:
            wrong.append(f"{COUNT} {np.array2string(counts, threshold=8)} for {passport.max_detections} rows")
    if wrong:
        raise IncompatibleError(f"{where}: the model gave {'; '.join(wrong)}; {FIX}")


def answer_bytes(passport: Passport, batch: int) -> int:
    """Bytes of all outputs for `batch` pictures."""
    return sum(
        batch * math.prod(size or 1 for size in spec.shape) * np.dtype(spec.dtypes[0]).itemsize
        for spec in output_specs(passport).values()
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
