"""An engine built in a process of its own: what is wrong there is told here, and it never outlives who asked."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from stc.errors import IncompatibleError, InputError
from stc.export.engine import apart
from stc.export.engine.apart import build_apart
from stc.export.engine.options import EngineOptions
from stc.export.engine.progress import Silent
from stc.export.engine.toolchain import Toolchain, choose
from stc.export.sizes import Batch

DEADLINE = 30.0  # seconds


@pytest.fixture
def toolchain() -> Toolchain:
    found = choose("rtx")
    assert isinstance(found, Toolchain)
    return found


def attempt(toolchain: Toolchain, model: bytes = b"no model") -> None:
    build_apart(model, "model.onnx", toolchain, EngineOptions(trt="rtx", batch=Batch(1, 1, 1)), "fp32", Silent())


def test_what_the_build_raises_is_raised(toolchain: Toolchain) -> None:
    with pytest.raises(InputError, match=r"model\.onnx: the onnx package cannot use it"):
        attempt(toolchain)


@pytest.mark.parametrize(
    ("program", "end"),
    [
        ("import os; os._exit(7)", "exit code 7"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "signal 9"),
    ],
)
def test_a_process_that_ends_without_a_word_is_an_error_of_ours(
    toolchain: Toolchain, monkeypatch: pytest.MonkeyPatch, program: str, end: str
) -> None:
    """Also while the model is still on its way to it."""
    monkeypatch.setattr(apart, "SERVE", program)
    with pytest.raises(IncompatibleError, match=rf"model\.onnx: the process .*\({end}\).*--trt none"):
        attempt(toolchain, bytes(1 << 22))


def test_an_interruption_ends_the_process_first(
    toolchain: Toolchain, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = (
        "import os, pickle, sys, time; pickle.load(sys.stdin.buffer)\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
        "pickle.dump(('start', ('Building engine', 1)), sys.stdout.buffer); sys.stdout.buffer.flush()\n"
        f"time.sleep({DEADLINE})"
    )
    monkeypatch.setattr(apart, "SERVE", program)

    class Impatient(Silent):
        def start(self, phase: str, steps: int) -> None:
            assert (phase, steps) == ("Building engine", 1)
            raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        build_apart(b"", "model.onnx", toolchain, EngineOptions(trt="rtx"), "fp32", Impatient())
    assert time.monotonic() - begun < DEADLINE
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
