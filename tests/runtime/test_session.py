"""Session: what it takes as a model, what it refuses and with which exit code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto

from stc.errors import IncompatibleError, InputError
from stc.runtime import Session, TrackerConfig
from tests.runtime import tiny_model

ONE = tiny_model.frame((0, (8, 12, 40, 44)))


@pytest.fixture
def own_bundle(tmp_path: Path) -> Path:
    return tiny_model.write_bundle(tmp_path / "bundle")


def test_a_bundle_a_file_in_it_and_a_file_alone_are_the_same_model(bundle: Path, tmp_path: Path) -> None:
    alone = tiny_model.write_alone(tmp_path / "alone.onnx")
    for model in (bundle, str(bundle), bundle / "model.onnx", alone):
        session = Session(model, threads=1)
        assert replace(session.passport, files={}) == tiny_model.PASSPORT
        result = session.stream()(ONE)
        assert result.boxes.tolist() == [[8, 12, 40, 44]] and result.track_ids.tolist() == [1]


def _alter_model(bundle: Path) -> None:
    with (bundle / "model.onnx").open("ab") as handle:
        handle.write(b"\0")


def _alter_passport(bundle: Path) -> None:
    text = (bundle / "passport.json").read_text()
    (bundle / "passport.json").write_text(text.replace('"cat"', '"cow"'))


def _add_unlisted(bundle: Path) -> None:
    shutil.copy(bundle / "model.onnx", bundle / "other.onnx")


def _add_plan(bundle: Path) -> None:
    (bundle / "engine.plan").write_bytes(b"plan")


def _drop_model(bundle: Path) -> None:
    (bundle / "model.onnx").unlink()


def _drop_passport(bundle: Path) -> None:
    (bundle / "passport.json").unlink()


def _garble_passport(bundle: Path) -> None:
    (bundle / "passport.json").write_text("{")


def _nothing(bundle: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "model", "exit_code", "message"),
    [
        (_alter_model, ".", 2, "sha256"),
        (_alter_model, "model.onnx", 2, "sha256"),
        (_alter_passport, ".", 2, "digest"),
        (_add_unlisted, "other.onnx", 2, "not listed"),
        (_add_plan, "engine.plan", 2, "not listed in its passport; rebuild it with: stc-export --onnx"),
        (_drop_model, ".", 1, "missing"),
        (_drop_passport, ".", 1, r"no passport\.json"),
        (_drop_passport, "model.onnx", 1, r"no passport\.json beside it and none in its metadata"),
        (_garble_passport, ".", 1, "unreadable"),
        (_nothing, "passport.json", 1, "not a model"),
        (_nothing, "nowhere.onnx", 1, "no such model"),
    ],
)
def test_what_is_not_the_exported_model_is_refused(
    own_bundle: Path, change: Callable[[Path], None], model: str, exit_code: int, message: str
) -> None:
    change(own_bundle)
    with pytest.raises((InputError, IncompatibleError), match=message) as refusal:
        Session(own_bundle / model)
    assert refusal.value.exit_code == exit_code


def test_an_altered_file_is_never_loaded(own_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _alter_model(own_bundle)
    loaded: list[Any] = []
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda *args, **_: loaded.append(args))
    with pytest.raises(IncompatibleError):
        Session(own_bundle)
    assert loaded == []


@pytest.mark.parametrize(
    ("metadata", "error", "message"),
    [
        ("{", InputError, "not JSON"),
        ("[1]", InputError, "not a passport"),
        ('{"schema": 1}', InputError, "not a complete passport"),
        ('{"schema": 99}', IncompatibleError, "passport schema 99"),
    ],
)
def test_a_broken_passport_in_the_metadata_is_refused(
    tmp_path: Path, metadata: str, error: type[Exception], message: str
) -> None:
    built = tiny_model.model()
    onnx.helper.set_model_props(built, {"stc.passport": metadata})
    onnx.save(built, tmp_path / "alone.onnx")
    with pytest.raises(error, match=message):
        Session(tmp_path / "alone.onnx")


def _session_of(folder: Path, built: onnx.ModelProto | None = None, **changes: Any) -> Session:
    """The tiny model with a passport that says something else."""
    return Session(
        tiny_model.write_bundle(folder, replace(tiny_model.PASSPORT, **changes), built or tiny_model.model())
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_size": (64, 96)}, r"input frames: uint8 \(B, 60, 96, 3\) instead of uint8 \(B, 64, 96, 3\)"),
        ({"max_detections": 5}, r"output boxes: float32 \(B, 4, 4\) instead of float32 \(B, 5, 4\)"),
        ({"embedding_dim": 16}, "output embeddings"),
        ({"mask_stride": 8}, r"output masks: float32 \(B, 4, 16, 24\) instead of float32\|float16 \(B, 4, 8, 12\)"),
    ],
)
def test_a_graph_that_is_not_what_the_passport_says_is_incompatible(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(IncompatibleError, match=message):
        _session_of(tmp_path / "b", **changes)


def test_missing_or_misnamed_tensors_are_incompatible(tmp_path: Path) -> None:
    renamed = tiny_model.model()
    for node in renamed.graph.node:
        for names in (node.input, node.output):
            names[:] = ["pictures" if name == "frames" else name for name in names]
    renamed.graph.input[0].name = "pictures"
    with pytest.raises(IncompatibleError, match="input pictures: not in the contract; input frames: missing"):
        _session_of(tmp_path / "a", renamed)
    fewer = tiny_model.model()
    del fewer.graph.output[2]
    with pytest.raises(IncompatibleError, match="output scores: missing"):
        _session_of(tmp_path / "b", fewer)
    retyped = tiny_model.model()
    retyped.graph.node.add(op_type="Cast", input=["count"], output=["wide"]).attribute.add(
        name="to", type=onnx.AttributeProto.INT, i=TensorProto.INT64
    )
    retyped.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("wide", TensorProto.INT64, ["B"]))
    with pytest.raises(IncompatibleError, match="output num_detections: missing"):
        _session_of(tmp_path / "c", retyped)


def test_a_model_without_tracking_head_tracks_by_overlap(tmp_path: Path) -> None:
    passport = replace(tiny_model.PASSPORT, embedding_dim=0)
    stream = Session(tiny_model.write_bundle(tmp_path / "b", passport), threads=1).stream()
    first = stream(tiny_model.frame((0, (8, 8, 40, 40)), (1, (50, 8, 90, 40))))
    second = stream(tiny_model.frame((0, (10, 8, 42, 40)), (1, (48, 8, 88, 40))))
    assert first.embeddings.shape == (2, 0)
    assert first.track_ids.tolist() == second.track_ids.tolist() == [1, 2]


def test_the_score_threshold_can_only_be_raised(bundle: Path) -> None:
    frame = tiny_model.frame(*((slot, (24 * slot, 8, 24 * slot + 16, 40)) for slot in range(4)))
    for threshold, count in ((None, 4), (0.3, 4), (0.55, 3), (0.85, 1), (1.0, 0)):
        assert len(Session(bundle, threads=1, score_threshold=threshold).stream()(frame)) == count
    for threshold in (0.29, -1.0, 1.1, float("nan")):
        with pytest.raises(InputError, match=r"from 0\.3000, which is baked into the model, to 1"):
            Session(bundle, score_threshold=threshold)


def test_classes_can_be_chosen_by_name(bundle: Path) -> None:
    frame = tiny_model.frame(*((slot, (24 * slot, 8, 24 * slot + 16, 40)) for slot in range(4)))
    for classes, labels in (
        (None, [0, 1, 0, 1]),
        (["dog"], [1, 1]),
        ("cat", [0, 0]),
        (iter(["cat", "dog"]), [0, 1, 0, 1]),
    ):
        assert Session(bundle, threads=1, classes=classes).stream()(frame).labels.tolist() == labels
    with pytest.raises(InputError, match="unknown classes cow, horse; this model knows cat, dog"):
        Session(bundle, classes=["horse", "dog", "cow"])


def test_the_tracker_is_the_passport_s_or_the_caller_s(bundle: Path, tmp_path: Path) -> None:
    assert Session(bundle).tracker_config == TrackerConfig(max_age=1.0)
    own = TrackerConfig(rule="crossvis")
    assert Session(bundle, tracker=own).tracker_config == own
    with pytest.raises(IncompatibleError, match="tracker settings that this version of stc does not know"):
        _session_of(tmp_path / "b", tracker={"telepathy": True})


def test_infer_gives_the_raw_outputs_of_a_batch(session: Session) -> None:
    frames = np.stack([ONE, tiny_model.frame(), tiny_model.frame((1, (0, 0, 9, 9)), (3, (20, 20, 30, 30)))])
    outputs = session.infer(frames)
    assert outputs["num_detections"].tolist() == [1, 0, 2]
    assert outputs["labels"].tolist() == [[0, -1, -1, -1], [-1] * 4, [1, 1, -1, -1]]
    assert outputs["masks"].shape == (3, 4, 16, 24)


@pytest.mark.parametrize(
    "inputs",
    [
        np.zeros((1, 60, 95, 3), np.uint8),
        np.zeros((60, 96, 3), np.uint8),
        np.zeros((1, 60, 96, 3), np.float32),
        np.zeros((0, 60, 96, 3), np.uint8),
        [[0]],
    ],
)
def test_infer_refuses_other_pictures(session: Session, inputs: Any) -> None:
    with pytest.raises(InputError, match="this model takes"):
        session.infer(inputs)


def test_a_fixed_batch_size_is_kept(tmp_path: Path) -> None:
    fixed = tiny_model.model()
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    session = _session_of(tmp_path / "b", fixed)
    assert session.infer(ONE[None])["num_detections"].tolist() == [1]
    with pytest.raises(InputError, match="takes 1 pictures at once; got 2"):
        session.infer(np.stack([ONE, ONE]))


def test_streams_of_one_session_run_in_parallel_and_never_mix(session: Session) -> None:
    def follow(slot: int) -> list[tuple[int, int]]:
        stream = session.stream(str(slot))
        frames = [tiny_model.frame((slot, (x, 8, x + 20, 40))) for x in range(40)]
        return [(int(r.labels[0]), int(r.track_ids[0])) for r in (stream(frame) for frame in frames) if len(r)]

    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(follow, (0, 1, 0, 1)))
    assert told == [[(slot, 1)] * 40 for slot in (0, 1, 0, 1)]


def test_the_passport_in_the_metadata_is_complete(tmp_path: Path) -> None:
    metadata = onnx.load(tiny_model.write_alone(tmp_path / "m.onnx")).metadata_props[0]
    assert metadata.key == "stc.passport" and "files" not in json.loads(metadata.value)
