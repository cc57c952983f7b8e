"""`stc-train` as a user runs it, and the weights it starts from."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor

from stc.cli import run
from stc.errors import CheckpointError
from stc.model.checkpoint import load, save
from stc.model.config import STC_LITE
from stc.model.network import STC
from stc.training.imagenet import initialise
from stc.training.main import main
from tests.training.conftest import Source

PARTS = {
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
}


def _imagenet_names(model: STC) -> dict[str, Tensor]:
    """The backbone's weights under EfficientNet-PyTorch's names, with a classifier."""
    state = {}
    for key, value in model.backbone.state_dict().items():
        parts = key.split(".")
        if parts[0] == "stem":
            name = f"{'_conv_stem' if parts[1] == 'conv' else '_bn0'}.{parts[2]}"
        else:
            name = f"_blocks.{parts[1]}.{PARTS[parts[2]][parts[3] == 'bn']}.{parts[4]}"
        state[name] = value.clone()
    return state | {"_conv_head.weight": torch.zeros(1), "_bn1.weight": torch.zeros(1), "_fc.bias": torch.zeros(1)}


def _models() -> tuple[STC, STC]:
    torch.manual_seed(1)
    return STC(STC_LITE), STC(STC_LITE)


def test_imagenet_weights_land_in_the_backbone(tmp_path: Path) -> None:
    source, model = _models()
    torch.save(_imagenet_names(source), tmp_path / "lite0.pth")
    assert "backbone from lite0.pth" in initialise(model, tmp_path / "lite0.pth")
    expected = source.backbone.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in model.backbone.state_dict().items())


def test_unmapped_missing_and_misshapen_keys_are_listed(tmp_path: Path) -> None:
    source, model = _models()
    state = _imagenet_names(source)
    torch.save({**state, "_blocks.3._se_reduce.weight": torch.zeros(1)}, tmp_path / "b0.pth")
    with pytest.raises(CheckpointError, match=r"_blocks\.3\._se_reduce\.weight"):
        initialise(model, tmp_path / "b0.pth")
    del state["_bn0.weight"]
    state["_conv_stem.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(CheckpointError, match=r"missing \['stem\.bn\.weight'\].*misshapen \['stem\.conv\.weight'\]"):
        initialise(model, tmp_path / "cut.pth")


def test_fine_tuning_keeps_all_but_a_class_layer_of_other_size(tmp_path: Path) -> None:
    source, same = _models()
    save(source, tmp_path / "model.safetensors")
    assert "left out" not in initialise(same, tmp_path / "model.safetensors")
    assert torch.equal(same.head.cls_logits.weight, source.head.cls_logits.weight)
    other = STC(STC_LITE.with_(classes=("cat", "dog")))
    before = other.head.cls_logits.weight.clone()
    assert "class layer left out" in initialise(other, tmp_path / "model.safetensors")
    assert torch.equal(other.head.cls_logits.weight, before)
    assert torch.equal(other.head.controller.weight, source.head.controller.weight)
    slim = STC(STC_LITE.with_(fpn_channels=32))
    with pytest.raises(CheckpointError, match="another architecture"):
        initialise(slim, tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--data", "more.json"], "2 --data but 1 --frames"),
        (["--resume"], "nothing to resume"),
        (["--resume", "--init", "x.pth"], "leave out --init"),
        (["--exclude", "nobody"], "no clip named nobody"),
        (["--init", "absent.pth"], "absent.pth"),
    ],
)
def test_usage_errors_are_one_line_and_leave_no_output(
    stills: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: list[str], message: str
) -> None:
    arguments = ["--data", str(stills.annotations), "--frames", str(stills.frames), "--output", str(tmp_path / "run")]
    assert run(main, [*arguments, *extra]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_used_output_folder_needs_resume(stills: Source, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "last.pt").touch()
    arguments = ["--data", str(stills.annotations), "--frames", str(stills.frames), "--output", str(tmp_path)]
    assert run(main, arguments) == 1
    assert "--resume" in capsys.readouterr().err


@pytest.mark.slow
def test_a_signal_saves_the_state_and_resume_finishes(stills: Source, clips: Source, tmp_path: Path) -> None:
    output = tmp_path / "run"
    command = [sys.executable, "-c", "from stc.training.main import entry; entry()", "--output", str(output)]
    for source in (stills, clips):
        command += ["--data", str(source.annotations), "--frames", str(source.frames)]
    command += ["--exclude", "secret", "--epochs", "2"]  # 6 frames, 2 steps per epoch
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 100
        while not (output / "log.csv").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        stdout, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    assert "continue with --resume" in stdout
    finished = subprocess.run(
        [*command, "--resume"],
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    assert "done: 4 steps" in finished.stdout
    assert load(output / "ema.safetensors").config.classes == ("disc", "square")
