"""Every command ends with a line and an exit code, never with a traceback that is not a bug."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest

from stc.cli import Parser, run
from stc.errors import AccuracyError, IncompatibleError, InputError, StcError


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
        ("stc.export.main", ["--ckpt", "model.pth"]),
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
