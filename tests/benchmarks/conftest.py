from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stc.benchmarks.reference import Reference, valid_rows
from stc.runtime import Session
from tests.benchmarks.proven import pictures, put_reference
from tests.runtime import tiny_model


@pytest.fixture
def proven_bundle(tmp_path: Path) -> Path:
    """The tiny model with its own outputs as the reference."""
    folder = tiny_model.write_bundle(tmp_path / "bundle")
    session = Session(folder, threads=1)
    frames = np.stack(pictures())
    outputs = tuple(valid_rows(session.infer(frame[None])) for frame in frames)
    put_reference(folder, Reference(frames, outputs))
    return folder
