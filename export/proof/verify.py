"""Run an exported graph in ONNX Runtime and compare it with PyTorch float32, stage by stage and on its outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.agreement.divergence import comparable, on_cpu, run
from stc.benchmarks.agreement.parity import Agreement, compare
from stc.benchmarks.reference import FrameOutputs, Reference, valid_rows
from stc.errors import MissingDependencyError
from stc.export.graph.graph import Graph
from stc.export.graph.precision import Precision
from stc.export.memory import give_back
from stc.export.proof import verification
from stc.export.proof.float32 import settle
from stc.export.proof.ranges import measure
from stc.export.proof.verification import NotCompared, Speed, Stage, Verification
from stc.export.sizes import Batch, batches
from stc.model.network import STC
from stc.runtime.bundle.passport import Passport

Array = NDArray[Any]
RANGE_FRAMES = 4  # at most; evenly spread, because neighbours are alike


def verify(
    graph: Graph,
    reference: Reference,
    expected_stages: dict[str, Array],
    passport: Passport,
    precision: Precision,
    batch: Batch,
    model: STC | None = None,
) -> Verification | NotCompared:
    """Execute the staged graph on the first frames and the deployed one on all, in batches of the largest size.

    The reference was made of single frames, so agreement also says that the pictures of a batch do not mix. model: the
    one that made the reference, for a float32 graph: where its outputs miss the fixed budget, what float32 can hold of
    the model is measured, and decides.
    """
    try:
        stages = _stages(graph, expected_stages, next(batches(reference.frames[:1], batch))[0])
    except load_onnxruntime().capi.onnxruntime_pybind11_state.NotImplemented as error:
        return NotCompared(precision, f"ONNX Runtime cannot run it on a CPU: {str(error).rpartition(' : ')[2]}")
    give_back()
    agreement, settled = _agreement(graph, reference, passport, precision, batch, model)
    give_back()
    some = reference.frames[:: -(-len(reference.frames) // RANGE_FRAMES)]
    ranges = measure(graph.staged, some, lambda model, frames: runs(model, frames, batch))
    if ranges.failures:
        agreement = replace(agreement, verdict="fail", failures=(*agreement.failures, *ranges.failures))
    return Verification(precision, stages, ranges, agreement, settled=settled)


def _stages(graph: Graph, expected: dict[str, Array], pictures: Array) -> tuple[Stage, ...]:
    values = run(on_cpu(graph.staged.SerializeToString()), pictures)
    return tuple(_stage(name, *pair) for name, *pair in comparable(expected, values))


def _agreement(
    graph: Graph, reference: Reference, passport: Passport, precision: Precision, batch: Batch, model: STC | None
) -> tuple[Agreement, Reference | None]:
    """Of the deployed graph's outputs, and `Verification.settled`; what they take, all masks, is gone on return."""
    outputs = _outputs(graph, reference.frames, batch)
    give_back()
    agreement = compare(reference, outputs, passport, precision)
    if model is None or agreement.verdict != "fail" or agreement.not_finite:
        return agreement, None
    settled = settle(model, reference, outputs, passport)
    return compare(settled.reference, outputs, passport, precision, floor=settled.floor), settled.reference


def _outputs(graph: Graph, frames: Array, batch: Batch) -> list[FrameOutputs]:
    deployed = on_cpu(graph.deployed.SerializeToString())
    return rows_of(lambda pictures: run(deployed, pictures), frames, batch)


def rows_of(execute: Callable[[Array], dict[str, Array]], frames: Array, batch: Batch) -> list[FrameOutputs]:
    """Of each frame the valid rows of what `execute` gives for the pictures of the batch that it is in."""
    return [
        valid_rows(found, image)
        for pictures, count in batches(frames, batch)
        for found in [execute(pictures)]
        for image in range(count)
    ]


def runs(model: bytes, frames: Array, batch: Batch) -> Iterator[dict[str, Array]]:
    """The outputs of a serialised model, one run after the other."""
    session = on_cpu(model)
    del model
    for pictures, _ in batches(frames, batch):
        yield run(session, pictures)


def compare_speed(candidate: Graph, fp32: Graph, frames: Array, batch: Batch) -> Speed:
    """Time two graphs on the first frames, by one run of the largest batch each."""
    pictures, _ = next(batches(frames, batch))
    first, second = (on_cpu(graph.deployed.SerializeToString()) for graph in (candidate, fp32))
    return verification.measure(lambda: run(first, pictures), lambda: run(second, pictures))


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


def _stage(name: str, expected: Array, found: Array) -> Stage:
    error = np.abs(expected.astype(np.float64) - found)
    largest = float(np.abs(expected).max(initial=0))
    return Stage(name, float(error.max(initial=0)), float(error.mean()) if error.size else 0.0, largest)
