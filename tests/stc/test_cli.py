"""Every command ends with a line and an exit code, never with a traceback that is not a bug."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from stc import signals
from stc.cli import Parser, run
from stc.errors import AccuracyError, IncompatibleError, InputError, MissingDependencyError, StcError


@pytest.mark.parametrize(
    ("error", "code"), [(InputError, 1), (StcError, 1), (IncompatibleError, 2), (AccuracyError, 3)]
)
def test_typed_errors_become_their_exit_code(
    error: type[StcError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(argv: Sequence[str]) -> int:
        raise error("what was wrong")

    assert run(main, []) == code
    assert capsys.readouterr().err == "error: what was wrong\n"


def test_interrupt_is_130() -> None:
    def main(argv: Sequence[str]) -> int:
        raise KeyboardInterrupt

    assert run(main, []) == 130


def test_a_bug_keeps_its_traceback() -> None:
    def main(argv: Sequence[str]) -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(main, [])


def test_wrong_usage_is_exit_1_not_argparses_2(capsys: pytest.CaptureFixture[str]) -> None:
    def main(argv: Sequence[str]) -> int:
        Parser(prog="stc-thing").parse_args(argv)
        return 0

    assert run(main, ["--bogus"]) == 1
    assert "stc-thing --help" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("stc.export.main", ["--ckpt", __file__]),  # a file is there, whatever is in it
        ("stc.training.main", ["--data", "a.json", "--frames", "frames", "--output", "run"]),
    ],
)
def test_without_torch_the_extra_is_named(module: str, arguments: list[str]) -> None:
    program = (
        f"import sys; sys.modules['torch'] = None; from {module} import entry; sys.argv[1:] = {arguments}; entry()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "pip install 'stc-trt[export]'" in done.stderr


def test_a_closed_pipe_is_quiet() -> None:
    program = (
        "from stc.cli import run\n"
        "import sys\n"
        "def main(argv):\n"
        "    for _ in range(100000): print('line')\n"
        "    return 0\n"
        "sys.exit(run(main))\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.readline()
    writer.stdout.close()
    assert writer.stderr is not None
    assert writer.stderr.read() == b""
    assert writer.wait(timeout=30) == 141


def test_what_the_system_refuses_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def main(argv: Sequence[str]) -> int:
        Path("/proc/none").write_text("text")
        return 0

    assert run(main, []) == 1
    assert capsys.readouterr().err == (
        "error: /proc/none: No such file or directory; check paths and free space with: df -h\n"
    )


@pytest.mark.parametrize("level", ["garbage", "10", "NOTSET", " "])
def test_a_log_level_that_is_none_is_one_line(
    level: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STC_LOG", level)
    assert run(lambda _: 0, []) == 1
    assert capsys.readouterr().err == (
        f"error: STC_LOG={level}: no level; give one of DEBUG, INFO, WARNING, ERROR, CRITICAL\n"
    )


@pytest.mark.parametrize("level", ["", "debug", "Info"])
def test_any_spelling_of_a_log_level_is_taken(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STC_LOG", level)
    assert run(lambda _: 0, []) == 0


COMMANDS = [
    *("stc.export.main", "stc.runtime.track.main", "stc.benchmarks.main", "stc.benchmarks.evaluation.main"),
    *("stc.training.main", "stc.runtime.machine.doctor", "stc.benchmarks.crossings.main"),
    "stc.training.calibrate.__main__",
]


@pytest.mark.parametrize("module", COMMANDS)
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_stdout_on_a_full_disk_is_one_line(module: str, unbuffered: str) -> None:
    """Unbuffered, as in many containers, the disk is full at a print and not at the end."""
    program = f"import sys; from {module} import entry; sys.argv[1:] = ['--help']; entry()"
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    assert done.returncode == 1
    assert re.fullmatch(r"error: stdout: No space left on device; check .*: df -h\n", done.stderr)


def test_without_stdout_and_stderr_a_command_still_ends_with_its_code() -> None:
    program = (
        "import sys; from stc.cli import run; sys.exit(run(lambda _: print('x') or print('y', file=sys.stderr) or 3))"
    )
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        full_ones = subprocess.run([sys.executable, "-c", program], stdout=full, stderr=full, check=False, timeout=60)
    closed = subprocess.run(["sh", "-c", 'exec "$@" >&- 2>&-', "sh", sys.executable, "-c", program], check=False)
    assert (full_ones.returncode, closed.returncode) == (1, 3)


class _Made:
    def __set_name__(self, owner: type, name: str) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_class_that_a_signal_left_half_made_is_an_interruption(capsys: pytest.CaptureFixture[str]) -> None:
    """Python 3.11 makes a RuntimeError of it, and a border to a library one of ours."""

    def main(argv: Sequence[str]) -> int:
        try:
            type("Class", (), {"made": _Made()})
        except KeyboardInterrupt:  # later Pythons let it pass
            raise InputError("thing cannot be used") from KeyboardInterrupt()
        except RuntimeError as error:
            raise InputError("thing cannot be used") from error
        return 0

    assert run(main, []) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_what_could_not_be_completed_after_a_signal_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    def main(argv: Sequence[str]) -> int:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            raise InputError("out.mp4: cannot be completed")

    assert run(main, []) == 1
    assert capsys.readouterr().err == "error: out.mp4: cannot be completed\n"


@pytest.mark.parametrize("signalled", [False, True])
def test_a_library_whose_import_a_signal_broke_is_not_called_missing(
    signalled: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(argv: Sequence[str]) -> int:
        if signalled:
            with suppress(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGTERM)
        raise MissingDependencyError("thing is not installed")

    assert run(main, []) == (130 if signalled else 1)
    assert capsys.readouterr().err == ("interrupted\n" if signalled else "error: thing is not installed\n")
    assert not signals.asked(), "the next command in this process was not asked to end"
