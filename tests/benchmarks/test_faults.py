"""Planted faults: each is one that a deployment really has, and stc-bench must not call it a pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from stc.benchmarks.main import main
from stc.benchmarks.timing import scenarios
from stc.cli import run
from stc.errors import IncompatibleError
from stc.runtime import Session
from stc.runtime.masks.native import NativeComposer
from stc.runtime.stream import Stream

Outputs = dict[str, np.ndarray]


def bench(bundle: Path, folder: Path, *more: str) -> tuple[int, dict[str, Any]]:
    report = folder / "bench.json"
    code = run(main, [str(bundle), "--frames", "2", "--json", str(report), *more])
    return code, json.loads(report.read_text())


def plant(monkeypatch: pytest.MonkeyPatch, fault: Callable[[Outputs], Outputs]) -> None:
    """Into what the model gives, behind the engine."""
    infer = Session.infer
    monkeypatch.setattr(Session, "infer", lambda self, inputs, timings=None: fault(infer(self, inputs, timings)))


def swapped(outputs: Outputs) -> Outputs:
    return outputs | {"boxes": outputs["boxes"][..., [1, 0, 3, 2]]}


def transposed_masks(outputs: Outputs) -> Outputs:
    masks = outputs["masks"]
    turned = np.zeros_like(masks)
    side = min(masks.shape[2:])
    turned[..., :side, :side] = masks[..., :side, :side].swapaxes(2, 3)
    return outputs | {"masks": turned}


def shifted_masks(outputs: Outputs) -> Outputs:
    """By one cell, as a wrong padding in a resize does."""
    return outputs | {"masks": np.roll(outputs["masks"], 1, axis=3)}


def overflow(outputs: Outputs) -> Outputs:
    """float16 ends at 65504; what comes after is infinite, and infinity minus infinity is no number."""
    embeddings = outputs["embeddings"].copy()
    embeddings[0, 0, 0] = np.inf  # what float16 makes of 1e5
    return outputs | {"embeddings": embeddings}


def without_dogs(outputs: Outputs) -> Outputs:
    keep = np.flatnonzero(outputs["labels"][0] == 0)
    rest = np.setdiff1d(np.arange(outputs["labels"].shape[1]), keep)
    order = np.concatenate([keep, rest])
    changed = {name: value[:, order] for name, value in outputs.items() if name != "num_detections"}
    count = np.minimum(outputs["num_detections"], len(keep)).astype(np.int32)
    return changed | {"num_detections": count}


@pytest.mark.parametrize(
    ("fault", "value", "stage"),
    [
        (swapped, "detections_", "detections"),
        (transposed_masks, "masks_max", "masks"),
        (shifted_masks, "masks_max", "masks"),
        (overflow, "not_finite", "numbers"),
        (without_dogs, "detections_", "detections"),
    ],
)
def test_a_model_that_gives_something_else_fails_and_the_stage_is_named(
    fault: Callable[[Outputs], Outputs],
    value: str,
    stage: str,
    proven_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert bench(proven_bundle, tmp_path)[0] == 0
    plant(monkeypatch, fault)
    code, report = bench(proven_bundle, tmp_path)
    assert code == 3
    assert any(failure.startswith(value) for failure in report["failures"])
    assert report["proof"]["first_divergence"] == stage


def test_masks_at_frame_size_that_are_one_pixel_off_fail(
    proven_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model's own output is right: only the way to the frame's pixels is wrong."""
    dense = NativeComposer.dense
    monkeypatch.setattr(NativeComposer, "dense", lambda self, p, _=None: np.roll(dense(self, p), 1, axis=2))
    code, report = bench(proven_bundle, tmp_path)
    assert code == 3
    assert [failure.partition(" ")[0] for failure in report["failures"]] == ["frame_masks_off"]
    assert report["proof"]["frame_masks_off"] > 0.3
    assert report["proof"]["first_divergence"] == "masks at frame size"


def test_shuffled_ids_fail(proven_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish, rng = Stream.finish, np.random.default_rng(0)

    def shuffled(self: Stream, *arguments: Any) -> Any:
        result = finish(self, *arguments)
        return replace(result, handles=rng.permutation(result.handles))

    monkeypatch.setattr(Stream, "finish", shuffled)
    code, report = bench(proven_bundle, tmp_path)
    assert code == 3
    assert [failure.partition(" ")[0] for failure in report["failures"]] == ["ids_equal"]
    assert report["proof"]["id_switches"] > 0
    assert report["proof"]["idf1"] < 1


@pytest.mark.parametrize(("forgotten", "told"), [(None, False), ("track", True), ("masks", True)])
def test_a_stage_left_out_of_the_sum_is_told(
    forgotten: str | None, told: bool, proven_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On times that are written down, not taken: the sum of real ones depends on who else runs here."""
    seconds = {"preprocess": 0.1, "engine": 0.6, "mask_head": 0.2, "track": 0.2, "masks": 0.09, "end_to_end": 1.0}
    kept = {name: value for name, value in seconds.items() if name != forgotten}
    monkeypatch.setattr(scenarios, "timed", lambda *_: (3, dict(kept)))
    _, report = bench(proven_bundle, tmp_path)
    assert report["unaccounted"] == pytest.approx(0.01 + seconds.get(forgotten or "", 0.0))
    assert any("do not add up" in caution for caution in report["cautions"]) is told


def test_a_camera_that_is_too_fast_is_told(proven_bundle: Path, tmp_path: Path) -> None:
    _, report = bench(proven_bundle, tmp_path, "--scenario", "paced", "--fps", "1000000")
    assert report["dropped"] > 0
    assert report["late"] > 0
    assert any("falls behind a camera of 1e+06 FPS" in caution for caution in report["cautions"])
    assert report["scenario"]["fps"] == 1e6


def test_a_provider_may_not_fall_back_in_a_run(proven_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime's Python session otherwise catches a failing GPU and goes on with the CPU."""
    forbidden: list[Any] = []
    monkeypatch.setattr(onnxruntime.InferenceSession, "disable_fallback", lambda *session: forbidden.extend(session))
    with Session(proven_bundle) as session:
        assert len(forbidden) == 1
        assert session.engine.endswith("CPUExecutionProvider")


def test_a_provider_that_fell_back_is_not_measured(proven_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    real = onnxruntime.InferenceSession
    available = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: available)
    monkeypatch.setattr(
        onnxruntime,
        "InferenceSession",
        lambda model, options, providers: real(model, options, ["CPUExecutionProvider"]),
    )
    with pytest.raises(
        IncompatibleError, match="asked ONNX Runtime for CUDAExecutionProvider, got CPUExecutionProvider"
    ):
        Session(proven_bundle, device="cuda")
