"""The baselines compute what ours computes, and a lost ratio is noticed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stc.benchmarks.paths import __main__ as paths
from stc.benchmarks.paths import regression
from stc.benchmarks.timing import environment
from stc.cli import run
from tests.seeded import stc_lite_model


def test_adelaidets_form_gives_our_masks() -> None:
    """float32 in another order of sums: 1e-4 in a probability."""
    import torch

    from stc.benchmarks.paths.pytorch_forms import adelaidet
    from stc.model.network import STCDeploy

    model = stc_lite_model(0)
    model.config = model.config.with_(input_size=(128, 160))
    frames = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 128, 160, 3), np.uint8))
    with torch.inference_mode():
        ours, theirs = STCDeploy(model).eval()(frames), adelaidet(model)(frames)
    assert int(ours["num_detections"]) > 5
    assert torch.equal(ours["labels"], theirs["labels"])
    assert torch.allclose(ours["masks"], theirs["masks"], atol=1e-4)


def test_adelaidets_form_is_refused_for_another_mask_network() -> None:
    from stc.benchmarks.paths.pytorch_forms import adelaidet

    model = stc_lite_model(0)
    model.config = model.config.with_(mask_out_stride=8)
    with pytest.raises(ValueError, match="8 channels, 3 layers, stride 8"):
        adelaidet(model)


def test_adelaidets_post_process_gives_our_pixels(proven_bundle: Path) -> None:
    """A pixel exactly at the threshold may fall either way: at most one in a thousand of a mask."""
    from pycocotools import mask

    from stc.benchmarks.paths.pytorch_forms import adelaidet_masks
    from stc.runtime import Session
    from tests.runtime import tiny_model

    frame = tiny_model.frame((0, (12, 16, 120, 90)), (1, (130, 20, 180, 100)), size=(120, 192))
    with Session(proven_bundle) as session:
        result = session.stream()(frame)
    theirs = np.stack([mask.decode(rle) for rle in adelaidet_masks(result)]).astype(bool)
    ours = result.masks.dense()
    assert len(ours) == 2
    assert (theirs != ours).sum() <= 1e-3 * ours.sum()


@pytest.mark.slow
def test_all_paths_are_measured_recorded_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a small model, one frame per window; torch.compile runs here too."""
    if shutil.which("g++") is None:
        pytest.skip("torch.compile needs a C++ compiler")
    from stc.export import export
    from stc.export.engine.options import EngineOptions
    from stc.model import checkpoint

    weights, clip, file = tmp_path / "lite.safetensors", tmp_path / "clip", tmp_path / "ratios.json"
    model = stc_lite_model(0)
    model.config = model.config.with_(input_size=(64, 96))
    checkpoint.save(model, weights)
    bundle = export(weights, tmp_path / "bundle", engine=EngineOptions(trt="none")).path
    clip.mkdir()
    import cv2

    for i in range(2):
        cv2.imwrite(str(clip / f"{i}.png"), np.random.default_rng(i).integers(0, 256, (64, 96, 3), np.uint8))
    command = ["--ckpt", str(weights), "--bundle", str(bundle), "--source", str(clip), "--frames", "1"]
    command += ["--regression", str(file)]
    monkeypatch.setattr("stc.benchmarks.timing.schedule.agree", lambda medians: True)
    assert run(paths.main, command) == 1
    assert "knows nothing of lite" in capsys.readouterr().err
    assert run(paths.main, [*command, "--update"]) == 0
    known = json.loads(file.read_text())
    here = regression.machine(environment.describe())
    assert list(known["lite"]) == [here]
    assert set(known["lite"][here]["ratios"]) == {
        "function body",
        "PyTorch eager",
        "PyTorch compiled",
        "AdelaiDet's form",
    }
    known["lite"][here]["ratios"]["PyTorch eager"] = [1000.0, 999.0, 1001.0]
    file.write_text(json.dumps(known))
    assert run(paths.main, command) == 4
    assert "slower than recorded: PyTorch eager" in capsys.readouterr().out


def test_help_is_there_without_torch() -> None:
    program = (
        "import sys; sys.modules['torch'] = None; from stc.benchmarks.paths.__main__ import main; main(['--help'])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert "--regression" in shown.stdout
