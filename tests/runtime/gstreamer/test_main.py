"""Where GStreamer finds the elements, and what is said where this Python has no GStreamer."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from stc.cli import run
from stc.runtime.gstreamer.__main__ import main


def test_without_gstreamer_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "stc.runtime.gstreamer.gst", raising=False)
    monkeypatch.setitem(sys.modules, "gi", None)
    assert run(main, []) == 1
    out, told = capsys.readouterr()
    assert out == "" and told.startswith("error: GStreamer for Python is not installed (")
    assert told.rstrip().endswith(("gstreamer1.0-plugins-base", "python3 -m venv --system-site-packages"))
    assert told.count("\n") == 1


def test_the_folder_that_is_printed_holds_a_file_for_each_element(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """GStreamer's loader reads the folder `python` in it."""
    monkeypatch.setitem(sys.modules, "stc.runtime.gstreamer.gst", sys)  # whatever imports
    assert run(main, []) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert {path.name for path in (folder / "python").glob("*.py")} == {"stctrack.py", "stcoverlay.py"}
