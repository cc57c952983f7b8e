"""What the models of a run score on annotated data, beside the float32 model that each was made with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from stc.benchmarks.evaluation.annotated import Annotated
from stc.benchmarks.evaluation.loss import GroundTruth, Score, compare
from stc.benchmarks.models.candidates import Candidate
from stc.errors import InputError
from stc.runtime.bundle.passport import MODEL_FILE
from stc.runtime.session import Session


def check(candidates: Sequence[Candidate], data: Annotated) -> None:
    """Before the work. Raises InputError for a model that `data` cannot score."""
    for candidate in candidates:
        if (least := candidate.session.batches[0]) > 1:
            raise InputError(
                f"{candidate.label} takes {least} pictures at once, ground truth is of one; leave out --data"
            )
        data.check(candidate.session.passport.classes)
        if candidate.folder is not None and not (candidate.folder / MODEL_FILE).is_file():
            raise InputError(
                f"{candidate.folder}: no {MODEL_FILE}, whose score the others' is held to; leave out --data"
            )


def score(
    candidates: Sequence[Candidate], data: Annotated, threads: int | None, asked: Callable[[], bool]
) -> list[GroundTruth | None]:
    """Of each candidate against its bundle's model.onnx in ONNX Runtime on the CPU; a checkpoint is float32 itself.

    None for those that had no turn before `asked()`.
    """
    known: dict[Path, Score | None] = {}
    found: list[GroundTruth | None] = []
    for candidate in candidates:
        own = data.score(candidate.session, asked)
        folder = candidate.folder
        if folder is not None and folder not in known:
            with Session(folder / MODEL_FILE, device="cpu", engine="onnxruntime", threads=threads) as session:
                known[folder] = data.score(session, asked)
        float32 = own if folder is None else known[folder]
        found.append(None if own is None or float32 is None else compare(data.name, float32, own))
    return found
