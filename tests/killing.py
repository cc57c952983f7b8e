"""Ends commands at random moments, in every way that commands end in the field, and looks at what they leave.

The moments are drawn from a seed, so that a failure comes again; `STC_FUZZ` kills more often than the default.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from stc.temporaries import PREFIX

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
BOUND = 300  # seconds after which a command that was asked to end counts as hanging


@dataclass(frozen=True)
class Ended:
    """How a command ended; `told` is what it wrote to stderr."""

    code: int
    told: str


def moments(seed: str, within: tuple[float, float], count: int = 4) -> list[float]:
    """Seconds after the start; `STC_FUZZ` gives how many."""
    drawn = random.Random(seed)
    return [drawn.uniform(*within) for _ in range(int(os.environ.get("STC_FUZZ", count)))]


def program(module: str) -> list[str]:
    """The command whose `main` is in `module`, to be ended when it is `ready`.

    Its first line says that it handles signals. Before, on a busy machine for seconds, it is an interpreter that
    starts, and ends as every interpreter does.
    """
    lines = (
        "import sys",
        "from contextlib import suppress",
        "from stc.cli import run",
        "def main(argv):",
        "    with suppress(BrokenPipeError):",  # a reader that left is the command's to notice
        "        print('ready', flush=True)",
        f"    from {module} import main",
        "    return main(argv)",
        "sys.exit(run(main, sys.argv[1:]))",
    )
    return [sys.executable, "-c", "\n".join(lines)]


def end(
    command: Sequence[object],
    seconds: float,
    number: int,
    *,
    ready: bool = False,
    unheard: bool = False,
    **options: object,
) -> Ended:
    """Send the signal after `seconds`, unless the command is done before; `ready`: after its first line, that is.

    unheard: the reader of its stdout has left. What the tests' caller ignores (SIGHUP under `nohup`) the command does
    not: it would rightly stay ignored, and the command run to its end.
    Fails when it does not end, and, but for SIGKILL, when it ends with a traceback.
    """
    stdout = _closed_pipe() if unheard else subprocess.PIPE
    with subprocess.Popen(
        ["env", "--default-signal=HUP,INT,TERM", *(str(part) for part in command)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    ) as process:  # type: ignore[call-overload]
        if unheard:
            os.close(stdout)
        try:
            if ready:
                assert process.stdout.readline(), process.stderr.read()
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        try:
            _, told = process.communicate(timeout=BOUND)
        finally:
            process.kill()
    assert "Traceback" not in told, told
    return Ended(process.returncode, told)


def _closed_pipe() -> int:
    read, write = os.pipe()
    os.close(read)
    return write


def temporaries(folder: Path) -> list[Path]:
    """Unfinished files at any depth."""
    return [path for path in folder.rglob("*") if path.name.startswith(PREFIX)]


def small_files(size: int) -> dict[str, object]:
    """Options of a process whose writes fail when a file grows beyond `size` bytes."""
    return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))}


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """A disk of `size` bytes at `folder`; skips where mounting is not allowed."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    if os.getuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)
