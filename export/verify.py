"""Run an exported graph in ONNX Runtime and compare it with PyTorch float32, stage by stage and on its outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.parity import Agreement, compare
from stc.benchmarks.reference import Reference, valid_rows
from stc.errors import MissingDependencyError
from stc.export.graph import STAGE, Graph
from stc.runtime.passport import Passport

Array = NDArray[Any]
FLOAT16_MAX = 65504.0


@dataclass(frozen=True)
class Stage:
    """One intermediate tensor on the first frame. `magnitude`: the largest absolute value in the reference."""

    name: str
    max_error: float
    mean_error: float
    magnitude: float

    @property
    def relative(self) -> float:
        """max_error over magnitude."""
        return self.max_error / self.magnitude if self.magnitude else self.max_error

    @property
    def float16_headroom(self) -> float:
        """How many times larger the tensor could get before float16 overflows."""
        return FLOAT16_MAX / self.magnitude if self.magnitude else np.inf


@dataclass(frozen=True)
class Verification:
    precision: str
    stages: tuple[Stage, ...]
    agreement: Agreement


def verify(
    graph: Graph, reference: Reference, expected_stages: dict[str, Array], passport: Passport, precision: str
) -> Verification:
    """Execute the staged graph on the first frame and the deployed one on all."""
    staged = _session(graph.staged.SerializeToString())
    values = _run(staged, reference.frames[:1])
    stages = tuple(_stage(name, expected, values[STAGE + name]) for name, expected in expected_stages.items())

    deployed = _session(graph.deployed.SerializeToString())
    outputs = [valid_rows(_run(deployed, frame[None])) for frame in reference.frames]
    return Verification(precision, stages, compare(reference, outputs, passport, precision))


def load_onnxruntime() -> Any:
    """The module. Raises MissingDependencyError: an export that cannot be run is not made."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(
            f"onnxruntime is not installed ({error}), and an export is run before it is written; "
            "fix: pip install 'stc-trt[cpu]'"
        ) from error
    return onnxruntime


def _session(model: bytes) -> Any:
    onnxruntime = load_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _run(session: Any, frames: Array) -> dict[str, Array]:
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"frames": frames}), strict=True))


def _stage(name: str, expected: Array, found: Array) -> Stage:
    error = np.abs(expected.astype(np.float64) - found)
    return Stage(name, float(error.max()), float(error.mean()), float(np.abs(expected).max()))
