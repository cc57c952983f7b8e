"""`stc-export --inspect` and `--to-safetensors`: what they print, what they write, and what they refuse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from stc.cli import run
from stc.export.main import main
from stc.model import checkpoint
from stc.runtime.bundle import passport
from tests.seeded import crossvis_state, stc_lite_model


@pytest.fixture(scope="module")
def crossvis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("crossvis") / "c.pth"
    state = {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in crossvis_state(0).items()}
    torch.save({"model": state}, path)
    return path


def test_text_and_json(crossvis: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    assert run(main, ["--inspect", "--ckpt", str(crossvis)]) == 0
    shown = capsys.readouterr()
    for text in (
        "crossvis: 386 entries have its names, 11 are not needed",
        "proposal_generator.fcos_head.reid_pred.weight",
        "--backbone-style",
        "assumed classes: placeholders",
        "complete: it loads",
    ):
        assert text in shown.out
    assert shown.err.startswith(
        "warning: class names are placeholders: 40 classes are those of ytvis2019 or of ytvis2021"
    )

    assert run(main, ["--inspect", "--json", "--ckpt", str(crossvis), "--classes", "ytvis2021"]) == 0
    shown = capsys.readouterr()
    values = json.loads(shown.out)
    assert values["complete"] and values["layout"] == "crossvis" and values["config"]["classes"][0] == "airplane"
    assert not shown.err
    assert [path.name for path in crossvis.parent.iterdir()] == ["c.pth"]


def test_a_narrow_terminal_is_told_everything(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the demo model, whose file holds its whole config: nothing is cut, and no number has digits of rounding."""
    monkeypatch.setenv("COLUMNS", "40")
    lite = Path("assets/stc-lite-2.safetensors")
    assert run(main, ["--inspect", "--ckpt", str(lite)]) == 0
    printed = capsys.readouterr().out
    assert "…" not in printed and max(map(len, printed.splitlines())) <= 40
    assert f" {checkpoint.load(lite).model.config.score_threshold:.6g} " in printed


def test_an_incomplete_file_is_described_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(
        {"controller.bias": torch.zeros(169), "track_[head].0.weight": torch.zeros(2, 2, 1, 1)}, tmp_path / "c.pth"
    )
    assert run(main, ["--inspect", "--ckpt", str(tmp_path / "c.pth")]) == 1
    out = capsys.readouterr().out
    assert "does not load" in out and "missing (" in out and "backbone.bottom_up.stem.conv1.weight" in out
    assert r"track_\[head\]\.0\.(weight)  head.track_pred.\1" in out  # brackets are no markup


@pytest.mark.slow  # a process that imports PyTorch
def test_inspecting_needs_no_onnx(tmp_path: Path) -> None:
    (tmp_path / "onnx.py").write_text("raise ImportError('not here')")
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('not here')")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from stc.export.main import entry; entry()",
            "--inspect",
            "--ckpt",
            "assets/stc-lite-2.safetensors",
        ],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "complete: it loads" in done.stdout, done.stderr


@pytest.mark.slow
def test_converted_weights_compute_the_same_bit_by_bit(
    crossvis: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "own.safetensors"
    options = ["--ckpt", str(crossvis), "--backbone-style", "torchvision"]
    assert run(main, ["--to-safetensors", str(target), *options]) == 0
    shown = capsys.readouterr()
    assert "assumed classes: placeholders" in shown.out and shown.err.startswith("warning: class names")
    assert [path.name for path in tmp_path.iterdir()] == ["own.safetensors"]

    source, converted = checkpoint.load(crossvis, backbone_style="torchvision"), checkpoint.load(target)
    assert (converted.layout, converted.config) == ("stc", source.config)
    assert converted.assumed == source.assumed and source.assumed  # a guess stays one
    images = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected, found = source.model(images), converted.model(images)
    for name in ("logits", "centerness", "ltrb", "params", "embeddings"):
        assert all(torch.equal(a, b) for a, b in zip(getattr(found, name), getattr(expected, name), strict=True)), name
    assert torch.equal(found.mask_feats, expected.mask_feats)
    assert "classes" not in checkpoint.load(target, classes="ytvis2019").assumed


@pytest.mark.slow
def test_an_export_warns_of_classes_without_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(stc_lite_model(0).state_dict(), tmp_path / "lite.pth")
    small = ["--size", "128x160", "--trt", "none"]
    run(main, ["--ckpt", str(tmp_path / "lite.pth"), "-o", str(tmp_path / "bundle"), *small])
    shown = capsys.readouterr()
    assert "warning: class names are placeholders for 3 classes; name them with --classes FILE\n" in shown.err
    assert "assumed classes: placeholders for 3 classes" in shown.out
    assert "placeholders for 3 classes" in (tmp_path / "bundle" / "export-report.html").read_text()
    assert passport.read(tmp_path / "bundle").classes == ("class_0", "class_1", "class_2")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--inspect", "--fp16", "--ckpt", "c"], "--fp16: of an export, and --inspect exports nothing"),
        (["--inspect", "--trt", "none", "-o", "x", "--ckpt", "c"], "--output, --trt: of an export"),
        (["--to-safetensors", "x.safetensors", "--size", "32x32", "--ckpt", "c"], "--size: of an export, and --to-saf"),
        (["--inspect", "--onnx", "c"], "--inspect is for checkpoints: give --ckpt FILE"),
        (["--inspect", "--to-safetensors", "x.safetensors", "--ckpt", "c"], "not allowed with"),
        (["--json", "--ckpt", "c"], "--json belongs to --inspect"),
        (["--key-map", "m", "--onnx", "c"], "--key-map: fixed in an ONNX file"),
        (["--inspect", "--ckpt", "missing.pth"], "cannot be read"),
    ],
)
def test_options_that_do_not_go_together(
    arguments: list[str],
    problem: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(main, arguments) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error: ") and problem in shown
    assert list(tmp_path.iterdir()) == []


def test_a_conversion_onto_its_own_source_or_into_nowhere_is_refused(
    lite_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = lite_checkpoint.read_bytes()
    assert run(main, ["--to-safetensors", str(lite_checkpoint), "--ckpt", str(lite_checkpoint)]) == 1
    assert "the checkpoint itself" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    for target, problem in (("file/x.safetensors", "cannot be written"), ("x.pth", "saved as .safetensors")):
        assert run(main, ["--to-safetensors", str(tmp_path / target), "--ckpt", str(lite_checkpoint)]) == 1
        assert problem in capsys.readouterr().err
    assert lite_checkpoint.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["file"]
