from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def proven_bundle(tmp_path: Path) -> Path:
    """The tiny model with its own outputs as the reference."""
    from tests.benchmarks.proven import prove
    from tests.runtime import tiny_model

    return prove(tiny_model.write_bundle(tmp_path / "bundle"))
