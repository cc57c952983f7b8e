"""Fixtures of a machine with a pretended GPU, and the rule for tests that need a real one."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.runtime.backends import engine_bundle
from tests.runtime.backends.engine_bundle import Gpus


def pytest_configure() -> None:
    """Ctrl-C interrupts, also where the tests were started in the background: there it is inherited as ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests on a GPU run when asked for with `-m gpu`, and then fail without one instead of being skipped."""
    if "gpu" in config.option.markexpr:
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs an NVIDIA GPU; run: scripts/gpu_check.sh"))


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A plugin library's file; the fake TensorRT does not look into it."""
    path = tmp_path / "libstc_tensorrt.so"
    path.write_bytes(b"plugin code")
    return path


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch, library: Path, tmp_path: Path) -> Gpus:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return engine_bundle.pretend(monkeypatch, library)


@pytest.fixture
def engine(gpus: Gpus, library: Path, tmp_path: Path) -> Path:
    """A bundle with an engine that fits the pretended machine."""
    return engine_bundle.write(tmp_path / "bundle", library)
