"""Where inside the network an ONNX file parts from PyTorch: its intermediate tensors beside PyTorch's, in order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.boundary import foreign
from stc.runtime.bundle.passport import FIX

Array = NDArray[Any]
STAGE = "stage/"  # prefix of the exporter's names for the intermediate tensors, which only the comparison asks for
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
    import onnxruntime

    with foreign("ONNX Runtime", file, FIX):
        model = onnx.load(file)
        batch = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value or 1
        made = {name for node in model.graph.node for name in node.output}
        names = [name for name in expected if STAGE + name in made]
        model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(STAGE + name) for name in names)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        frames = np.repeat(frame[None], batch, axis=0)
        found = session.run([STAGE + name for name in names], {"frames": frames}) if names else []
    allowed = ALLOWED[precision]
    return tuple(
        StageError(name, _relative(expected[name], f[:1]), allowed) for name, f in zip(names, found, strict=True)
    )


def first_diverged(stages: tuple[StageError, ...]) -> str:
    """Its name; "" for none."""
    return next((stage.name for stage in stages if stage.diverged), "")


def _relative(expected: Array, found: Array) -> float:
    error = float(np.abs(expected.astype(np.float64) - found.astype(np.float64)).max(initial=0.0))
    return error / max(float(np.abs(expected).max(initial=0.0)), 1e-12)
