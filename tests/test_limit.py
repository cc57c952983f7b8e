"""The limit that keeps the mark `slow` true, in a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = """
import subprocess, sys, time
import pytest

BURN = "import time\\nwhile time.process_time() < 0.3: pass"

def test_quick():
    pass

def test_waiting_costs_nothing():
    time.sleep(0.3)

def test_long():
    exec(BURN.replace("0.3", str(time.process_time() + 0.3)))

def test_long_in_a_child():
    subprocess.run([sys.executable, "-c", BURN], check=True)

@pytest.mark.slow
def test_long_and_marked():
    exec(BURN.replace("0.3", str(time.process_time() + 0.3)))

def test_long_and_failing():
    exec(BURN.replace("0.3", str(time.process_time() + 0.3)))
    assert not "its own reason"
"""


def test_a_test_beyond_the_limit_fails_unless_it_is_marked_slow(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    slow\n    gpu\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-rA", str(tmp_path)]
    environment = os.environ | {
        "STC_TEST_SECONDS": "0.2",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": f"{Path.cwd()}:{os.environ.get('PYTHONPATH')}",
    }
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    failed = {line.split("::")[1].split(" ")[0] for line in done.stdout.splitlines() if line.startswith("FAILED")}
    assert failed == {"test_long", "test_long_in_a_child", "test_long_and_failing"}, done.stdout
    assert "a fast test may take 0.2" in done.stdout
    assert "its own reason" in done.stdout
