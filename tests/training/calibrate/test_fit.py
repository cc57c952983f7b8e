"""Calibrated scores: known distortions are undone, and the command ships what it says."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from stc.cli import run
from stc.errors import InputError
from stc.model import checkpoint
from stc.training.calibrate import sample as calibration_sample
from stc.training.calibrate.__main__ import main
from stc.training.calibrate.fit import UNCHANGED, Calibration, Sample, apply, error, fit, held_out
from stc.training.data.annotations import Source
from stc.training.data.index import read_all
from stc.training.data.views import View
from tests.training.conftest import encode

ROOT = Path(__file__).parents[3]
WEIGHTS = ROOT / "assets/stc-lite-2.safetensors"
TRUE = Calibration(2.0, -1.0, 0.5, 0.7)


def sample(count: int, truth: Calibration = TRUE, pictures: int = 50) -> Sample:
    """Detections that are right exactly as often as `truth` says."""
    rng = np.random.default_rng(0)
    logits, centerness = torch.from_numpy(rng.normal(0, 2, (2, count)))
    picture = torch.from_numpy(rng.integers(0, pictures, count))
    drawn = Sample(logits, centerness, torch.zeros(count, dtype=torch.bool), picture)
    right = torch.from_numpy(rng.random(count) < truth.scores(drawn))
    return Sample(logits, centerness, right, picture)


def test_unchanged_scores_are_the_square_root_of_class_times_centerness() -> None:
    one = Sample(torch.tensor([0.3]), torch.tensor([-0.8]), torch.tensor([True]), torch.tensor([0]))
    expected = np.sqrt(1 / (1 + np.exp(-0.3)) / (1 + np.exp(0.8)))
    assert UNCHANGED.scores(one)[0] == pytest.approx(expected, abs=1e-7)


def test_the_fit_finds_what_made_the_data() -> None:
    """Compared as scores: scale and shift of the two factors can make up for each other in part."""
    drawn = sample(20_000)
    found = fit(drawn)
    # The standard error of a share of 20,000 is 0.0035 at most; four parameters fit it everywhere.
    assert np.abs(found.scores(drawn) - TRUE.scores(drawn)).max() < 0.06
    assert np.abs(found.scores(drawn) - TRUE.scores(drawn)).mean() < 0.01


def test_calibration_lowers_the_error_on_pictures_left_out_of_the_fit() -> None:
    drawn = sample(5_000, Calibration(4.0, -3.0, 3.0, -1.0))
    right = drawn.right.numpy()
    assert error(held_out(drawn), right) < 0.02
    assert error(UNCHANGED.scores(drawn), right) > 0.1


def test_a_picture_never_takes_part_in_its_own_calibration() -> None:
    """Turning all verdicts of one picture around changes the others' held-out scores, not its own."""
    drawn = sample(400, pictures=5)
    here = drawn.picture == 2
    turned = Sample(drawn.logits, drawn.centerness, drawn.right ^ here, drawn.picture)
    before, after = held_out(drawn), held_out(turned)
    assert (before[here.numpy()] == after[here.numpy()]).all()
    assert (before[~here.numpy()] != after[~here.numpy()]).all()


@pytest.mark.parametrize("right", [True, False])
def test_without_right_and_wrong_ones_there_is_no_fit(right: bool) -> None:
    drawn = sample(10)
    with pytest.raises(InputError, match=f"{10 * right} of 10 detections are right"):
        fit(Sample(drawn.logits, drawn.centerness, torch.full((10,), right), drawn.picture))


def test_the_error_of_hand_made_scores() -> None:
    scores = np.array([0.95, 0.95, 0.05, 0.15])
    # The first tenth lacks 0.05, the second 0.15; in the last 1.9 are expected and 1 is right.
    assert error(scores, np.array([True, False, False, False])) == pytest.approx((0.05 + 0.15 + 0.9) / 4)
    assert error(np.array([1.0]), np.array([True])) == 0


def test_applied_to_a_model_all_else_stays() -> None:
    model = checkpoint.load(WEIGHTS).model
    images = torch.randn(1, 3, 64, 96)
    with torch.inference_mode():
        before = model(images)
        apply(model, TRUE)
        after = model(images)
    for old, new in zip(before.logits, after.logits, strict=True):
        torch.testing.assert_close(new, old * 2.0 - 1.0, atol=1e-5, rtol=1e-5)
    for old, new in zip(before.centerness, after.centerness, strict=True):
        torch.testing.assert_close(new, old * 0.5 + 0.7, atol=1e-5, rtol=1e-5)
    for name in ("ltrb", "params", "embeddings"):
        for old, new in zip(getattr(before, name), getattr(after, name), strict=True):
            assert torch.equal(old, new)


def test_a_detection_is_right_once_per_object_and_unknown_in_a_crowd(monkeypatch: pytest.MonkeyPatch) -> None:
    size = 64, 96
    objects, unknown = np.zeros((1, *size), bool), np.zeros(size, bool)
    objects[0, :32, :32] = True
    unknown[32:, 48:] = True
    masks = np.zeros((5, 16, 24), bool)
    masks[0, :8, :8] = masks[1, :8, :8] = masks[2, :8, :8] = True  # the object three times, …
    masks[3, 8:, 12:] = True  # in the unknown
    masks[4, :8, 12:] = True  # on background
    labels = np.array([1, 1, 0, 1, 1])  # … the third as another class
    numbers = np.arange(5.0)
    found = numbers, 10 + numbers, np.linspace(0.9, 0.5, 5), labels, masks
    monkeypatch.setattr(calibration_sample, "find", lambda *_: found)
    one, none = np.array([1]), np.zeros((*size, 3), np.uint8)
    view = View(none, objects, one, one, np.array([1024.0]), unknown)
    model = checkpoint.load(WEIGHTS).model
    logits, centerness, right = calibration_sample.judge(model, view)
    assert logits.tolist() == [0, 1, 2, 4] and centerness.tolist() == [10, 11, 12, 14]
    assert right.tolist() == [True, False, False, False]


@pytest.fixture
def own_finds(tmp_path: Path) -> Source:
    """Two crops of a photograph, annotated with the best detections of the demo model itself."""
    scene = cv2.imread(str(ROOT / "assets/scene.jpg"))
    model = checkpoint.load(WEIGHTS).model
    size = model.config.input_size
    images, annotations = [], []
    for number in range(2):
        crop = cv2.resize(scene[:, 40 * number :], (size[1], size[0]), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(tmp_path / f"{number}.png"), crop)
        images.append({"id": number, "file_name": f"{number}.png", "height": size[0], "width": size[1]})
    categories = [{"id": i, "name": name} for i, name in enumerate(model.config.classes)]
    data = {"categories": categories, "images": images, "annotations": annotations}
    path = tmp_path / "data.json"
    box = np.zeros(size, bool)
    box[:8, :8] = True
    stub = {"id": 0, "image_id": 0, "category_id": 0, "segmentation": encode(box)}
    path.write_text(json.dumps({**data, "annotations": [stub]}))
    frames = [clip.frames[0] for clip in read_all([Source(path, tmp_path)], split="val").clips]
    for number, view in enumerate(calibration_sample.views(model, frames)):
        _, _, scores, labels, masks = calibration_sample.find(model, view)
        for index in np.flatnonzero(scores > 0.3):
            mask = np.kron(masks[index], np.ones((4, 4), bool))
            if mask.any():
                entry = {"id": len(annotations), "image_id": number, "category_id": int(labels[index])}
                annotations.append({**entry, "segmentation": encode(mask)})
    path.write_text(json.dumps(data))
    return Source(path, tmp_path)


def test_the_command_writes_a_calibrated_model(
    own_finds: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a model that is unsure again: the demo model is calibrated, and what it finds here is right."""
    out, unsure = tmp_path / "calibrated.safetensors", tmp_path / "unsure.safetensors"
    ours = checkpoint.load(WEIGHTS).model
    with torch.no_grad():
        for layer in (ours.head.cls_logits, ours.head.centerness):
            for parameter in layer.parameters():
                parameter.mul_(0.2)
    checkpoint.save(ours, unsure)
    command = ["--data", str(own_finds.annotations), "--frames", str(own_finds.frames), "-o", str(out)]
    assert run(main, ["--ckpt", str(unsure), *command, "--score", "0.2"]) == 0
    printed = capsys.readouterr().out
    assert "detections in 2 pictures" in printed and f"written: {out}" in printed
    dataset = read_all([own_finds], split="val")
    calibration = fit(calibration_sample.detect(ours, dataset))
    apply(ours, calibration)
    saved = checkpoint.load(out).model
    # Stored as float16: eleven bits.
    torch.testing.assert_close(saved.head.cls_logits.weight, ours.head.cls_logits.weight, rtol=1e-3, atol=1e-6)
    assert saved.config == ours.config.with_(score_threshold=pytest.approx(0.04))


@pytest.mark.parametrize("score", ["0", "1", "nan"])
def test_a_score_that_leaves_nothing_or_everything_is_refused(
    score: str, own_finds: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--data", str(own_finds.annotations), "--frames", str(own_finds.frames), "--score", score]
    assert run(main, ["--ckpt", str(WEIGHTS), *command, "-o", str(tmp_path / "o.safetensors")]) == 1
    assert "must be between 0 and 1" in capsys.readouterr().err


def test_scores_that_are_no_square_root_are_refused(
    own_finds: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = checkpoint.load(WEIGHTS).model
    model.config = model.config.with_(score_form="product")
    checkpoint.save(model, tmp_path / "product.safetensors")
    command = ["--data", str(own_finds.annotations), "--frames", str(own_finds.frames), "-o", str(tmp_path / "o.pth")]
    assert run(main, ["--ckpt", str(tmp_path / "product.safetensors"), *command]) == 1
    assert "its scores are class x centerness" in capsys.readouterr().err


def test_another_set_of_classes_is_refused(stills: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--data", str(stills.annotations), "--frames", str(stills.frames), "-o", str(tmp_path / "o.safetensors")]
    assert run(main, ["--ckpt", str(WEIGHTS), *command]) == 1
    assert "the model knows person, animal, vehicle, the data disc, square" in capsys.readouterr().err
    assert not (tmp_path / "o.safetensors").exists()
