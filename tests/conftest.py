"""Fixtures of a machine with a pretended GPU, the rule for tests that need a real one, and the limit of a fast test."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # imported where they are used: they cost every test file seconds
    from tests.runtime.backends.engine_bundle import Gpus

# Threads that wait for each other sleep. By default they spin, which on a busy machine costs ten times the work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# There is a worker for each core: a second thread of PyTorch's in each would compute on the other's.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# Seconds of CPU, child processes included, that a test without the mark `slow` may take: what keeps the mark true.
# Not wall time, which other work on the machine stretches. It is wider on a slower machine than it was chosen on; or
# what STC_TEST_SECONDS says.
LIMIT = float(os.environ.get("STC_TEST_SECONDS", "3"))


def pytest_configure() -> None:
    """Ctrl-C interrupts, also where the tests were started in the background: there it is inherited as ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests on a GPU run when asked for with `-m gpu`, and then fail without one instead of being skipped.

    Files with slow tests go first where workers share the work: what is left in the end is short, so they end together.
    """
    if hasattr(config, "workerinput"):
        slow = {item.path for item in items if item.get_closest_marker("slow")}
        items.sort(key=lambda item: item.path not in slow)
    if "gpu" in config.option.markexpr:
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs an NVIDIA GPU; run: scripts/gpu_check.sh"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test that passed, but took longer than `LIMIT` without saying so."""
    before, had_torch = sum(os.times()[:4]), "torch" in sys.modules
    yield
    seconds = sum(os.times()[:4]) - before
    if seconds <= LIMIT or item.get_closest_marker("slow") or item.get_closest_marker("gpu"):
        return
    if not had_torch and "torch" in sys.modules:
        return  # PyTorch takes seconds to import, and which test is the first to do so is chance
    limit = LIMIT if "STC_TEST_SECONDS" in os.environ else LIMIT * slowness()
    if seconds > limit:
        pytest.fail(
            f"took {seconds:.1f} s of CPU, a fast test may take {limit:.3g}: make it smaller, share its set-up with a "
            "fixture of the module, or mark it @pytest.mark.slow (on a slow machine: STC_TEST_SECONDS=10)",
            pytrace=False,
        )


def slowness() -> float:
    """How many times as long as where `LIMIT` was chosen this machine takes for a piece of work now; at least 1."""
    begin, total = time.process_time(), 0
    for number in range(2_000_000):
        total += number * number % 7
    return max(1.0, (time.process_time() - begin) / 0.1)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A plugin library's file; the fake TensorRT does not look into it."""
    path = tmp_path / "libstc_tensorrt.so"
    path.write_bytes(b"plugin code")
    return path


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch, library: Path, tmp_path: Path) -> Gpus:
    from tests.runtime.backends import engine_bundle

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return engine_bundle.pretend(monkeypatch, library)


@pytest.fixture
def engine(gpus: Gpus, library: Path, tmp_path: Path) -> Path:
    """A bundle with an engine that fits the pretended machine."""
    from tests.runtime.backends import engine_bundle

    return engine_bundle.write(tmp_path / "bundle", library)
