from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.shared import once

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
def small_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for pictures of 128x160, where the arithmetic is not what a test is about."""
    from stc.model import checkpoint
    from tests.seeded import stc_lite_model

    path = tmp_path_factory.mktemp("small") / "lite.safetensors"
    model = stc_lite_model(0)
    model.config = model.config.with_(input_size=(128, 160))
    checkpoint.save(model, path)
    return path


@pytest.fixture(scope="session")
def lite_bundle(lite_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Without an engine, whatever is installed."""
    from stc.export import export
    from stc.export.engine.options import EngineOptions

    engine = EngineOptions(trt="none")
    return once(tmp_path_factory, "lite", lambda folder: export(lite_checkpoint, folder, engine=engine))


@pytest.fixture(scope="session")
def rtx() -> Toolchain:
    from stc.export.engine.toolchain import Toolchain

    return Toolchain("rtx", pytest.importorskip("tensorrt_rtx", reason="pip install 'stc-trt[rtx]' (Linux x86-64)"))
