"""`stc-train` as a user runs it."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from stc.cli import run
from stc.model.checkpoint import load
from stc.training.config import RECIPES, TrainConfig, describe_settings, recipe
from stc.training.main import main
from tests.training.conftest import Source


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--data", "more.json"], "2 --data but 1 --frames"),
        (["--resume"], "nothing to resume"),
        (["--resume", "--init", "x.pth", "--set", "lr=1"], "leave out --init, --set"),
        (["--partial", "other.json"], "none of the --data files"),
        (["--set", "lr"], "--set lr: not NAME=VALUE"),
        (["--set", "speed=3"], "--set speed=3: not NAME=VALUE of a setting"),
        (["--set", "batch_pairs=1.5"], "--set batch_pairs=1.5: invalid literal"),
        (["--set", "consistency=both"], "consistency=both: must be one of crossover, filters, embedding, none"),
        (["--set", "lr=0"], "lr=0.0: must be above 0"),
        (["--set", "zoom_out=2"], "zoom_out=2.0: must not exceed zoom_in=1.6"),
        (["--set", "min_area=0"], "min_area=0.0: must be above 0"),
        (["--set", "seed=4294967296"], "seed=4294967296: must be below 2^32"),
        (["--set", "clip_share=nan"], "must be 0 or more"),
        (["--size", "8x8"], "must be HEIGHTxWIDTH"),
        (["--backbone-style", "msra"], "is for ResNet"),
        (["--exclude", "nobody"], "no clip named nobody"),
        (["--init", "absent.pth"], "absent.pth"),
    ],
)
def test_usage_errors_are_one_line_and_leave_no_output(
    stills: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: list[str], message: str
) -> None:
    arguments = ["--data", str(stills.annotations), "--frames", str(stills.frames), "--output", str(tmp_path / "run")]
    assert run(main, [*arguments, *extra]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_used_output_folder_needs_resume(stills: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "last.pt").touch()
    arguments = ["--data", str(stills.annotations), "--frames", str(stills.frames), "--output", str(tmp_path)]
    assert run(main, arguments) == 1
    assert "--resume" in capsys.readouterr().err


def test_help_and_settings_need_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--settings"])
    assert ended.value.code == 0
    listed = capsys.readouterr().out
    assert all(f"{setting.name} = {setting.default}" in listed for setting in fields(TrainConfig))
    with pytest.raises(SystemExit):
        main(["--help"])
    assert '"segmentations"' in capsys.readouterr().out


def documented(columns: int) -> dict[str, tuple[str, ...]]:
    """Name -> the two values in the rows of the tables of that many columns."""
    rows = {}
    for line in (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("| `") and len(cells) == columns:
            rows[cells[0].strip("`")] = tuple(cells[1:3])
    return rows


def test_every_setting_is_in_the_documentation() -> None:
    """docs/training.md has a row with the name and both defaults of every setting."""
    rows, published = documented(columns=4), RECIPES["r50"]
    for name, value, _ in describe_settings(TrainConfig()):
        assert rows[name] == (
            value,
            str(getattr(published, name)) if getattr(published, name) != getattr(TrainConfig(), name) else "same",
        ), name
    assert RECIPES["r101"] == published


def test_what_stc_lite_2_learns_by_is_in_the_documentation() -> None:
    """First from a backbone, then from weights that detect: each setting that differs from those of stc-lite."""
    recipes = (TrainConfig(), recipe("stc-lite-2", whole=False), recipe("stc-lite-2", whole=True))
    usual, first, then = ({name: value for name, value, _ in describe_settings(one)} for one in recipes)
    rows = documented(columns=3)
    differing = {name for name in usual if not usual[name] == first[name] == then[name]}
    assert {name: (first[name], then[name]) for name in differing} == {name: rows[name] for name in differing}


@pytest.mark.parametrize("preset", ["stc-lite", "r50"])
def test_other_models_learn_everything_at_once(preset: str) -> None:
    assert recipe(preset, whole=True) == recipe(preset, whole=False)


def test_all_problems_of_the_data_are_told_before_anything_is_written(
    stills: Source, clips: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (stills.frames / "a.png").unlink()
    (clips.frames / "moving" / "00001.png").write_bytes(b"no picture")
    arguments = ["--output", str(tmp_path / "run"), "--exclude", "nobody"]
    for source in (stills, clips):
        arguments += ["--data", str(source.annotations), "--frames", str(source.frames)]
    assert run(main, arguments) == 1
    error = capsys.readouterr().err
    for part in ("3 problems", "a.png", "00001.png: unreadable picture", "no clip named nobody"):
        assert part in error
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_signal_saves_the_state_and_resume_finishes(
    stills: Source, clips: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "run"
    command = _command([stills, clips], output, "--exclude", "secret", "--epochs", "2")  # 6 frames, 6 steps per epoch
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        _wait_for(output / "log.csv", 1)
        process.send_signal(signal.SIGTERM)
        stdout, _ = process.communicate(timeout=100)
    assert process.returncode == 130
    assert "continue with --resume" in stdout
    assert run(main, _resumed([stills, clips], output, "--exclude", "secret")[3:]) == 0
    assert "done: 12 steps" in capsys.readouterr().out
    model = load(output / "ema.safetensors").config
    assert model.classes == ("disc", "square")
    assert model.input_size == (64, 96)
    assert (output / "losses.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_losses_and_the_weights_of_an_unbroken_one(
    stills: Source, clips: Source, tmp_path: Path
) -> None:
    """Twenty steps, killed without warning after some; one thread everywhere, or sums differ in their last digits."""
    unbroken, killed = tmp_path / "unbroken", tmp_path / "killed"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    assert run(main, _command([stills, clips], unbroken, "--steps", "20")[3:]) == 0
    command = _command([stills, clips], killed, "--steps", "20", "--set", "save_minutes=0.002")
    with subprocess.Popen(command, env=environment) as process:
        _wait_for(killed / "last.pt", 1)
        _wait_for(killed / "log.csv", 6)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    rows = len((killed / "log.csv").read_text().splitlines())
    assert 6 <= rows < 20
    assert run(main, _resumed([stills, clips], killed)[3:]) == 0
    one, two = (_losses(folder / "log.csv") for folder in (unbroken, killed))
    assert len(one) == 20
    assert one == two
    ours, theirs = (load(folder / "ema.safetensors").model.state_dict() for folder in (unbroken, killed))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def _command(sources: list[Source], output: Path, *extra: str) -> list[str]:
    return [*_resumed(sources, output, *extra)[:-1], "--size", "64x96", "--set", "batch_pairs=1"]


def _resumed(sources: list[Source], output: Path, *extra: str) -> list[str]:
    """A resumed run needs its data named; settings and length are its own."""
    command = [sys.executable, "-c", "from stc.training.main import entry; entry()", "--output", str(output), *extra]
    for source in sources:
        command += ["--data", str(source.annotations), "--frames", str(source.frames)]
    return [*command, "--resume"]


def _wait_for(path: Path, lines: int) -> None:
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        if path.exists() and path.read_bytes().count(b"\n") >= lines:
            return
        time.sleep(0.02)
    raise TimeoutError(path)


def _losses(path: Path) -> list[list[str]]:
    """All columns but those that hold times."""
    with path.open(newline="") as handle:
        return [
            [v for k, v in row.items() if k not in {"minutes", "seconds", "wait"}] for row in csv.DictReader(handle)
        ]
