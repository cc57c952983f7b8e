"""A bundle is whole, verified and proven, or it does not exist."""

from __future__ import annotations

import copy
import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import pytest

import stc.export.bundle
import stc.export.folder
from stc.benchmarks import reference
from stc.cli import run
from stc.errors import InputError, OutputError
from stc.export import Export, export
from stc.export.main import main
from stc.export.proof.frames import MIN_FRAMES, default_frames
from stc.model.config import STC_LITE
from stc.model.network import STC
from stc.runtime import Session
from stc.runtime.bundle import passport
from stc.runtime.machine import openvino
from tests.seeded import stc_lite_model

pytestmark = pytest.mark.slow  # one export of stc-lite, about fifteen seconds, serves most of these


def test_bundle_meets_the_fp32_budget(lite_bundle: Export) -> None:
    agreement = lite_bundle.verifications[0].agreement
    assert lite_bundle.verdict == "pass", agreement.failures
    assert agreement.detections >= 20
    assert agreement.tracks >= 2


def test_every_file_is_in_the_passport_and_matches_it(lite_bundle: Export) -> None:
    found = passport.read(lite_bundle.path)
    assert set(found.files) == {"model.onnx", "model-cut.onnx", "reference.npz"}
    for name in found.files:
        passport.verify_file(found, lite_bundle.path / name)


def test_onnx_carries_the_op_its_body_and_the_passport(lite_bundle: Export) -> None:
    model = onnx.load(lite_bundle.path / "model.onnx")
    assert [(n.domain, n.op_type) for n in model.graph.node if n.domain] == [("stc", "DynamicMaskHead")]
    assert [(f.domain, f.name) for f in model.functions] == [("stc", "DynamicMaskHead")]
    properties = {p.key: p.value for p in model.metadata_props}
    assert json.loads(properties["stc.passport"]) == json.loads(json.dumps(lite_bundle.passport.metadata()))


def test_graph_has_no_operator_that_depends_on_the_data_or_that_tensorrt_rejects(lite_bundle: Export) -> None:
    model = onnx.load(lite_bundle.path / "model.onnx")
    operators = {n.op_type for n in model.graph.node}
    assert not operators & {"NonMaxSuppression", "NonZero", "Loop", "If", "Unique", "Compress"}


def test_graph_keeps_the_contract(lite_bundle: Export) -> None:
    model = onnx.load(lite_bundle.path / "model.onnx")
    k, (height, width) = STC_LITE.max_detections, STC_LITE.padded_size
    expected = {
        "frames": (onnx.TensorProto.UINT8, [1, *STC_LITE.input_size, 3]),
        "num_detections": (onnx.TensorProto.INT32, [1]),
        "boxes": (onnx.TensorProto.FLOAT, [1, k, 4]),
        "scores": (onnx.TensorProto.FLOAT, [1, k]),
        "labels": (onnx.TensorProto.INT32, [1, k]),
        "masks": (onnx.TensorProto.FLOAT, [1, k, height // 4, width // 4]),
        "embeddings": (onnx.TensorProto.FLOAT, [1, k, STC_LITE.track_dim]),
    }
    found = {
        value.name: (value.type.tensor_type.elem_type, [d.dim_value for d in value.type.tensor_type.shape.dim])
        for value in [*model.graph.input, *model.graph.output]
    }
    assert found == expected


def test_report_says_what_was_compared_and_that_there_is_no_engine(lite_bundle: Export) -> None:
    report = json.loads((lite_bundle.path / "export-report.json").read_text())
    assert report["verifications"][0]["agreement"]["verdict"] == "pass"
    assert [stage["name"] for stage in report["verifications"][0]["stages"]][:4] == ["images", "c3", "c4", "c5"]
    assert "no TensorRT engine" in report["engine"]
    page = (lite_bundle.path / "export-report.html").read_text()
    assert "no TensorRT engine" in page
    assert lite_bundle.passport.checkpoint["sha256"] in page


def test_runtime_finds_what_pytorch_found(lite_bundle: Export) -> None:
    expected = reference.read(lite_bundle.path / reference.FILE_NAME)
    outputs = reference.valid_rows(Session(lite_bundle.path).infer(expected.frames[:1]))
    np.testing.assert_allclose(outputs.scores, expected.outputs[0].scores, atol=1e-4)
    np.testing.assert_array_equal(outputs.labels, expected.outputs[0].labels)


def test_both_engines_find_the_same_without_the_onnx_package(
    lite_bundle: Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graph without the mask head stands beside the whole. Two engines add a network's numbers in another order:
    float32 keeps about six digits of what is up to a few hundred (pixels), or up to one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    frames = reference.read(lite_bundle.path / reference.FILE_NAME).frames[:1]
    expected = Session(lite_bundle.path, native=False, engine="onnxruntime").infer(frames)
    monkeypatch.setitem(sys.modules, "onnx", None)  # importing it fails
    for engine in ("onnxruntime", "openvino"):
        session = Session(lite_bundle.path, engine=engine)
        assert session.mask_head.startswith("native op")
        found = session.infer(frames)
        assert found["num_detections"] == expected["num_detections"] > 0
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-3, atol=1e-3, err_msg=f"{engine} {name}")
    if "BF16" in openvino.capabilities():  # what is decoded has more than its eight bits
        found = Session(lite_bundle.path, engine="openvino:bf16").infer(frames)
        for name in ("boxes", "scores"):
            valid = found[name][0, : found["num_detections"][0]].astype(np.float32)
            assert (valid.view(np.uint32) & 0xFFFF).any(), name


def test_a_model_that_finds_nothing_is_unproven_and_runs(tmp_path: Path) -> None:
    blind = stc_lite_model(0)
    blind.config = blind.config.with_(input_size=(128, 160))
    blind.head.cls_logits.bias.data.fill_(-20.0)
    stc.model.checkpoint.save(blind, tmp_path / "blind.safetensors")
    code = run(main, ["--ckpt", str(tmp_path / "blind.safetensors"), "-o", str(tmp_path / "blind"), "--trt", "none"])
    assert code == 3
    assert passport.read(tmp_path / "blind").agreement["model.onnx"]["verdict"] == "unproven"
    result = Session(tmp_path / "blind").stream()(np.zeros((77, 131, 3), np.uint8))
    assert len(result) == 0
    assert result.masks.dense().shape == (0, 77, 131)


def test_a_missed_budget_exits_3_and_names_it(
    small_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The graph is exported from weights that differ slightly from those that PyTorch ran."""
    original = stc.export.bundle.trace

    def wrong(model: STC, *options: object) -> object:
        altered = copy.deepcopy(model)
        altered.mask_branch.pred.bias.data += 0.05
        return original(altered, *options)

    monkeypatch.setattr(stc.export.bundle, "trace", wrong)
    assert run(main, ["--ckpt", str(small_checkpoint), "-o", str(tmp_path / "wrong"), "--trt", "none"]) == 3
    printed = " ".join(capsys.readouterr().out.split())
    assert "missed budget: masks_max" in printed


def test_an_export_that_fails_midway_leaves_nothing(
    small_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(stc.export.folder, "write_report", full_disk)
    with pytest.raises(OutputError, match="no space"):
        export(small_checkpoint, tmp_path / "lite")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["missing.pth", "folder", "empty.pth", "text.safetensors"])
def test_unusable_checkpoints_exit_1_and_write_nothing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.pth").touch()
    (tmp_path / "text.safetensors").write_text("version https://git-lfs")
    assert run(main, ["--ckpt", str(tmp_path / name), "-o", str(tmp_path / "out")]) == 1
    assert "error: " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_frames_of_too_short_a_video_are_refused(lite_checkpoint: Path, tmp_path: Path) -> None:
    import cv2

    (tmp_path / "short").mkdir()
    for index, frame in enumerate(default_frames()[: MIN_FRAMES - 1]):
        cv2.imwrite(str(tmp_path / "short" / f"{index}.png"), frame)
    with pytest.raises(InputError, match="at least 8"):
        export(lite_checkpoint, tmp_path / "out", frames=tmp_path / "short")


def test_passport_states_all_the_runtime_needs(lite_bundle: Export) -> None:
    values = asdict(lite_bundle.passport)
    assert values["score_threshold"] == pytest.approx(0.05**0.5)
    assert values["border"] == STC_LITE.border_bgr
    assert values["classes"] == STC_LITE.classes
    assert values["engine"] is None
