"""The real command of `stc-track`, stopped, killed and left without a reader."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import cv2
import pytest

from stc.runtime.video import open_source
from tests import killing
from tests.runtime.track.track_cli import written
from tests.runtime.video.clips import encode, steady

COMMAND = killing.program("stc.runtime.track.main")
ALL = ("-o", "out/t.mp4", "--json", "out/t.json", "--jsonl", "out/t.jsonl", "--contact", "out/t.png")


def start(*arguments: object, cwd: Path) -> subprocess.Popen[str]:
    """The command, ready for signals."""
    command = [*COMMAND, *map(str, arguments)]
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end
        sleep(0.02)


def waiting(pipe: int) -> int:
    """Bytes in a pipe."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.fixture
def long_clip(tmp_path: Path) -> Path:
    """Takes minutes with `--every 1`, on any machine: what ends before is ended by something else."""
    return encode(tmp_path / "long.mkv", steady(3000), codec="mpeg4")


@pytest.mark.slow
@pytest.mark.parametrize("reader", ["none", "stalled"])
@pytest.mark.parametrize("several", [False, True])
def test_a_pipe_that_nobody_reads_does_not_outlast_a_stop(
    tmp_path: Path, long_clip: Path, bundle: Path, reader: str, several: bool
) -> None:
    """One SIGTERM, and the command ends with its video complete, also where it waits for the reader of a pipe."""
    (tmp_path / "out").mkdir()
    os.mkfifo(tmp_path / "out" / "long.jsonl")
    held = os.open(tmp_path / "out" / "long.jsonl", os.O_RDONLY | os.O_NONBLOCK) if reader == "stalled" else None
    outputs = ("-o", "out", "--jsonl", "out") if several else ("-o", "out/long.mp4", "--jsonl", "out/long.jsonl")
    inputs = [long_clip, encode(tmp_path / "b.mp4", steady(5))] if several else [long_clip]
    process = start(*inputs, "--model", bundle, *outputs, cwd=tmp_path)
    if reader == "none":
        sleep(3)  # it is at the pipe, or a slow machine is on the way there: it ends the same
    else:
        until(lambda: waiting(held) > 48_000)  # the pipe has 64 kB, and lines come in blocks of 8
    if several:
        until((tmp_path / "out" / "b.mp4").exists, 25)  # less than the reader is waited for
    begin = monotonic()
    process.terminate()
    process.communicate(timeout=30)
    assert monotonic() - begin < 10, "its limit is 2 s after a signal; the rest is for a machine that is busy"
    assert process.returncode in (1, 130)
    names = [name for name in written(tmp_path / "out") if name.startswith(".")]
    assert names == [] and (tmp_path / "out" / "long.jsonl").is_fifo()
    assert (tmp_path / "out" / "long.mp4").exists() == (reader == "stalled"), "one without a frame is not begun"
    if several:
        assert len(list(open_source(tmp_path / "out" / "b.mp4"))) == 5
    if held is not None:
        os.close(held)


@pytest.mark.slow
def test_a_reader_that_leaves_stdout_completes_the_files(tmp_path: Path, long_clip: Path, bundle: Path) -> None:
    process = start(long_clip, "--model", bundle, "--jsonl", "-", "-o", "t.mp4", cwd=tmp_path)
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    process.stdout.close()
    assert process.stderr is not None
    told = process.stderr.read()
    assert process.wait(60) == 141 and "Traceback" not in told and first["index"] == 0
    assert len(list(open_source(tmp_path / "t.mp4"))) > 0


@pytest.mark.slow
@pytest.mark.parametrize("number", killing.SIGNALS)
def test_killed_at_any_time_nothing_is_half_written_and_nothing_foreign_touched(
    tmp_path: Path, long_clip: Path, bundle: Path, number: signal.Signals
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    foreign = {"notes.txt": "mine", "t.5.jsonl": "older\n", ".hidden": "mine"}
    for name, text in foreign.items():
        (out / name).write_text(text)
    command = [*COMMAND, long_clip, "--model", bundle, *ALL]
    for seconds in killing.moments(f"track {number}", (0, 4), 5):
        killing.end(command, seconds, number, ready=True, cwd=tmp_path)
        check_whole(out)
    ended = killing.end([*command, "--every", 1000], killing.BOUND, signal.SIGKILL, cwd=tmp_path)
    assert ended.code == 0, ended.told
    check_whole(out)
    assert not killing.temporaries(tmp_path), "the next start removes what a killed run left"
    assert {name: (out / name).read_text() for name in foreign} == foreign
    assert {name for name in written(out) if not name.endswith(".jsonl")} == {
        "notes.txt", ".hidden", "t.mp4", "t.json", "t.png",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [8, 40, 120])
def test_a_full_disk_leaves_whole_files_or_none(tmp_path: Path, bundle: Path, kilobytes: int) -> None:
    clip = encode(tmp_path / "clip.mkv", steady(100), codec="mpeg4")
    with killing.small_disk(tmp_path / "out", kilobytes << 10):
        command = [*COMMAND, clip, "--model", bundle, *ALL]
        ended = killing.end(command, killing.BOUND, signal.SIGKILL, cwd=tmp_path)
        assert ended.code == 1 and "error: out/t." in ended.told and "df -h out" in ended.told
        check_whole(tmp_path / "out")
        if kilobytes > 8:  # less than that holds no first frame
            assert (tmp_path / "out/t.jsonl").stat().st_size > 1000, "lines are whole as they come"
        assert not killing.temporaries(tmp_path)


def check_whole(out: Path) -> None:
    """Whatever is there under its final name is complete."""
    if (out / "t.mp4").exists():
        assert list(open_source(out / "t.mp4"))
    if (out / "t.json").exists():
        json.loads((out / "t.json").read_text())
    if (out / "t.png").exists():
        assert cv2.imread(str(out / "t.png")) is not None
    for path in out.glob("t*.jsonl"):
        text = path.read_text()
        assert text.endswith("\n") or not text
        assert path.name == "t.5.jsonl" or all(json.loads(line) for line in text.splitlines())
