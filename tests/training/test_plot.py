"""The picture of a log."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from stc.cli import run
from stc.errors import InputError
from stc.training.plot import SHOWN, main, read_log


def _log(folder: Path, steps: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(0)
    with (folder / "log.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["step", *SHOWN])
        for step in range(steps):
            writer.writerow([step + 1, *(0.0 if name == "consistency" else rng.random() for name in SHOWN)])


@pytest.mark.slow
def test_runs_are_drawn_over_each_other(tmp_path: Path) -> None:
    _log(tmp_path / "one", 120)
    _log(tmp_path / "two", 1)
    assert run(main, [str(tmp_path / "one")]) == 0
    alone = cv2.imread(str(tmp_path / "one" / "losses.png"))
    assert run(main, [str(tmp_path / "one"), str(tmp_path / "two"), "-o", str(tmp_path / "both.png")]) == 0
    both = cv2.imread(str(tmp_path / "both.png"))
    assert alone.shape == both.shape
    assert (alone != both).any()
    assert len(np.unique(alone.reshape(-1, 3), axis=0)) > 10  # something is drawn


def test_a_log_that_is_missing_or_empty_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no log of stc-train"):
        read_log(tmp_path)
    _log(tmp_path / "empty", 0)
    with pytest.raises(InputError, match="holds no step"):
        read_log(tmp_path / "empty")
