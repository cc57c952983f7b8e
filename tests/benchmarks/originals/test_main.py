"""The command: what it is given wrong ends with one line, before anything heavy starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stc.benchmarks.originals.__main__ import main
from stc.cli import run


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "nothing to compare with; give --adelaidet DIR, --crossvis DIR or --mmdet"),
        (["--adelaidet", "{adet}"], "AdelaiDet and CrossVIS run on detectron2; add: --detectron2 DIR"),
        (["--crossvis", "{none}", "--detectron2", "{none}"], "no checkout of crossvis, which has a folder adet"),
        (
            ["--crossvis", "{adet}", "--detectron2", "{none}"],
            "no checkout of detectron2, which has a folder detectron2",
        ),
    ],
)
def test_what_is_missing_is_said(
    options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "checkout" / "adet").mkdir(parents=True)
    folders = {"adet": tmp_path / "checkout", "none": tmp_path / "none"}
    assert run(main, [option.format(**folders) for option in options]) == 1
    assert told in capsys.readouterr().err


@pytest.mark.slow  # a process that imports PyTorch
@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import yacs_of_theirs", "AdelaiDet imports yacs_of_theirs, which is not installed; fix: pip install"),
        ("from math import no_such_name", "docs/fidelity.md"),
        ("raise RuntimeError('not this version')", "AdelaiDet cannot use it (RuntimeError: not this version)"),
    ],
)
def test_a_checkout_that_cannot_be_used_ends_with_one_line(
    source: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("adet", "detectron2"):
        (tmp_path / package).mkdir()
    (tmp_path / "adet" / "config.py").write_text(source)
    assert run(main, ["--adelaidet", str(tmp_path), "--detectron2", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and told in error and error.count("\n") == 1


def test_help_is_there_without_torch() -> None:
    program = (
        "import sys; sys.modules['torch'] = None; from stc.benchmarks.originals.__main__ import main; main(['--help'])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert "--crossvis" in shown.stdout
