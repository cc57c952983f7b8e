"""The ablation: what its variants leave out, how its numbers are made, and the whole of it once, as small as can be."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from statistics import mean, stdev

import cv2
import pytest
import torch

from stc.cli import run
from stc.training.ablation.__main__ import METRICS, QUESTIONS, VARIANTS, initial_model, main, plot, table
from stc.training.config import RECIPES, TrainConfig
from stc.training.shapes.draw import CLASSES


def _scores(*runs: float) -> list[dict[str, float]]:
    return [dict.fromkeys(METRICS, run) for run in runs]


def test_every_variant_differs_from_the_recipe_in_what_it_names() -> None:
    recipe = RECIPES["stc-lite"]
    for name, variant in VARIANTS.items():
        config = replace(recipe, **variant.settings)  # raises for a setting that does not exist
        changed = {key for key, value in asdict(config).items() if value != getattr(recipe, key)}
        assert changed == set(variant.settings), name
    assert [name for name, variant in VARIANTS.items() if not variant.tracked] == ["no tracking head"]
    assert not QUESTIONS["full"].settings
    assert TrainConfig(**QUESTIONS["no reverse direction"].settings).directions == "key-to-reference"
    assert TrainConfig(**QUESTIONS["no consistency"].settings).consistency == "none"


def test_variants_of_a_seed_start_from_equal_weights() -> None:
    full, bare, other = (
        initial_model(VARIANTS[name], CLASSES, seed, None).state_dict()
        for name, seed in (("full", 1), ("no tracking head", 1), ("full", 2))
    )
    assert all(torch.equal(value, full[name]) for name, value in bare.items())
    assert {name for name in full if name not in bare} == {name for name in full if name.startswith("head.track_")}
    assert not torch.equal(full["head.controller.weight"], other["head.controller.weight"])


def test_the_table_has_mean_and_deviation_of_the_seeds() -> None:
    text = table({"full": _scores(0.2, 0.3, 0.7), "no consistency": _scores(0.5)})
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert rows[0] == ["variant", "seeds", *METRICS.values()]
    assert rows[2][:3] == ["full", "3", f"{mean([0.2, 0.3, 0.7]):.3f} ± {stdev([0.2, 0.3, 0.7]):.3f}"]
    assert rows[3][:3] == ["no consistency", "1", "0.500"]
    assert rows[3][-1] == "0.5"  # switches, one digit


def test_the_plot_shows_every_seed(tmp_path: Path) -> None:
    plot({"full": _scores(0.2, 0.3), "no consistency": _scores(0.5, 0.9)}, tmp_path / "a.png")
    plot({"full": _scores(0.2, 0.3), "no consistency": _scores(0.5, 0.7)}, tmp_path / "b.png")
    one, two = (cv2.imread(str(tmp_path / name)) for name in ("a.png", "b.png"))
    assert one.shape == two.shape
    assert (one != two).any()


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--variants", "full,half"], "--variants half: not one of full, no tracking head"),
        (["--seeds", "0"], "must be 1 or more"),
        (["--init", "absent.pth"], "absent.pth: no such file"),
    ],
)
def test_wrong_usage_is_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: list[str], message: str
) -> None:
    assert run(main, ["-o", str(tmp_path / "out"), *extra]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_runs_of_another_length_are_not_mixed_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stc.training.ablation.__main__.EVALUATOR", "stc.training.main")  # any that is there
    (tmp_path / "plan.json").write_text(json.dumps({"steps": 7, "clips": 60, "pairs": 4, "init": None}))
    assert run(main, ["-o", str(tmp_path), "--steps", "8"]) == 1
    assert "choose another --output" in capsys.readouterr().err


def test_without_the_evaluator_nothing_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stc.training.ablation.__main__.EVALUATOR", "stc.absent.main")
    assert run(main, ["-o", str(tmp_path / "out")]) == 1
    assert "stc.absent.main is missing" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_variant_is_trained_exported_scored_and_not_done_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two steps teach nothing: it is about the way from data to table. Without tracking head, the oddest model."""
    pytest.importorskip("stc.benchmarks.evaluation.main", reason="stc-eval is not in this version")
    command = ["-o", str(tmp_path), "--variants", "no tracking head", "--seeds", "1", "--steps", "2", "--clips", "2"]
    assert run(main, [*command, "--pairs", "1"]) == 0
    assert "| no tracking head | 1 | 0.000 |" in capsys.readouterr().out
    assert (tmp_path / "ablation.md").read_text().count("\n") == 3
    state = tmp_path / "no-tracking-head-0" / "last.pt"
    passport = json.loads((tmp_path / "no-tracking-head-0" / "model" / "passport.json").read_text())
    assert passport["embedding_dim"] == 0
    written = state.stat().st_mtime_ns
    assert run(main, [*command, "--pairs", "1"]) == 0
    assert state.stat().st_mtime_ns == written
