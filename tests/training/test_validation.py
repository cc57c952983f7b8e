"""Scores of a training on data it does not see, and the weights that scored best."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from stc.errors import InputError
from stc.model.checkpoint import save
from stc.model.config import STC_LITE
from stc.training.main import main
from stc.training.run_folder import BEST, EMA, VALIDATION
from stc.training.validation import Validation, read_scores
from tests.seeded import stc_lite_model
from tests.training.conftest import SIZE, Source, blob, encode

CLASSES = ("disc", "square", "other")
MODEL = STC_LITE.with_(input_size=(64, 96), classes=CLASSES)


@pytest.fixture
def truth(stills: Source) -> Path:
    """Ground truth of the stills that is the whole picture, so that even seeded weights find some of it."""
    data = json.loads(stills.annotations.read_text())
    everything = encode(blob("square", 64, 48, 60) | blob("disc", 64, 48, 200))
    data["categories"] = [{"id": i, "name": name} for i, name in enumerate(CLASSES, 1)]
    data["annotations"] = [
        {"id": 3 * image + label, "image_id": image, "category_id": label, "iscrowd": 0, "segmentation": everything}
        for image in range(3)
        for label in (1, 2, 3)
    ]
    path = stills.frames / "truth.json"
    path.write_text(json.dumps(data))
    assert (data["images"][0]["height"], data["images"][0]["width"]) == SIZE
    return path


@pytest.mark.slow
def test_the_weights_of_the_highest_ap_are_kept_and_a_run_that_went_back_scores_again(
    stills: Source, truth: Path, tmp_path: Path
) -> None:
    validation = Validation.read(truth, stills.frames, None, 10, CLASSES)
    files = {}
    for step, seed in ((10, 0), (20, 1), (30, 2)):
        save(stc_lite_model(seed, MODEL, class_bias=-4.0), tmp_path / EMA)
        files[step] = (tmp_path / EMA).read_bytes()
        scores = validation.score(tmp_path, step)
        assert scores["recall"] > 0
    rows = read_scores(tmp_path)
    assert [row["step"] for row in rows] == [10, 20, 30]
    best = max(rows, key=lambda row: row["AP"])
    assert (tmp_path / BEST).read_bytes() == files[int(best["step"])]
    validation.score(tmp_path, 20)  # the run was continued from before step 20, now with the weights of seed 2
    again = read_scores(tmp_path)
    assert [row["step"] for row in again] == [10, 20]
    assert {**again[1], "step": 30.0} == pytest.approx(rows[2], nan_ok=True)


def test_scores_are_due_every_so_many_steps_and_at_the_end(stills: Source, truth: Path) -> None:
    validation = Validation.read(truth, stills.frames, None, 10, CLASSES)
    assert [step for step in range(1, 26) if validation.due(step, step / 25)] == [10, 20, 25]


def test_data_without_a_common_class_is_refused_before_the_training(stills: Source, truth: Path) -> None:
    with pytest.raises(InputError, match="no class in common"):
        Validation.read(truth, stills.frames, None, 10, ("fish",))


def test_a_damaged_table_of_scores_is_named(tmp_path: Path) -> None:
    (tmp_path / VALIDATION).write_text("step,AP\n1,much\n")
    with pytest.raises(InputError, match=r"damaged .* move it away"):
        read_scores(tmp_path)


@pytest.mark.slow
def test_a_run_shows_its_scores_and_writes_the_curves_that_its_log_has(
    stills: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "run"
    arguments = ["--data", str(stills.annotations), "--frames", str(stills.frames), "--output", str(output)]
    arguments += ["--size", "64x96", "--steps", "3", "--set", "batch_pairs=1"]
    arguments += ["--validate", str(stills.annotations), "--validate-frames", str(stills.frames)]
    assert main([*arguments, "--validate-split", "val", "--validate-every", "2"]) == 0
    assert [row["step"] for row in read_scores(output)] == [2, 3]
    assert "step 3: AP 0.000, AP50 0.000" in capsys.readouterr().err
    curves = EventAccumulator(str(output / "tensorboard"))
    curves.Reload()
    with (output / "log.csv").open(newline="") as handle:
        logged = [float(row["total"]) for row in csv.DictReader(handle)]
    shown = [event.value for event in curves.Scalars("loss/total")]
    assert shown == pytest.approx(logged, rel=1e-4)  # the log has five digits
    assert [event.step for event in curves.Scalars("validation/AP")] == [2, 3]
