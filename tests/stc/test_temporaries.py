"""What a killed process left goes at the next start; what a living one writes stays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stc.files import scratch_folder, write_text
from stc.temporaries import PREFIX, part_folder, sweep

HOLD = """
import sys, time
from pathlib import Path
from stc.temporaries import Part, part_folder
folder = Path(sys.argv[1])
part = Part(folder, ".mp4")
part.path.write_bytes(b"half a video")
with part_folder(folder) as inner:
    (inner / "spool").write_text("half a spool")
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _first_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stc.temporaries.swept", set())


def test_what_a_killed_process_left_goes_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, tmp_path]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as living,
        subprocess.Popen(command, stdout=subprocess.PIPE) as killed,
    ):
        for process in (living, killed):
            assert process.stdout is not None
            process.stdout.readline()
        before = set(tmp_path.iterdir())
        killed.kill()
        killed.wait()
        (tmp_path / ".hidden-mine").touch()
        write_text(tmp_path / "out.json", "text")
        left = set(tmp_path.iterdir()) - {tmp_path / ".hidden-mine", tmp_path / "out.json"}
        assert len(before) == 4
        assert len(left & before) == 2
        assert living.poll() is None
        living.kill()
        living.wait()
    sweep(tmp_path)  # the second look of one process does not count as a start
    assert len(list(tmp_path.iterdir())) == 4


def test_a_folder_that_was_not_locked_yet_goes_when_it_is_empty(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}empty").mkdir()
    (tmp_path / f"{PREFIX}strange").mkdir()
    (tmp_path / f"{PREFIX}strange/thing").touch()
    with scratch_folder(tmp_path / "out"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [f"{PREFIX}strange"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/lock").write_text("mine")
    (tmp_path / f"{PREFIX}0").symlink_to("precious")
    (tmp_path / f"{PREFIX}1").symlink_to("precious/lock")
    with part_folder(tmp_path):
        pass
    assert (tmp_path / "precious/lock").read_text() == "mine"
