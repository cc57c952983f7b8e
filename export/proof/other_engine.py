"""Whether OpenVINO finds in fewer bits what the model should: only then may a session choose it by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stc.benchmarks.agreement.parity import compare
from stc.benchmarks.reference import Reference
from stc.errors import IncompatibleError, InputError
from stc.export.proof.ground_truth import Float32, judged
from stc.export.proof.verify import rows_of
from stc.export.sizes import Batch
from stc.runtime.backends.openvino import OpenVinoBackend
from stc.runtime.bundle import engines
from stc.runtime.bundle.engines import Here, Numbers
from stc.runtime.bundle.passport import MODEL_FILE, Passport
from stc.runtime.loading import native_library


def verdicts(
    folder: Path,
    passport: Passport,
    reference: Reference,
    batch: Batch,
    machine: Here,
    float32: Float32 | None = None,
) -> dict[str, dict[str, Any]]:
    """For `Passport.agreement`: a record for each file of the bundle in `folder` and the numbers that OpenVINO would
    compute it in on this CPU, if fewer than float32's; held to the budget of bf16 or int8, and to `float32`'s
    score on annotated data, if there is any.

    Empty where OpenVINO is not installed. What it cannot run is "not compared", with its reason: another engine serves.
    """
    if "openvino" not in machine.installed:
        return {}
    return {
        engines.record_of(file, numbers): _verdict(folder / file, kind, numbers, passport, reference, batch, float32)
        for file, kind, numbers in _candidates(passport, "bf16" if machine.bf16() else "f32")
    }


def _candidates(passport: Passport, fewest: Numbers) -> Iterator[tuple[str, str, Numbers]]:
    """(file, precision to be held to, numbers)."""
    files: Mapping[str, str] = passport.precision.get("files", {})
    if fewest == "bf16":
        yield MODEL_FILE, "bf16", fewest
    for name, kind in files.items():
        if kind == "int8":
            yield name, kind, fewest


def _verdict(
    path: Path,
    precision: str,
    numbers: Numbers,
    passport: Passport,
    reference: Reference,
    batch: Batch,
    float32: Float32 | None,
) -> dict[str, Any]:
    try:
        backend = OpenVinoBackend(path, native=native_library(True, None), numbers=numbers)
        outputs = rows_of(backend.run, reference.frames, batch)
    except (IncompatibleError, InputError) as error:
        return {"verdict": "not compared", "reason": str(error)[:900]}
    agreement = compare(reference, outputs, passport, precision)
    if float32 is None:
        return agreement.to_dict()
    found = float32.beside(backend)
    return judged(agreement, found).to_dict() | {"ground_truth": found.to_dict()}
