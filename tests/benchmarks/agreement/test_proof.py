"""What a model is compared with: its bundle's recording, a checkpoint of the same weights, or what the user names."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from stc.benchmarks import reference
from stc.benchmarks.agreement.divergence import STAGE, first_diverged, stage_errors
from stc.benchmarks.main import main
from stc.benchmarks.models.pytorch import open_checkpoint
from stc.cli import run
from stc.export import Export, export
from stc.export.engine.options import EngineOptions
from stc.model import checkpoint
from stc.model.network import STC
from tests.seeded import stc_lite_model


def sized(height: int, width: int) -> STC:
    model = stc_lite_model(0)
    model.config = model.config.with_(input_size=(height, width))
    return model


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "lite.safetensors"
    checkpoint.save(sized(192, 256), path)
    return path


@pytest.fixture(scope="module")
def exported(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Export:
    folder = tmp_path_factory.mktemp("exported") / "lite"
    return export(weights, folder, engine=EngineOptions(trt="none"), size=(128, 160))


def report(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    path = folder / "bench.json"
    code = run(main, [*arguments, "--frames", "1", "--json", str(path)])
    return code, json.loads(path.read_text()) if path.is_file() else {}


@pytest.mark.slow
def test_a_checkpoint_is_compared_with_the_bundle_made_from_it(exported: Export, weights: Path, tmp_path: Path) -> None:
    """The seeded checkpoint has another input size than the bundle: then there is nothing to compare it with."""
    code, found = report(tmp_path, str(exported.path), str(weights))
    bundle, alone = found["models"]
    assert bundle["proof"]["reference"].startswith("PyTorch float32, recorded in reference.npz")
    assert {stage["name"] for stage in bundle["proof"]["stages"]} >= {"images", "c3", "p3", "mask_feats", "logits_p3"}
    assert not any(stage["diverged"] for stage in bundle["proof"]["stages"])
    assert alone["proof"] is None
    assert alone["verdict"] == "unproven"
    assert code == 3
    assert any("lite.safetensors: unproven" in caution for caution in found["cautions"])
    assert found["model"] == bundle["model"]
    assert [ratio["baseline"] for ratio in found["ratios"]] == [bundle["label"]]


@pytest.mark.slow
def test_the_reference_may_be_a_checkpoint(exported: Export, weights: Path, tmp_path: Path, capsys: Any) -> None:
    same = tmp_path / "lite.safetensors"
    checkpoint.save(sized(128, 160), same)
    code, found = report(tmp_path, str(exported.path), "--reference", str(same))
    assert "lite.safetensors run here on 12 frames" in found["proof"]["reference"]
    assert found["proof"]["boxes_max_px"] < 0.05
    assert code == (0 if found["verdict"] == "pass" else 3)
    capsys.readouterr()
    assert run(main, [str(exported.path), "--reference", str(weights), "--frames", "1"]) == 1
    assert "takes 128x160; give the reference of this very model" in capsys.readouterr().err


@pytest.mark.slow
def test_pytorch_behind_a_session_gives_what_the_export_recorded(weights: Path, exported: Export) -> None:
    session, backend = open_checkpoint(weights, threads=1)
    frame = np.zeros((*session.passport.input_size, 3), np.uint8)
    outputs = session.infer(frame[None])
    stages, rows = backend.stages(frame)
    assert np.array_equal(outputs["boxes"][0, : len(rows)], rows.boxes)
    assert list(stages)[:4] == ["images", "c3", "c4", "c5"]
    assert session.engine.startswith("PyTorch ")
    assert session.passport.checkpoint["sha256"] == exported.passport.checkpoint["sha256"]


@pytest.mark.slow
def test_the_first_tensor_that_parts_from_pytorch_is_named(exported: Export, weights: Path, tmp_path: Path) -> None:
    """A bias of the pyramid changed in the file: the backbone agrees, p4 is the first that does not."""
    expected, _ = _stages(weights, exported)
    frame = reference.read(exported.path / reference.FILE_NAME).frames[0]
    path = exported.path / "model.onnx"
    assert first_diverged(stage_errors(path, "fp32", frame, expected)) == ""
    model = onnx.load(path)
    producer = next(node for node in model.graph.node if f"{STAGE}p4" in node.output)
    bias = next(i for i in model.graph.initializer if i.name == producer.input[2])
    changed = onnx.numpy_helper.to_array(bias).copy()
    changed[0] += 1
    bias.CopyFrom(onnx.numpy_helper.from_array(changed, bias.name))
    onnx.save(model, tmp_path / "changed.onnx")
    assert first_diverged(stage_errors(tmp_path / "changed.onnx", "fp32", frame, expected)) == "p4"


def _stages(weights: Path, exported: Export) -> Any:
    from stc.benchmarks.models.pytorch import TorchBackend
    from stc.export.sizes import configured
    from stc.model.checkpoint.load import load

    source = configured(load(weights), exported.passport.input_size, None)
    frame = reference.read(exported.path / reference.FILE_NAME).frames[0]
    return TorchBackend(source.model, exported.passport).stages(frame)


def test_a_recording_of_another_size_is_refused(
    proven_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = reference.read(proven_bundle / reference.FILE_NAME)
    other = tmp_path / "other.npz"
    replace(own, frames=own.frames[:, :32]).write(other)
    assert run(main, [str(proven_bundle), "--reference", str(other)]) == 1
    assert "of input size 32x96" in capsys.readouterr().err
    thin = tuple(replace(o, embeddings=o.embeddings[:, :2]) for o in own.outputs)
    replace(own, outputs=thin).write(other)
    assert run(main, [str(proven_bundle), "--reference", str(other)]) == 1
    assert "embeddings of 2 numbers" in capsys.readouterr().err


def test_a_recording_may_be_named(proven_bundle: Path, tmp_path: Path) -> None:
    shutil.move(proven_bundle / reference.FILE_NAME, tmp_path / "mine.npz")
    code, found = report(tmp_path, str(proven_bundle), "--reference", str(tmp_path / "mine.npz"))
    assert code == 0
    assert found["proof"]["reference"] == "PyTorch float32, recorded in mine.npz (8 frames)"
