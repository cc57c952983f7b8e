"""`stc-bench --data`: a model that loses against ground truth fails, with what it lost, however well it agrees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from stc.benchmarks.main import main
from stc.cli import run
from stc.runtime import Result, Stream
from tests.benchmarks.evaluation import scenes
from tests.runtime import tiny_model

FRAMES, SIZE = 5, (60, 96)


@pytest.fixture
def data(tmp_path: Path) -> list[str]:
    """A clip of one cat, and the options that name it."""
    boxes = [(8 + 2 * t, 8, 32, 32) for t in range(FRAMES)]
    (tmp_path / "frames" / "v1").mkdir(parents=True)
    for t, (x, y, w, h) in enumerate(boxes):
        cv2.imwrite(str(tmp_path / "frames" / "v1" / f"{t:05d}.png"), tiny_model.frame((0, (x, y, x + w, y + h))))
    truth = scenes.annotations(SIZE, [FRAMES], [{"boxes": boxes}], ("cat", "dog"))
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    return ["--data", str(tmp_path / "truth.json"), "--data-frames", str(tmp_path / "frames")]


def test_a_model_that_scores_as_float32_does_passes(proven_bundle: Path, data: list[str], tmp_path: Path) -> None:
    report = tmp_path / "bench.json"
    assert run(main, [str(proven_bundle), "--frames", "4", "--json", str(report), *data]) == 0
    truth = json.loads(report.read_text())["ground_truth"]
    assert (truth["verdict"], truth["data"]) == ("pass", "1 clips in truth.json")
    assert [(one["measure"], one["loss"]["value"]) for one in truth["losses"]] == [
        *(("J", 0), ("recall", 0), ("cover changes", 0), ("AP", 0))
    ]
    assert truth["losses"][0]["value"] > 0.5


def test_one_that_loses_objects_fails_with_3_in_every_form_of_the_report(
    proven_bundle: Path,
    data: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of the annotated clip alone the model under test is shown grey pictures: its reference frames are as ever."""
    call = Stream.__call__

    def blind(self: Stream, frame: np.ndarray, *more: Any) -> Result:
        measured = self.name == "v1" and not tested
        return call(self, np.full_like(frame, 77) if measured else frame, *more)

    from stc.benchmarks.evaluation.annotated import Annotated

    tested: list[int] = []
    score = Annotated.score

    def first_is_blind(self: Annotated, *arguments: Any) -> Any:
        found = score(self, *arguments)
        tested.append(1)
        return found

    monkeypatch.setattr(Stream, "__call__", blind)
    monkeypatch.setattr(Annotated, "score", first_is_blind)
    report, page = tmp_path / "bench.json", tmp_path / "bench.html"
    outputs = ["--json", str(report), "--html", str(page)]
    assert run(main, [str(proven_bundle), "--frames", "4", *outputs, *data]) == 3
    values = json.loads(report.read_text())
    assert (values["verdict"], values["ground_truth"]["verdict"]) == ("fail", "fail")
    assert any(text.startswith("ground truth: recall 0.0000, float32 1.0000") for text in values["failures"])
    for text in (capsys.readouterr().out, page.read_text()):
        assert "ground truth of 1 clips in truth.json: J 0.0000" in text


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (slice(0, 2), "--data needs the pictures: add --data-frames DIR"),
        (slice(2, 4), "--data-frames: of annotations, and there are none: add --data JSON"),
    ],
)
def test_half_of_the_options_is_refused(
    proven_bundle: Path, data: list[str], given: slice, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(main, [str(proven_bundle), *data[given]]) == 1
    assert message in capsys.readouterr().err


def test_a_model_of_other_classes_is_refused_before_the_work(
    proven_bundle: Path, data: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = json.loads((tmp_path / "truth.json").read_text())
    truth["categories"] = [{"id": 1, "name": "bird"}, {"id": 2, "name": "fish"}]
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    assert run(main, [str(proven_bundle), *data]) == 1
    assert "no class in common" in capsys.readouterr().err
