"""Whatever a foreign library raises becomes one typed, bounded line; our own errors and missing packages pass."""

from __future__ import annotations

import pytest

from stc.boundary import LONGEST, foreign, reason
from stc.errors import CheckpointError, IncompatibleError, InputError


@pytest.mark.parametrize(
    "raised",
    [
        KeyError("x"),
        RecursionError("maximum recursion depth exceeded"),
        MemoryError(),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        OSError(22, "Invalid argument", "clip.mp4"),
        AttributeError("no attribute 'width'"),
    ],
)
def test_any_exception_names_the_file_the_library_and_the_fix(raised: Exception) -> None:
    with pytest.raises(InputError, match=r"^clip\.mp4: PyAV cannot use it \(.+\); check it with: ffprobe") as caught:
        with foreign("PyAV", "clip.mp4", "check it with: ffprobe clip.mp4"):
            raise raised
    assert caught.value.__cause__ is raised


def test_the_asked_class_is_raised() -> None:
    with pytest.raises(IncompatibleError), foreign("NumPy", "reference.npz", "export again", IncompatibleError):
        raise ValueError("bad")


@pytest.mark.parametrize("raised", [CheckpointError("ours"), ModuleNotFoundError("onnx"), KeyboardInterrupt()])
def test_own_errors_missing_packages_and_interrupts_pass_unchanged(raised: BaseException) -> None:
    with pytest.raises(type(raised)) as caught, foreign("PyAV", "clip.mp4", "fix"):
        raise raised
    assert caught.value is raised


def test_a_reason_is_one_printable_bounded_line() -> None:
    assert reason(ValueError("a\n  b\x1b[31m")) == "ValueError: a b?[31m"
    assert len(reason(ValueError("x" * 10_000))) == LONGEST + 1
    assert reason(OSError(2, "No such file or directory", "secret:password@host")) == "No such file or directory"
