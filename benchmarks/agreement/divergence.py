"""Where inside the network an ONNX file parts from PyTorch: its intermediate tensors beside PyTorch's, in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.boundary import foreign
from stc.runtime.bundle.passport import FIX

Array = NDArray[Any]
STAGE = "stage/"  # prefix of the exporter's names for the intermediate tensors, which only the comparison asks for
CELLS = "cells"  # the stage that says where the rows of KEPT were computed
KEPT = ("params", "embeddings")
# Largest error over largest value that rounding explains; measured on the demo model: 5e-6, 0.015, int8 0.1.
ALLOWED = {"fp32": 1e-4, "fp16": 5e-2, "bf16": 2e-1, "int8": 3e-1}


@dataclass(frozen=True)
class StageError:
    """relative: largest error over the reference's largest value."""

    name: str
    relative: float
    allowed: float

    @property
    def diverged(self) -> bool:
        return not self.relative <= self.allowed  # also for NaN


def stage_errors(file: Path, precision: str, frame: Array, expected: dict[str, Array]) -> tuple[StageError, ...]:
    """Run one frame uint8 (H, W, 3) through an ONNX file, its intermediate tensors as further outputs, on ONNX
    Runtime's CPU provider. expected: PyTorch's, by name, in the order of the computation.

    Empty for a file that does not name them (made by another exporter).
    """
    import onnx

    with foreign("ONNX Runtime", file, FIX):
        model = onnx.load(file)
        batch = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value or 1
        made = {name for node in model.graph.node for name in node.output}
        names = [STAGE + name for name in (*expected, CELLS, *KEPT) if STAGE + name in made]
        model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
        found = run(on_cpu(model.SerializeToString()), np.repeat(frame[None], batch, axis=0)) if names else {}
    allowed = ALLOWED[precision]
    return tuple(StageError(name, _relative(*pair), allowed) for name, *pair in comparable(expected, found))


def on_cpu(model: bytes) -> Any:
    """ONNX Runtime's session of a serialised model, on its CPU provider; it writes nothing on its own but errors."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Its threads would spin on after a run, on the cores that the next one needs.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(session: Any, frames: Array) -> dict[str, Array]:
    """All outputs, by name."""
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"frames": frames}), strict=True))


def comparable(expected: dict[str, Array], found: dict[str, Array]) -> Iterator[tuple[str, Array, Array]]:
    """The intermediate tensors of one picture that are in both: their names, PyTorch's, and those of a graph.

    found: all outputs of the graph, of which the first picture counts. Mask parameters and embeddings, which it has of
    the cells of detections alone, are held against PyTorch's at the very same cells.
    """
    for name, value in expected.items():
        if STAGE + name in found:
            yield name, value, found[STAGE + name][:1]
    if STAGE + CELLS in found:
        cells = found[STAGE + CELLS][0, : int(found["num_detections"][0])]
        outputs = {name: found[STAGE + name] if STAGE + name in found else found.get(name) for name in KEPT}
        for name, rows in outputs.items():
            levels = [value[0] for stage, value in expected.items() if stage.startswith(f"{name}_p")]
            if rows is not None and levels:
                everywhere = np.concatenate([level.reshape(len(level), -1) for level in levels], axis=1)
                yield name, everywhere.T[cells], rows[0, : len(cells)]


def first_diverged(stages: tuple[StageError, ...]) -> str:
    """Its name; "" for none."""
    return next((stage.name for stage in stages if stage.diverged), "")


def _relative(expected: Array, found: Array) -> float:
    error = float(np.abs(expected.astype(np.float64) - found.astype(np.float64)).max(initial=0.0))
    return error / max(float(np.abs(expected).max(initial=0.0)), 1e-12)
