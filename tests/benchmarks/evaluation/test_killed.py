"""An evaluation that is killed leaves the old numbers or the new ones."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import killing
from tests.benchmarks.evaluation import scenes

pytestmark = pytest.mark.slow

FOR_EVER = """
import sys
from stc.benchmarks.evaluation.main import main
from stc.cli import run
def for_ever(argv):
    while True:
        main(argv)
        print("ready", flush=True)
sys.exit(run(for_ever, sys.argv[1:]))
"""
ONCE = "from stc.benchmarks.evaluation.main import entry; entry()"


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    boxes = [(8, 8, 32, 32)] * 3
    truth = scenes.annotations((60, 96), [3], [{"video": 1, "category": 1, "boxes": boxes}], ("cat",))
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "results.json").write_text("[]")
    return ["--results", str(tmp_path / "results.json"), "--data", str(tmp_path / "truth.json"), "--json"]


def test_the_numbers_are_whole_after_every_kind_of_end(arguments: list[str], tmp_path: Path) -> None:
    output = tmp_path / "scores.json"
    for number, code in zip(killing.SIGNALS, (-9, 130, 130, 130), strict=True):
        for seconds in killing.moments(f"eval {number}", (0, 0.3), 2):
            ended = killing.end([sys.executable, "-c", FOR_EVER, *arguments, output], seconds, number, ready=True)
            assert ended.code == code
            assert json.loads(output.read_text())["mean"]["objects"] == 1
    subprocess.run([sys.executable, "-c", ONCE, *arguments, output], check=True, timeout=60, capture_output=True)
    assert not killing.temporaries(tmp_path)


def test_a_reader_of_stdout_that_leaves_ends_it_quietly(arguments: list[str]) -> None:
    command = [sys.executable, "-c", ONCE, *arguments, "-"]
    ended = killing.end(command, killing.BOUND, signal.SIGKILL, unheard=True)
    assert ended.code == 141 and "error" not in ended.told


def test_a_full_disk_keeps_the_old_numbers(arguments: list[str], tmp_path: Path) -> None:
    output = tmp_path / "scores.json"
    output.write_text("old")
    command = [sys.executable, "-c", ONCE, *arguments, output]
    ended = killing.end(command, killing.BOUND, signal.SIGKILL, **killing.small_files(100))
    assert ended.code == 1
    assert ended.told.strip() == (
        f"error: {output}: cannot be written (File too large); larger than files may be here; see: ulimit -f"
    )
    assert output.read_text() == "old"
    assert not killing.temporaries(tmp_path)
