from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.proven import prove
from tests.runtime import tiny_model


@pytest.fixture
def proven_bundle(tmp_path: Path) -> Path:
    """The tiny model with its own outputs as the reference."""
    return prove(tiny_model.write_bundle(tmp_path / "bundle"))
