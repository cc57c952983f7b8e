"""The trial as a command: from data to table, and on after a kill."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
import torch

from stc.cli import run
from stc.errors import InputError
from stc.model import checkpoint
from stc.model.config import R50, STC_LITE_2
from stc.model.network import STC
from stc.training.ablation.__main__ import main
from stc.training.ablation.cache import load_located
from stc.training.ablation.material import Data
from stc.training.ablation.results import check_plan, read_results, write_results
from stc.training.data.annotations import Source
from tests.training.conftest import CATEGORIES, SIZE, blob, draw, encode


def write_pictures(folder: Path) -> Source:
    """Two pictures to train on; to judge on three with an object each and one without."""
    images, annotations = [], []
    for number, split in enumerate(["train", "train", "val", "val", "val", "val"]):
        file = f"{number}.png"
        images.append({"id": number, "file_name": file, "height": SIZE[0], "width": SIZE[1], "split": split})
        masks = [blob("square", 40 + 5 * number, 45, 20)] if number < 5 else []
        draw(folder / file, masks, number)
        entry = {"id": number, "image_id": number, "category_id": 9, "iscrowd": 0}
        annotations += [entry | {"segmentation": encode(mask)} for mask in masks]
    content = {"categories": CATEGORIES, "images": images, "annotations": annotations}
    (folder / "annotations.json").write_text(json.dumps(content))
    return Source(folder / "annotations.json", folder)


def command(source: Source, weights: Path, output: Path, **options: int) -> list[str]:
    chosen = {"seeds": 1, "pairs": 8, "steps": 1, "crossover_steps": 1, "scenes": 1} | options
    files = ["--ckpt", weights, "--data", source.annotations, "--frames", source.frames, "-o", output]
    flags = [part for name, value in chosen.items() for part in (f"--{name.replace('_', '-')}", value)]
    return [str(part) for part in (*files, *flags)]


def weights_of(config: object, path: Path) -> Path:
    torch.manual_seed(0)
    checkpoint.save(STC(config), path)
    return path


@dataclass(frozen=True)
class Trial:
    """A trial of one step, which teaches nothing: it is about the way from data to table."""

    command: list[str]
    output: Path
    shown: str


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    threads = torch.get_num_threads()
    folder = tmp_path_factory.mktemp("trial")
    config = STC_LITE_2.with_(classes=("disc", "square"), input_size=(64, 96))
    weights = weights_of(config, folder / "lite.safetensors")
    argv = command(write_pictures(folder / "pictures"), weights, folder / "out")
    with pytest.MonkeyPatch.context() as patch:
        for module in ("stc.benchmarks.crossings.scene", "stc.training.ablation.material"):
            patch.setattr(f"{module}.LENGTH", 6)  # frames of a crossing: one comparison
        with redirect_stdout(StringIO()) as shown:
            assert run(main, argv) == 0
        torch.set_num_threads(threads)
        yield Trial(argv, folder / "out", shown.getvalue())


def test_the_trial_says_how_long_it_takes_and_scores_every_variant(trial: Trial) -> None:
    assert "estimate for all of it" in trial.shown
    assert (trial.output / "ablation.md").read_text() in trial.shown
    assert (trial.output / "ablation.png").stat().st_size > 0
    results = read_results(trial.output)
    assert len(results) == 2 + 1 + 6 + 2  # untrained, and one seed of each variant
    assert all(0 <= share <= 1 for result in results for share in result.scores.values())


def test_the_trial_goes_on_after_a_kill_as_if_there_had_been_none(trial: Trial) -> None:
    results = read_results(trial.output)
    lost = trial.output / "cache" / "pairs" / "00004.pt"
    before = load_located(lost)[0].patches.values
    lost.unlink()
    write_results(trial.output, results[:-1])
    assert run(main, trial.command) == 0
    assert read_results(trial.output) == results
    assert torch.equal(load_located(lost)[0].patches.values, before)


def test_runs_of_another_length_or_data_are_not_mixed_in(tmp_path: Path) -> None:
    check_plan(tmp_path, {"data": "a", "steps": 7})
    check_plan(tmp_path, {"data": "a", "steps": 7})
    with pytest.raises(InputError, match="holds a trial with another steps; choose another --output"):
        check_plan(tmp_path, {"data": "a", "steps": 8})


@pytest.fixture
def pictures(tmp_path: Path) -> Source:
    return write_pictures(tmp_path / "pictures")


def test_what_is_judged_on_was_not_trained_on(pictures: Source, clips: Source) -> None:
    data = Data.read([pictures, clips], ["secret"], "train")
    assert [clip.name for clip in data.train.clips] == ["0.png", "1.png", "moving"]
    assert [clip.name for clip in data.judged.clips] == ["2.png", "3.png", "4.png", "5.png", "secret"]


def test_data_without_anything_to_judge_on_is_refused(
    clips: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = weights_of(STC_LITE_2.with_(input_size=(64, 96)), tmp_path / "lite.safetensors")
    assert run(main, command(clips, weights, tmp_path / "out")) == 1
    assert "nothing to judge on" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--seeds", "0"], "must be 1 or more"),
        (["--pairs", "4"], "--pairs 8 or more"),
        (["--partial", "other.json"], "--partial other.json: is none of the --data files"),
        (["--ckpt", "absent.safetensors"], "--ckpt absent.safetensors: no such file"),
    ],
)
def test_wrong_usage_is_one_line_and_leaves_nothing(
    tmp_path: Path, clips: Source, capsys: pytest.CaptureFixture[str], extra: list[str], message: str
) -> None:
    weights = clips.annotations  # any file: nothing is read
    assert run(main, [*command(clips, weights, tmp_path / "out"), *extra]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_model_of_other_classes_is_refused(
    tmp_path: Path, pictures: Source, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = weights_of(STC_LITE_2.with_(input_size=(64, 96)), tmp_path / "lite.safetensors")
    assert run(main, command(pictures, weights, tmp_path / "out")) == 1
    assert "the model knows person, animal, vehicle, the data disc, square" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_model_of_group_norms_is_refused(
    tmp_path: Path, pictures: Source, capsys: pytest.CaptureFixture[str]
) -> None:
    small = R50.with_(classes=("disc", "square"), fpn_channels=32, input_size=(64, 96))
    weights = weights_of(small, tmp_path / "r50.safetensors")
    assert run(main, command(pictures, weights, tmp_path / "out")) == 1
    assert "group norms" in capsys.readouterr().err
