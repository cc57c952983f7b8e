"""The clip of the demo comes out of Debian's package, or is the other one."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from stc.runtime.video import open_source
from stc.runtime.video.frame import Frame
from stc.runtime.video.sinks.video import video_writer
from tests.installs import ROOT

LENGTH, SIZE = 44, (576, 768)


def grey(index: int) -> int:
    return max(0, 50 + 40 * (index - 40))


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What dpkg-deb makes of a package: a tar with a clip whose frames from the 40th on are grey below row 80."""
    folder = tmp_path_factory.mktemp("package")
    with video_writer(folder / "clip.mp4", 10.0) as write:
        for index in range(LENGTH):
            picture = np.zeros((*SIZE, 3), np.uint8)
            picture[80:] = grey(index)
            write(picture, Frame(picture, index / 10, index, "clip"))
    with tarfile.open(folder / "data.tar", "w") as files:
        files.add(folder / "clip.mp4", "./usr/share/doc/opencv-doc/examples/data/vtest.avi")
    return folder / "data.tar"


def made(tmp_path: Path, apt: str, dpkg: str) -> tuple[Path, str]:
    """What the script makes where the two programs are these shell scripts, and what it prints."""
    for name, text in (("apt-get", apt), ("dpkg-deb", dpkg)):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "bikes.mp4").write_bytes(b"the other clip")
    command = [
        sys.executable,
        str(ROOT / "scripts/demo_clip.py"),
        str(tmp_path / "new/demo.mp4"),
        str(tmp_path / "bikes.mp4"),
    ]
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["demo.mp4"]
    return tmp_path / "new/demo.mp4", done.stdout


def test_it_is_a_part_of_the_package_s_clip_from_time_0(package: Path, tmp_path: Path) -> None:
    clip, said = made(tmp_path, 'test "$1 $2" = "download opencv-doc" && touch opencv-doc_1_all.deb', f"cat {package}")
    frames = list(open_source(clip))
    assert said == "" and len(frames) == LENGTH - 40
    assert [frame.time for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3])
    for index, frame in enumerate(frames, 40):
        assert frame.image.shape == (324, 576, 3)  # the rows below 80
        np.testing.assert_allclose(frame.image, grey(index), atol=10)  # encoded twice


@pytest.mark.parametrize(
    ("apt", "dpkg"),
    [("exit 100", "exit 1"), ("touch a.deb", "echo damaged"), ("touch a.deb", "exit 2"), ("exit 0", "exit 0")],
)
def test_where_there_is_no_such_package_it_is_the_other_clip_and_said(tmp_path: Path, apt: str, dpkg: str) -> None:
    clip, said = made(tmp_path, apt, dpkg)
    assert clip.read_bytes() == b"the other clip"
    assert said == "apt-get has no opencv-doc here: the demo shows bikes.mp4, which has hard cuts\n"
