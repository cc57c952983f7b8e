"""An export that is killed, at any moment, leaves the old bundle or the new one, and everything that is not its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stc.runtime.bundle import passport
from tests import killing
from tests.runtime import tiny_model

pytestmark = pytest.mark.slow

# Bundles and repositories for as long as it lives, by the code of the export that writes them.
FOR_EVER = """
import sys
from dataclasses import replace
from pathlib import Path
from stc.cli import run
from stc.export import folder
from stc.export.folder import finish
from stc.export.triton.repository import write
from stc.runtime.bundle import passport
def main(argv):
    source, target, models = map(Path, argv)
    known, model = passport.read(source), (source / "model.onnx").read_bytes()
    of = {"file": "m.pth", "layout": "stc", "sha256": "0", "assumed": {}}
    known = replace(known, checkpoint=of, precision={"fp32_islands": {}})
    number = 0
    while True:
        number += 1
        names = folder.ALWAYS | {"model.onnx", f"extra-{number}"}
        with folder.bundle(target, names).filled(last="passport.json") as made:
            (made / "model.onnx").write_bytes(model)
            (made / f"extra-{number}").write_text(str(number))
            finish(made, known, {"model.onnx", f"extra-{number}"}, [], "no engine")
        write(target, models)
        if number == 1:
            print("ready", flush=True)
sys.exit(run(main, sys.argv[1:]))
"""
ONCE = FOR_EVER.replace('print("ready", flush=True)', "return 0")


@pytest.mark.parametrize("number", killing.SIGNALS)
def test_bundle_and_repository_are_whole_and_the_rest_is_untouched(tmp_path: Path, number: signal.Signals) -> None:
    source = tiny_model.write_bundle(tmp_path / "source")
    target, models = tmp_path / "bundle", tmp_path / "models"
    tiny_model.write_bundle(target)
    (target / "videos").mkdir()
    for path in (target / "notes.txt", target / "videos/a.mp4"):
        path.write_text(f"the only {path.name}")
    for seconds in killing.moments(f"export {number}", (0, 0.4)):
        killing.end([sys.executable, "-c", FOR_EVER, source, target, models], seconds, number, ready=True)
        known = passport.read(target)
        for name in known.files:
            passport.verify_file(known, target / name)
        assert set(known.files) == {"model.onnx", *(path.name for path in target.glob("extra-*"))}
        served = passport.read(models / "tiny/1")
        passport.verify_file(served, models / "tiny/1/model.onnx")
        assert (target / "notes.txt").read_text() == "the only notes.txt"
        assert (target / "videos/a.mp4").read_text() == "the only a.mp4"
    done = subprocess.run([sys.executable, "-c", ONCE, source, target, models], check=True, timeout=60)
    assert done.returncode == 0
    assert not killing.temporaries(tmp_path)
    assert (target / "videos/a.mp4").stat().st_nlink == 1


def test_a_reader_of_stdout_that_leaves_ends_it_with_whole_files(tmp_path: Path) -> None:
    source, target = tiny_model.write_bundle(tmp_path / "source"), tmp_path / "bundle"
    command = [sys.executable, "-c", FOR_EVER, source, target, tmp_path / "models"]
    ended = killing.end(command, killing.BOUND, signal.SIGKILL, unheard=True)
    assert ended.code == 141 and "error" not in ended.told
    for folder in (target, tmp_path / "models/tiny/1"):
        passport.verify_file(passport.read(folder), folder / "model.onnx")
    assert not killing.temporaries(tmp_path)


def test_the_command_itself_leaves_the_old_bundle(lite_checkpoint: Path, tmp_path: Path) -> None:
    target = tiny_model.write_bundle(tmp_path / "bundle")
    (target / "notes.txt").write_text("mine")
    command = [*killing.program("stc.export.main"), "--ckpt", str(lite_checkpoint), "-o", str(target), "--trt", "none"]
    for number in (signal.SIGTERM, signal.SIGHUP):
        (seconds,) = killing.moments(f"command {number}", (0, 4), 1)[:1]
        ended = killing.end(command, seconds, number, ready=True)
        assert (ended.code, ended.told.splitlines()[-1]) == (130, "interrupted")
        assert passport.read(target).name == "tiny"
        assert not killing.temporaries(tmp_path)


def test_a_full_disk_leaves_the_old_bundle(tmp_path: Path) -> None:
    source = tiny_model.write_bundle(tmp_path / "source")
    command = [sys.executable, "-c", ONCE, source]
    with killing.small_disk(tmp_path / "disk", 64_000):
        target = tmp_path / "disk/bundle"
        subprocess.run([*command, target, tmp_path / "models"], check=True, timeout=60)
        old = passport.read(target)
        space = os.statvfs(tmp_path / "disk")
        (tmp_path / "disk/filler").write_bytes(bytes(space.f_bavail * space.f_frsize))
        ended = killing.end([*command, target, tmp_path / "models"], killing.BOUND, signal.SIGKILL)
        assert (ended.code, ended.told.count("\n")) == (1, 1)
        assert "No space left on device" in ended.told
        assert passport.read(target) == old
        assert not killing.temporaries(tmp_path)


def test_a_file_that_may_not_grow_is_named(tmp_path: Path) -> None:
    source, target = tiny_model.write_bundle(tmp_path / "source"), tiny_model.write_bundle(tmp_path / "bundle")
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    command = [sys.executable, "-c", ONCE, source, target, tmp_path / "models"]
    ended = killing.end(command, killing.BOUND, signal.SIGKILL, **killing.small_files(1000))
    assert (ended.code, ended.told.count("\n")) == (1, 1)
    assert "File too large" in ended.told
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    assert not killing.temporaries(tmp_path)
