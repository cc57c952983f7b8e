from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from stc.export import Export
    from stc.export.engine.toolchain import Toolchain


@pytest.fixture(scope="session")
def lite_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from stc.model import checkpoint
    from tests.seeded import stc_lite_model

    path = tmp_path_factory.mktemp("checkpoint") / "lite.safetensors"
    checkpoint.save(stc_lite_model(0), path)
    return path


@pytest.fixture(scope="session")
def lite_bundle(lite_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Without an engine, whatever is installed."""
    from stc.export import export
    from stc.export.engine.options import EngineOptions

    return export(lite_checkpoint, tmp_path_factory.mktemp("bundle") / "lite", engine=EngineOptions(trt="none"))


@pytest.fixture(scope="session")
def rtx() -> Toolchain:
    from stc.export.engine.toolchain import Toolchain

    return Toolchain("rtx", pytest.importorskip("tensorrt_rtx", reason="pip install 'stc-trt[rtx]' (Linux x86-64)"))
