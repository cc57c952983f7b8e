"""The loop: a resumed run equals an uninterrupted one, terms without objects stay differentiable, a model learns."""

from __future__ import annotations

import csv
import threading
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stc.annotations.scenes import tight_boxes
from stc.errors import CheckpointError, InputError, StcError
from stc.model.checkpoint import load
from stc.model.config import STC_LITE
from stc.model.network import STC, STCDeploy
from stc.model.nms import pairwise_iou
from stc.model.normalise import normalise
from stc.training.config import TrainConfig
from stc.training.data.annotations import Dataset
from stc.training.data.geometry import letterbox
from stc.training.data.index import read_all
from stc.training.data.pairs import PairSource
from stc.training.data.views import PictureCache, View, render
from stc.training.loop import StepReport, step_once, train
from stc.training.losses.targets import Batch, collate
from stc.training.losses.total import Losses, compute_losses
from stc.training.optimisation import mixed_precision, set_learning_rate, train_mode
from stc.training.state import Length, Run, load_run, new_run, save_run
from tests.training.conftest import Source
from tests.training.losses.batches import MODEL as SMALL_MODEL
from tests.training.losses.batches import pair_batch

MODEL = STC_LITE.with_(input_size=(128, 192), classes=("disc", "square"))
CONFIG = TrainConfig(batch_pairs=1, warmup_steps=4)


def _run(config: TrainConfig = CONFIG, steps: int = 5) -> Run:
    torch.manual_seed(0)
    return new_run(STC(MODEL), config, Length(steps=steps))


def _source(stills: Source, config: TrainConfig = CONFIG) -> PairSource:
    return PairSource(_dataset(stills), MODEL, config)


def _dataset(stills: Source) -> Dataset:
    return read_all([stills], split="train")


def _train(run: Run, source: PairSource, folder: Path, pause_at: int | None = None) -> list[float]:
    """The total losses of the steps taken; stops after step `pause_at` as a signal would."""
    losses: list[float] = []
    stop = threading.Event()

    def report(step: StepReport) -> None:
        losses.append(step.losses["total"])
        if step.step == pause_at:
            stop.set()

    folder.mkdir(exist_ok=True)
    train(run, source, folder, stop.is_set, report)
    return losses


@pytest.mark.slow
def test_a_resumed_run_equals_an_uninterrupted_one(stills: Source, tmp_path: Path) -> None:
    """Same pictures, samples and optimiser state: the same losses, bit for bit on one machine and thread count."""
    straight = _train(_run(), _source(stills), tmp_path / "one")
    folder = tmp_path / "two"
    first = _train(_run(), _source(stills), folder, pause_at=2)
    resumed = load_run(folder)
    assert resumed.config == CONFIG
    assert resumed.length == Length(steps=5)
    assert resumed.step == 2
    assert resumed.elapsed > 0
    second = _train(resumed, _source(stills), folder)
    assert first + second == straight
    with (folder / "log.csv").open() as handle:
        assert [int(row["step"]) for row in csv.DictReader(handle)] == [1, 2, 3, 4, 5]
    ours, theirs = (load(tmp_path / name / "ema.safetensors").model.state_dict() for name in ("one", "two"))
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_log_drops_rows_after_the_saved_state(stills: Source, tmp_path: Path) -> None:
    _train(_run(steps=2), _source(stills), tmp_path / "run")
    saved = (tmp_path / "run" / "last.pt").read_bytes()
    longer = load_run(tmp_path / "run")
    longer.length = Length(steps=3)
    _train(longer, _source(stills), tmp_path / "run")
    (tmp_path / "run" / "last.pt").write_bytes(saved)  # as if killed before the state of step 3 was saved
    again = load_run(tmp_path / "run")
    again.length = Length(steps=4)
    _train(again, _source(stills), tmp_path / "run")
    with (tmp_path / "run" / "log.csv").open() as handle:
        assert [int(row["step"]) for row in csv.DictReader(handle)] == [1, 2, 3, 4]


def test_resume_refuses_other_data_other_versions_and_damaged_states(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to resume"):
        load_run(tmp_path)
    run = _run()
    run.data = "these"
    save_run(run, tmp_path)
    with pytest.raises(InputError, match="trained on other data"):
        load_run(tmp_path, "those")
    path = tmp_path / "last.pt"
    state = torch.load(path, weights_only=True)
    state["config"]["training"]["momentum"] = 0.9
    torch.save(state, path)
    with pytest.raises(InputError, match=r"settings of another version.*momentum"):
        load_run(tmp_path, "these")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CheckpointError, match="damaged"):
        load_run(tmp_path, "these")


def test_a_batch_without_objects_gives_finite_losses_and_gradients() -> None:
    size = MODEL.input_size
    nothing = np.zeros(0)
    view = View(
        np.zeros((*size, 3), np.uint8),
        np.zeros((0, *size), bool),
        nothing.astype(np.int64),
        nothing.astype(np.int64),
        nothing,
        np.zeros(size, bool),
    )
    batch = collate([(view, view)], MODEL, CONFIG)
    run = _run()
    train_mode(run.model, CONFIG)
    raw = run.model(normalise(batch.frames, MODEL))
    losses = compute_losses(raw, batch, MODEL, CONFIG, torch.Generator().manual_seed(0))
    losses.total.backward()
    assert losses.positives == 0
    assert losses.cls > 0
    assert losses.box == losses.centerness == losses.mask == losses.contrast == losses.cosine == losses.consistency == 0
    for name, parameter in run.model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


def test_unknown_area_has_no_influence_on_the_class_loss(stills: Source) -> None:
    batch = collate(_source(stills).batch(0), MODEL, CONFIG)
    known = torch.zeros_like(batch.known) | (batch.instance >= 0)
    logits = [torch.zeros(2, 2, -(-128 // s), -(-192 // s), requires_grad=True) for s in MODEL.strides]
    run = _run()
    raw = replace(run.model(normalise(batch.frames, MODEL)), logits=logits)
    losses = compute_losses(raw, replace(batch, known=known), MODEL, CONFIG, torch.Generator().manual_seed(0))
    losses.cls.backward()
    gradient = torch.cat([level.grad.flatten(2) for level in logits if level.grad is not None], dim=2).abs().sum(1)
    assert (gradient[~known] == 0).all()
    assert (gradient[known] > 0).all()


def test_a_loss_that_is_not_finite_ends_the_run(stills: Source) -> None:
    run = _run()
    torch.nn.init.constant_(run.model.mask_branch.pred.weight, float("nan"))
    with pytest.raises(StcError, match="the loss became nan at step 0"):
        step_once(run, collate(_source(stills).batch(0), MODEL, CONFIG))


def test_early_layers_and_backbone_statistics_stay(stills: Source) -> None:
    run = _run()
    before = {key: value.clone() for key, value in run.model.state_dict().items()}
    train_mode(run.model, CONFIG)
    for step in range(2):
        step_once(run, collate(_source(stills).batch(step), MODEL, CONFIG))
        run.step += 1
    changed = {key for key, value in run.model.state_dict().items() if not torch.equal(value, before[key])}
    assert not any(key.startswith(("backbone.stem", "backbone.blocks.2.")) for key in changed)
    assert not any(key.startswith("backbone") and "running" in key for key in changed)
    assert "backbone.blocks.3.expand.conv.weight" in changed
    assert "backbone.blocks.3.expand.bn.weight" in changed
    assert "mask_branch.refine.0.bn.running_mean" in changed
    # The average follows, statistics included.
    average, norm = run.average.model.state_dict(), "mask_branch.refine.0.bn"
    assert not torch.equal(average[f"{norm}.running_mean"], before[f"{norm}.running_mean"])
    assert int(average[f"{norm}.num_batches_tracked"]) == 2


def test_every_parameter_that_trains_is_in_one_group() -> None:
    run = _run()
    grouped = [p for group in run.optimiser.param_groups for p in group["params"]]
    trained = [p for p in run.model.parameters() if p.requires_grad]
    assert len(grouped) == len(trained)
    assert {id(p) for p in grouped} == {id(p) for p in trained}
    assert all(group["weight_decay"] == 0 for group in run.optimiser.param_groups if group["params"][0].ndim == 1)


def test_learning_rate_warms_up_and_falls_to_its_final_share() -> None:
    run = _run()
    config = replace(CONFIG, warmup_steps=10, final_lr=0.01)
    assert set_learning_rate(run.optimiser, 0, 0.0, config) == pytest.approx(0.1)
    assert set_learning_rate(run.optimiser, 9, 0.0, config) == pytest.approx(1.0)
    assert set_learning_rate(run.optimiser, 99, 0.5, config) == pytest.approx(0.505)
    assert set_learning_rate(run.optimiser, 99, 1.0, config) == pytest.approx(0.01)
    rates = sorted({group["lr"] for group in run.optimiser.param_groups})
    assert rates == pytest.approx([config.backbone_lr * 0.01, config.lr * 0.01])


def test_steps_schedule_falls_twice_and_sgd_takes_the_same_groups() -> None:
    config = replace(CONFIG, optimiser="sgd", schedule="steps", warmup_steps=1, lr=0.005, backbone_lr=0.0005)
    run = _run(config)
    assert isinstance(run.optimiser, torch.optim.SGD)
    factors = [set_learning_rate(run.optimiser, 9, progress, config) for progress in (0.0, 0.64, 0.66, 0.9, 0.92, 1.0)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    assert sorted({group["lr"] for group in run.optimiser.param_groups}) == pytest.approx([5e-6, 5e-5])


def test_mixed_precision_is_for_gpus_only() -> None:
    assert not mixed_precision(torch.device("cpu"), CONFIG)


def test_where_only_tracking_learns_the_detector_stays_to_the_bit(stills: Source, tmp_path: Path) -> None:
    config = replace(CONFIG, learns="tracking")
    run = _run(config, steps=3)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    _train(run, _source(stills, config), tmp_path)
    for after in (run.model.state_dict(), run.average.model.state_dict()):
        changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
        assert {"head.track_pred.weight", "head.track_tower.convs.0.weight"} < changed
        assert all(name.startswith("head.track_") for name in changed)
    assert load_run(tmp_path).step == 3


@pytest.mark.parametrize("setting", [{"views": "independent"}, {"contrast_weight": 0.0, "cosine_weight": 0.0}])
def test_tracking_alone_without_anything_to_learn_from_is_refused(setting: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="learns=tracking: n"):
        TrainConfig(learns="tracking", **setting)  # type: ignore[arg-type]


def test_length_by_minutes_counts_training_time() -> None:
    run = _run()
    run.elapsed = 90.0
    assert Length(minutes=3).progress(run) == 0.5


@pytest.mark.slow
def test_a_model_learns_two_pictures(stills: Source) -> None:
    """From random weights: the loss falls, and at every object the best placed detection's mask fits."""
    config = replace(CONFIG, warmup_steps=10, backbone_lr=1e-3, plain_share=1.0, ema_decay=0.9, freeze=False)
    config = replace(config, still_share=1.0, composite_share=0.0, motion_scale=0.05, motion_shift=0.02)
    run, source = _run(config), _source(stills, config)
    frame = _dataset(stills).clips[0].frames[0]
    matrix = letterbox(frame.size, MODEL.input_size)
    view = render(frame, matrix, MODEL, False, PictureCache(999, 0), 0.2)
    assert max(_mask_ious(run.model, view)) < 0.3

    train_mode(run.model, config)
    totals = []
    for step in range(100):
        set_learning_rate(run.optimiser, step, step / 100, config)
        losses, _ = step_once(run, collate(source.batch(step), MODEL, config))
        totals.append(losses.total.item())
        run.step += 1
    assert np.mean(totals[-10:]) < 0.5 * np.mean(totals[:10])
    assert min(_mask_ious(run.average.model, view)) > 0.7


@pytest.mark.slow
def test_overfitting_one_pair_drives_every_loss_to_its_minimum() -> None:
    """The whole network on one pair, from random weights. Centerness ends at the entropy of its soft targets, which no
    prediction can beat, where it starts little above; all other terms go from 0.3 or more to 0. 0.02 may be left.
    """
    steps = 80
    config = replace(CONFIG, warmup_steps=10, backbone_lr=1e-3, freeze=False, weight_decay=0.0)
    batch = pair_batch(config)
    torch.manual_seed(0)
    run = new_run(STC(SMALL_MODEL), config, Length(steps=steps))
    train_mode(run.model, config)
    history = []
    for step in range(steps):
        set_learning_rate(run.optimiser, step, step / steps, config)
        history.append(_above_minimum(step_once(run, batch)[0], batch))
        run.step += 1
    assert history[0].pop("centerness") > 0.05
    assert min(history[0].values()) > 0.3
    assert all(-1e-6 < value < 0.02 for value in history[-1].values()), history[-1]


def _above_minimum(losses: Losses, batch: Batch) -> dict[str, float]:
    target = batch.centerness[batch.instance >= 0].double()
    entropy = -(torch.xlogy(target, target) + torch.xlogy(1 - target, 1 - target)).mean()
    names = [f.name for f in fields(losses) if f.name not in {"total", "positives"}]
    found = {name: float(getattr(losses, name).detach()) for name in names}
    return {**found, "centerness": found["centerness"] - float(entropy)}


def _mask_ious(model: STC, view: View) -> list[float]:
    """Of every object, the mask IoU of the detection whose box overlaps it best; 0 without detections."""
    with torch.inference_mode():
        found = STCDeploy(model.eval())(torch.from_numpy(view.picture)[None])
    count = int(found["num_detections"][0])
    boxes = torch.cat([torch.from_numpy(tight_boxes(view.masks)), found["boxes"][0, :count]])
    overlaps = pairwise_iou(boxes[None])[0, : len(view.masks), len(view.masks) :]
    ious = []
    for mask, row in zip(view.masks, overlaps, strict=True):
        predicted = found["masks"][0, int(row.argmax())] > 0.5 if count else torch.zeros(1, dtype=torch.bool)
        small = torch.from_numpy(mask[2::4, 2::4])
        ious.append(float((small & predicted).sum() / (small | predicted).sum()))
    return ious


def test_accumulated_batches_step_as_their_mean_would(stills: Source) -> None:
    """Plain SGD, so that the step is the gradient: that of two batches is the mean of theirs, to float32's rounding."""
    config = replace(CONFIG, optimiser="sgd", clip_norm=1e9, ema_decay=0.0, max_masks=10_000, consistency="none")
    config = replace(config, contrast_weight=0.0, cosine_weight=0.0)  # nothing is sampled
    batches = [collate(_source(stills).batch(step), MODEL, config) for step in (0, 1)]

    def gradients(*used: Batch) -> dict[str, torch.Tensor]:
        run = _run(config)
        run.model.eval()  # batch norms that depend on nothing but the picture
        step_once(run, *used)
        return {name: p.grad.clone() for name, p in run.model.named_parameters() if p.grad is not None}

    both, one, two = gradients(*batches), gradients(batches[0]), gradients(batches[1])
    for name in ("head.cls_logits.weight", "head.bbox_pred.weight", "fpn.lateral.0.weight"):
        torch.testing.assert_close(both[name], (one[name] + two[name]) / 2, rtol=1e-3, atol=1e-6)
