"""No reader, and no lack of one, keeps a command waiting for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stc import pipes
from stc.errors import InputError
from stc.files import open_stream, write_bytes


@pytest.fixture
def pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pipes, "PATIENCE", 0.5)
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_a_pipe_that_nobody_reads_is_given_up(pipe: Path) -> None:
    with pytest.raises(InputError, match=r"pipe: a pipe that nobody read for 0\.5 s; start its reader"):
        open_stream(pipe)


def test_a_reader_that_comes_later_is_waited_for(pipe: Path) -> None:
    with subprocess.Popen(["sh", "-c", f"sleep 0.2; cat {pipe}"], stdout=subprocess.PIPE) as reader:
        write_bytes(pipe, b"text")
        assert reader.communicate()[0] == b"text"


def test_a_reader_that_stalls_is_given_up(pipe: Path) -> None:
    with open(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), "rb"):  # noqa: PTH123  (a descriptor)
        with pytest.raises(InputError, match=r"pipe: its reader took nothing for 0\.5 s"):
            write_bytes(pipe, bytes(1_000_000))


def test_a_slow_reader_is_not(pipe: Path) -> None:
    """It takes a kilobyte every tenth of a second, all in all for longer than a stalled one is waited for."""
    read = f"import time; f = open({str(pipe)!r}, 'rb', buffering=0); n = 0\n"
    read += "while b := f.read(8192): n += len(b); time.sleep(0.1)\nprint(n)"
    with subprocess.Popen([sys.executable, "-c", read], stdout=subprocess.PIPE) as reader:
        write_bytes(pipe, bytes(150_000))
        assert int(reader.communicate()[0]) == 150_000


def test_a_reader_that_leaves_is_an_error_of_the_pipe(pipe: Path) -> None:
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with open_stream(pipe) as stream:
        os.close(reader)
        with pytest.raises(InputError, match="pipe: its reader closed it before the end"):
            stream.write(b"text")


WRITE = """
import sys
from pathlib import Path
from stc.cli import run
from stc.files import open_stream
from stc.signals import Hold
def main(argv):
    with Hold() if argv[1] == "hold" else open("/dev/null"):
        print("ready", flush=True)
        with open_stream(Path(argv[0])) as stream:
            stream.write(bytes(1000000))
    return 0
sys.exit(run(main, sys.argv[1:]))
"""


@pytest.mark.parametrize("reader", ["absent", "stalled"])
@pytest.mark.parametrize("way", ["hold", "plain"])
def test_a_signal_ends_the_wait(tmp_path: Path, reader: str, way: str) -> None:
    """At once, or, where the first signal is only a wish, in the short time that is left to readers then."""
    os.mkfifo(tmp_path / "pipe")
    opened = None if reader == "absent" else os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    command = [sys.executable, "-c", WRITE, tmp_path / "pipe", way]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        begin = time.monotonic()
        _, told = process.communicate(timeout=25)
        assert time.monotonic() - begin < 20  # far below the patience without a signal
    if opened is not None:
        os.close(opened)
    assert process.returncode == (1 if way == "hold" else 130)
    assert told == "interrupted\n" or "read" in told
    assert "Traceback" not in told
