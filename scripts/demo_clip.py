"""The clip that `make demo` shows: `python scripts/demo_clip.py OUT OTHERWISE`.

People who cross in front of each other, without a cut: a part of vtest.avi, which OpenCV has among its examples
(Apache-2.0) and Debian and Ubuntu in their package opencv-doc (96 MB; nothing is installed). Where apt-get does not
bring it, OUT is a copy of the clip OTHERWISE, and one line says so.
"""

# ruff: noqa: T201

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from stc.errors import StcError
from stc.runtime.video import open_source, open_writer

PACKAGE, MEMBER = "opencv-doc", "/vtest.avi"
SECONDS = 240  # for the download
FRAMES = slice(40, 240)  # 20 s: people meet, stand together, part and pass
TOP, LEFT, HEIGHT, WIDTH = 80, 192, 324, 576  # the road, of 576 x 768 pixels: where people are large


def fetched(folder: Path) -> Path | None:
    """vtest.avi in `folder`; None where it is not to be had."""
    try:
        subprocess.run(["apt-get", "download", PACKAGE], cwd=folder, check=True, capture_output=True, timeout=SECONDS)
        package = next(folder.glob("*.deb"))
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as unpacked:
            assert unpacked.stdout is not None
            with tarfile.open(fileobj=unpacked.stdout, mode="r|") as files:
                for entry in files:
                    if entry.name.endswith(MEMBER) and (content := files.extractfile(entry)) is not None:
                        clip = folder / "vtest.avi"
                        clip.write_bytes(content.read())
                        unpacked.kill()  # the rest of it is a quarter of a gigabyte
                        return clip
    except (OSError, subprocess.SubprocessError, tarfile.TarError, StopIteration):
        pass
    return None


def cut(clip: Path, target: Path) -> None:
    """The chosen frames of the road, from time 0. Raises StcError."""
    source = open_source(clip)
    with source, open_writer(target, source) as write:
        start = None
        for frame in islice(source, FRAMES.start, FRAMES.stop):
            start = frame.time if start is None else start
            part = frame.image[TOP : TOP + HEIGHT, LEFT : LEFT + WIDTH].copy()
            write(part, replace(frame, image=part, time=frame.time - start))


def main(argv: Sequence[str]) -> int:
    target, otherwise = map(Path, argv)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        try:
            if (clip := fetched(Path(folder))) is not None:
                cut(clip, target)
                return 0
        except StcError as error:
            print(error, file=sys.stderr)
    print(f"apt-get has no {PACKAGE} here: the demo shows {otherwise.name}, which has hard cuts")
    shutil.copyfile(otherwise, target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
