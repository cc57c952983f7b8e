"""Ctrl-C while something is measured."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# A frame of this model takes a quarter of a second more than it needs, so that there is time to interrupt.
SLOW = """
import sys, time
from stc.benchmarks.main import main
from stc.cli import run
from stc.runtime import Session
infer, seen = Session.infer, []
def slow(self, inputs, timings=None):
    seen.append(1)
    if len(seen) == int(sys.argv[1]):
        print("now", flush=True)
    time.sleep(0.25)
    return infer(self, inputs, timings)
Session.infer = slow
sys.exit(run(main, sys.argv[2:]))
"""


def interrupt(bundle: Path, frame: int, *more: str) -> tuple[int, str, str, float]:
    """Exit code, output, errors and seconds from the signal, which comes during `frame`, to the end."""
    command = [sys.executable, "-c", SLOW, str(frame), str(bundle), *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "now\n"
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
        return process.returncode, output, errors, time.monotonic() - start


@pytest.mark.slow
def test_it_ends_within_a_frame_and_a_second_and_shows_what_it_has(proven_bundle: Path, tmp_path: Path) -> None:
    """Twenty frames of warm-up, then the fifth that counts."""
    files = ["--json", str(tmp_path / "r.json"), "--html", str(tmp_path / "r.html"), "--scenario", "paced"]
    code, output, errors, seconds = interrupt(proven_bundle, 35, *files)
    assert code == 130
    assert seconds < 0.25 + 1 + 3  # three seconds on top for a machine that is busy with other tests
    assert "end_to_end" in output
    assert "interrupted: what was measured so far" in output
    assert "verdict unproven" in output
    assert "Traceback" not in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle"], "no report of half a measurement"


@pytest.mark.slow
def test_before_anything_is_measured_it_says_so(proven_bundle: Path) -> None:
    code, output, errors, _ = interrupt(proven_bundle, 3)
    assert code == 130
    assert "interrupted before anything was measured" in errors
    assert not output
