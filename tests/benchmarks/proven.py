"""A bundle of the tiny model with a reference that its passport vouches for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from stc.benchmarks import reference
from stc.benchmarks.reference import Reference, valid_rows
from stc.files import sha256
from stc.runtime import Session
from stc.runtime.bundle import passport
from tests.runtime import tiny_model


def pictures() -> list[np.ndarray]:
    return [
        tiny_model.frame(*((slot, (4 + 2 * t + 24 * slot, 8, 20 + 2 * t + 24 * slot, 40)) for slot in range(3)))
        for t in range(8)
    ]


def put_reference(folder: Path, content: Reference) -> None:
    """Write the reference into a bundle whose passport vouches for it, as the exporter does."""
    content.write(folder / reference.FILE_NAME)
    known = passport.read(folder)
    replace(known, files=known.files | {reference.FILE_NAME: sha256(folder / reference.FILE_NAME)}).write(folder)


def prove(folder: Path) -> Path:
    """Write the outputs of the bundle's own model.onnx as its reference; the folder again."""
    session = Session(folder, threads=1)
    frames = np.stack(pictures())
    outputs = tuple(valid_rows(session.infer(frame[None])) for frame in frames)
    put_reference(folder, Reference(frames, outputs))
    return folder
