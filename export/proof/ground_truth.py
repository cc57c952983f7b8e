"""Whether a model of fewer bits scores on annotated data as the float32 model does, which is run beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stc.benchmarks.agreement.parity import Agreement
from stc.benchmarks.evaluation.annotated import Annotated
from stc.benchmarks.evaluation.loss import GroundTruth, Score, compare
from stc.errors import InputError
from stc.export.graph.graph import Graph
from stc.export.graph.precision import FILES, Precision
from stc.export.proof.verification import NotCompared, Verification
from stc.export.sizes import Batch
from stc.runtime.backends.backend import Backend
from stc.runtime.backends.onnxruntime import OnnxRuntimeBackend
from stc.runtime.bundle.passport import Passport
from stc.runtime.loading import native_library
from stc.runtime.session import Session


@dataclass(frozen=True, eq=False)
class Float32:
    """What the float32 model scores on `data`, for all others to be compared with."""

    data: Annotated
    passport: Passport
    score: Score

    @classmethod
    def of(cls, data: Annotated, passport: Passport, model: bytes) -> Float32:
        """model: an ONNX file."""
        with in_onnxruntime(model) as backend:
            return cls(data, passport, _score(data, passport, backend))

    def beside(self, backend: Backend) -> GroundTruth:
        """What `backend` loses."""
        return compare(self.data.name, self.score, _score(self.data, self.passport, backend))


@dataclass(frozen=True, eq=False)
class Judged:
    """float32: None where there is no data. losses: by precision, of those below float32."""

    verifications: list[Verification | NotCompared]
    float32: Float32 | None = None
    losses: Mapping[Precision, GroundTruth] = field(default_factory=dict)

    def records(self) -> dict[str, dict[str, Any]]:
        """For `Passport.agreement`: of every file."""
        return {FILES[v.precision]: v.to_dict() | recorded(self.losses.get(v.precision)) for v in self.verifications}


def check(data: Annotated | None, classes: tuple[str, ...], batch: Batch) -> None:
    """Before the work. Raises InputError for a model that `data` cannot score."""
    if data is None:
        return
    if batch.least > 1:
        raise InputError(f"--batch {batch}: ground truth is of one picture at a time; leave out --data")
    data.check(classes)


def judge(
    data: Annotated | None,
    passport: Passport,
    graphs: Mapping[Precision, Graph],
    verifications: list[Verification | NotCompared],
) -> Judged:
    """Score every file that ONNX Runtime can run here; one that loses more than the budget fails."""
    if data is None:
        return Judged(verifications)
    models = {kind: graph.deployed.SerializeToString() for kind, graph in graphs.items()}
    float32 = Float32.of(data, passport, models["fp32"])
    losses: dict[Precision, GroundTruth] = {}
    found: list[Verification | NotCompared] = []
    for v in verifications:
        if v.precision != "fp32" and isinstance(v, Verification):
            with in_onnxruntime(models[v.precision]) as backend:
                losses[v.precision] = float32.beside(backend)
            v = replace(v, agreement=judged(v.agreement, losses[v.precision]))  # noqa: PLW2901
        found.append(v)
    return Judged(found, float32, losses)


def recorded(found: GroundTruth | None) -> dict[str, Any]:
    """What a record of `Passport.agreement` has of it besides."""
    return {} if found is None else {"ground_truth": found.to_dict()}


@contextmanager
def in_onnxruntime(model: bytes) -> Iterator[Backend]:
    with TemporaryDirectory(prefix="stc-export-") as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model)
        yield OnnxRuntimeBackend(path, native=native_library(True, None))


def judged(agreement: Agreement, found: GroundTruth) -> Agreement:
    """With what ground truth says: it can only fail what passed, and says what the reference frames could not."""
    if found.verdict == "pass":
        return agreement
    return replace(agreement, verdict="fail", failures=(*agreement.failures, *found.failures))


def _score(data: Annotated, passport: Passport, backend: Backend) -> Score:
    with Session.from_backend(backend, passport, data.name) as session:
        score = data.score(session)
    assert score is not None  # nobody asked to stop
    return score
