"""`stc-track --ray` on a cluster of this machine, with kill -9 of a worker and of the command itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar

import pytest

from stc.cli import run
from stc.errors import InputError
from stc.runtime.track import ray as ray_fleet
from stc.runtime.track.fleet import Job, Settings
from stc.runtime.track.main import main
from stc.runtime.track.outputs import Outputs
from tests.runtime import tiny_model
from tests.runtime.track.fleet_clips import clip

pytestmark = pytest.mark.slow
FRAMES = 600  # of a video: long enough to be killed in
VIDEOS = 5
T = TypeVar("T")
PATIENCE = 240.0  # seconds, on a machine that does other things too


@pytest.fixture(scope="module", autouse=True)
def _ray() -> None:
    pytest.importorskip("ray", reason="pip install 'stc-trt[ray]' (there is no ray for this Python or platform)")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    tiny_model.write_bundle(tmp_path / "model")
    for index in range(VIDEOS):
        clip(tmp_path / f"v{index}.mkv", FRAMES, slot=index % 2)
    return tmp_path


def command(place: Path, *more: str) -> list[str]:
    videos = [str(place / f"v{index}.mkv") for index in range(VIDEOS)]
    return [*videos, "--model", str(place / "model"), "--json", str(place / "out"), *more]


class Fleet:
    """The command in a process of its own."""

    def __init__(self, place: Path) -> None:
        program = "from stc.runtime.track.main import entry; entry()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *command(place, "--ray", "local", "-o", str(place / "out"))],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def wait(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err

    def workers(self) -> list[int]:
        """Workers of this very command that are in a video; Ray writes what a worker does into its title."""
        parents = dict(processes())
        titled = []
        for pid in parents:
            ancestor = pid
            while ancestor in parents and ancestor != self.process.pid:
                ancestor = parents[ancestor]
            if ancestor == self.process.pid and "stc-track" in title(pid) and pid != self.process.pid:
                titled.append(pid)
        return titled


def processes() -> Iterator[tuple[int, int]]:
    """All as (pid, parent's pid)."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue
        yield int(path.parent.name), int(text.rsplit(")", 1)[1].split()[1])


def title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0]
    except OSError:
        return ""


def until(condition: Callable[[], T]) -> T:
    """The first true value of `condition`."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return value


def records(place: Path) -> dict[str, int]:
    """Finished videos and when each was."""
    return {path.name: path.stat().st_mtime_ns for path in (place / "out").glob("*.done.json")}


def test_killed_workers_and_a_killed_command_lose_no_finished_video(place: Path) -> None:
    first = Fleet(place)
    until(lambda: records(place))
    busy = first.workers()
    first.process.kill()
    first.process.communicate()
    until(lambda: not any("stc-track" in title(pid) for pid in busy))  # its cluster ends with it, a little later
    kept = records(place)
    assert 1 <= len(kept) < VIDEOS

    second = Fleet(place)
    victim = until(second.workers)[0]
    os.kill(victim, signal.SIGKILL)
    code, out, err = second.wait()
    assert code == 0, out + err
    assert len(records(place)) == VIDEOS
    # What was finished before was left alone, and what the killed worker was in came from another.
    assert {name: records(place)[name] for name in kept} == kept
    assert out.count(" resumed ") == len(kept) and out.count(" done ") == VIDEOS - len(kept)
    made = [json.loads((place / "out" / name).read_text())["worker"] for name in records(place) if name not in kept]
    assert all(not worker.endswith(f":{victim}") for worker in made)

    # The same as without Ray.
    assert run(main, [*command(place)[:-1], str(place / "alone")]) == 0
    for index in range(VIDEOS):
        assert (place / "out" / f"v{index}.json").read_text() == (place / "alone" / f"v{index}.json").read_text()


def test_a_broken_video_fails_alone(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (place / "v1.mkv").write_bytes(b"no video")
    for index in (2, 3, 4):
        clip(place / f"v{index}.mkv", 3)
    fleet = Fleet(place)
    code, out, err = fleet.wait()
    assert code == 1, err
    (line,) = [line for line in out.splitlines() if " failed " in line]
    assert "v1.mkv" in line
    assert len(records(place)) == VIDEOS - 1


def test_a_stop_is_clean_and_leaves_what_is_finished(place: Path) -> None:
    fleet = Fleet(place)
    until(lambda: records(place))
    fleet.process.send_signal(signal.SIGTERM)
    code, out, err = fleet.wait()
    assert (code, err) == (130, "interrupted\n"), out
    done, cancelled = out.count(" done "), out.count(" cancelled")
    assert cancelled >= 1 and done + cancelled == VIDEOS
    # A video may be whole without the command having heard of it when the signal came; none is called done that is not.
    assert len(records(place)) >= max(done, 1)


@pytest.mark.parametrize(
    ("model", "threads", "lacking"),
    [("m.onnx", 2, None), ("m.plan", 2, None), ("m.onnx", 9, "9 CPUs,"), ("m.plan", 3, "3 CPUs and a GPU,")],
)
def test_a_video_that_fits_on_no_machine_is_refused(model: str, threads: int, lacking: str | None) -> None:
    """A cluster of one machine with eight CPUs, one with two and a GPU, and one with all that has died."""
    machines = [
        {"Alive": True, "Resources": {"CPU": 8.0}},
        {"Alive": True, "Resources": {"CPU": 2.0, "GPU": 1.0}},
        {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
    ]
    job = Job("clip.mp4", Outputs(None, Path("out"), None, None), Settings(model, "", threads))
    cluster = SimpleNamespace(nodes=lambda: machines)
    with nullcontext() if lacking is None else pytest.raises(InputError, match=f"cluster has {lacking}"):
        ray_fleet.check_room(cluster, [job], "head:6379")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "auto"])
def test_no_cluster_there_is_one_line(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = tiny_model.write_bundle(tmp_path / "model")
    video = clip(tmp_path / "v.mkv", 2)
    assert run(main, [str(video), "--model", str(bundle), "-o", str(tmp_path / "out"), "--ray", address]) == 1
    shown = capsys.readouterr().err
    assert f"--ray {address}: no Ray cluster answers" in shown and shown.count("\n") == 1
