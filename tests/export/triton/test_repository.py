"""The folder that Triton is given, against the files of the bundle it is made from."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import onnx
import pytest
from tritonclient.grpc import model_config_pb2

from stc.cli import run
from stc.errors import IncompatibleError, InputError
from stc.export import Export
from stc.export.main import main
from stc.export.triton.repository import write
from stc.runtime.bundle import passport
from stc.runtime.machine.plugin import VARIABLE
from tests.runtime import tiny_model
from tests.runtime.backends import engine_bundle
from tests.runtime.backends.triton_server import Model, read_config, serve_grpc

TYPES = {
    onnx.TensorProto.UINT8: model_config_pb2.TYPE_UINT8,
    onnx.TensorProto.INT32: model_config_pb2.TYPE_INT32,
    onnx.TensorProto.FLOAT: model_config_pb2.TYPE_FP32,
    onnx.TensorProto.FLOAT16: model_config_pb2.TYPE_FP16,
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return tiny_model.write_bundle(tmp_path / "bundle")


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def tensors(values: Any) -> dict[str, tuple[int, list[int]]]:
    """Of an ONNX file: Triton's type and the shape, -1 where it is free."""
    return {
        v.name: (
            TYPES[v.type.tensor_type.elem_type],
            [d.dim_value if d.HasField("dim_value") else -1 for d in v.type.tensor_type.shape.dim],
        )
        for v in values
    }


def configured(values: Any, *, batched: bool) -> dict[str, tuple[int, list[int]]]:
    """Of a configuration: the same, as the model's own file has it."""
    return {
        v.name: (
            v.data_type,
            [*([-1] if batched else []), *(v.reshape.shape if v.HasField("reshape") else v.dims)],
        )
        for v in values
    }


@pytest.mark.slow
def test_the_configuration_says_what_the_exported_file_has(lite_bundle: Export, tmp_path: Path) -> None:
    written = write(lite_bundle.path, tmp_path / "models")
    read = read_config(tmp_path / "models" / written.model / "config.pbtxt")
    graph = onnx.load(tmp_path / "models" / written.model / "1" / "model.onnx").graph
    assert configured(read.input, batched=False) == tensors(graph.input)
    assert configured(read.output, batched=False) == tensors(graph.output)
    assert len(read.output) == 6


def test_a_bundle_without_engine_is_served_by_onnx_runtime(bundle: Path, tmp_path: Path) -> None:
    written = write(bundle, tmp_path / "models")
    assert files(tmp_path / "models") == {
        "stc_client.py",
        "stc-files.json",
        "start.sh",
        "tiny/config.pbtxt",
        "tiny/1/model.onnx",
        "tiny/1/passport.json",
    }
    assert (tmp_path / "models/tiny/1/model.onnx").read_bytes() == (bundle / "model.onnx").read_bytes()
    assert passport.read(tmp_path / "models/tiny/1") == passport.read(bundle)
    assert read_config(tmp_path / "models/tiny/config.pbtxt").platform == "onnxruntime_onnx"
    assert written.served == "model.onnx with ONNX Runtime on the CPU (no engine in the bundle)"


def test_a_free_batch_matches_the_file(bundle: Path, tmp_path: Path) -> None:
    passport_ = passport.read(bundle)
    replace(passport_, flags={"batch": (1, 2, 4)}).write(bundle)
    write(bundle, tmp_path / "models")
    read = read_config(tmp_path / "models/tiny/config.pbtxt")
    graph = onnx.load(bundle / "model.onnx").graph
    assert read.max_batch_size == 4
    assert configured(read.input, batched=True) == tensors(graph.input)
    assert configured(read.output, batched=True) == tensors(graph.output)


@pytest.fixture
def plugin_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "plugin"
    folder.mkdir()
    (folder / "libstc_tensorrt.so").write_bytes(b"plugin code")
    (folder / "libstc_triton.so").write_bytes(b"loader code")
    monkeypatch.setenv(VARIABLE, str(folder / "libstc_tensorrt.so"))
    return folder / "libstc_tensorrt.so"


def test_an_engine_comes_with_its_plugin_and_the_line_that_loads_it(tmp_path: Path, plugin_files: Path) -> None:
    bundle = engine_bundle.write(tmp_path / "bundle", plugin_files)
    written = write(bundle, tmp_path / "models")
    assert files(tmp_path / "models") == {
        "stc_client.py",
        "stc-files.json",
        "start.sh",
        "libstc_tensorrt.so",
        "libstc_triton.so",
        "tiny/config.pbtxt",
        "tiny/1/model.plan",
        "tiny/1/passport.json",
    }
    assert (tmp_path / "models/tiny/1/model.plan").read_bytes() == (bundle / "engine.plan").read_bytes()
    read = read_config(tmp_path / "models/tiny/config.pbtxt")
    assert (read.platform, read.max_batch_size) == ("tensorrt_plan", 4)
    assert "exactly TensorRT 11.4.0.106" in written.served


def test_the_start_script_gives_tritonserver_what_it_needs(tmp_path: Path, plugin_files: Path) -> None:
    """Run with a tritonserver that prints what it was given."""
    write(engine_bundle.write(tmp_path / "bundle", plugin_files), models := tmp_path / "some models")
    server = tmp_path / "bin" / "tritonserver"
    server.parent.mkdir()
    server.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    server.chmod(0o755)
    environment = {**os.environ, "PATH": f"{server.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [models / "start.sh", "--http-port=9000"], env=environment, cwd="/", capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        f"--model-repository={models}",
        f"--backend-config=tensorrt,plugins={models}/libstc_triton.so",
        "--http-port=9000",
    ]


def test_an_engine_without_plugin_library_needs_none(tmp_path: Path) -> None:
    write(engine_bundle.write(tmp_path / "bundle"), tmp_path / "models")
    assert not [name for name in files(tmp_path / "models") if name.endswith(".so")]
    assert "plugins" not in (tmp_path / "models/start.sh").read_text()


def test_an_engine_of_rtx_is_left_out_and_that_is_said(tmp_path: Path) -> None:
    written = write(engine_bundle.write(tmp_path / "bundle", flavour="rtx"), tmp_path / "models")
    assert written.served == "model.onnx with ONNX Runtime on the CPU (Triton does not read engines of TensorRT-RTX)"
    assert "tiny/1/model.onnx" in files(tmp_path / "models")


def test_another_plugin_than_the_engines_is_refused(tmp_path: Path, plugin_files: Path) -> None:
    bundle = engine_bundle.write(tmp_path / "bundle", plugin_files)
    plugin_files.write_bytes(b"newer code")
    with pytest.raises(IncompatibleError, match=r"not the plugin library that .* was built with"):
        write(bundle, tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_without_the_loader_nothing_is_written(tmp_path: Path, plugin_files: Path) -> None:
    bundle = engine_bundle.write(tmp_path / "bundle", plugin_files)
    plugin_files.with_name("libstc_triton.so").unlink()
    with pytest.raises(InputError, match="Triton registers no plugin without it; make plugin"):
        write(bundle, tmp_path / "models")


def test_an_altered_model_is_refused(bundle: Path, tmp_path: Path) -> None:
    (bundle / "model.onnx").write_bytes((bundle / "model.onnx").read_bytes() + b"\0")
    with pytest.raises(IncompatibleError, match="its passport says"):
        write(bundle, tmp_path / "models")
    assert list(tmp_path.iterdir()) == [bundle]


def test_a_repository_of_ours_is_replaced_and_what_others_put_there_stays(bundle: Path, tmp_path: Path) -> None:
    write(bundle, tmp_path / "models")
    (tmp_path / "models/tiny/2").mkdir()
    (tmp_path / "models/other/1").mkdir(parents=True)
    (tmp_path / "models/other/1/model.onnx").write_text("another model")
    replace(passport.read(bundle), name="small").write(bundle)
    write(bundle, tmp_path / "models")
    assert files(tmp_path / "models") == {
        "stc_client.py",
        "stc-files.json",
        "start.sh",
        "small/config.pbtxt",
        "small/1/model.onnx",
        "small/1/passport.json",
        "other/1/model.onnx",
    }
    assert (tmp_path / "models/tiny/2").is_dir()
    assert not (tmp_path / "models/tiny/1").exists()


def test_a_folder_of_others_is_refused_and_filled_when_one_insists(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs/resnet/1").mkdir(parents=True)
    with pytest.raises(InputError, match=r"a folder with other files in it; choose another with: --triton DIR"):
        write(bundle, tmp_path / "theirs")
    (tmp_path / "theirs/stc_client.py").write_text("a client of theirs")
    write(bundle, tmp_path / "theirs", overwrite=True)
    assert (tmp_path / "theirs/resnet/1").is_dir()
    assert "theirs" not in (tmp_path / "theirs/stc_client.py").read_text()


def test_a_configuration_that_was_edited_is_not_lost(bundle: Path, tmp_path: Path) -> None:
    write(bundle, tmp_path / "models")
    edited = tmp_path / "models/tiny/config.pbtxt"
    edited.write_text(edited.read_text() + "# two instances\n")
    with pytest.raises(InputError, match=r"config\.pbtxt: edited since it was written.*--overwrite"):
        write(bundle, tmp_path / "models")
    assert edited.read_text().endswith("# two instances\n")
    write(bundle, tmp_path / "models", overwrite=True)
    assert "two instances" not in edited.read_text()


def test_the_client_tracks_a_video(bundle: Path, tmp_path: Path) -> None:
    models = write(bundle, tmp_path / "models").path
    pictures = tmp_path / "pictures"  # as PNG: the tiny model finds exact colours, and a video's are not
    pictures.mkdir()
    for index in range(4):
        cv2.imwrite(str(pictures / f"{index}.png"), tiny_model.frame((0, (8, 12, 40, 44))))
    with serve_grpc(Model(models, "tiny")) as url:
        command = [sys.executable, models / "stc_client.py", url, "tiny", pictures]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 4
    assert done.stdout.splitlines()[-1].endswith("s: cat 1")


def test_the_command_writes_it_from_a_bundle(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--bundle", str(bundle), "--triton", str(tmp_path / "models")]) == 0
    assert "Triton model tiny: model.onnx with ONNX Runtime on the CPU" in capsys.readouterr().out


def test_the_command_writes_it_with_an_export(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The export itself stands aside: it has left a bundle whose proof failed."""
    failed = replace(passport.read(bundle), agreement={"model.onnx": {"verdict": "fail"}})
    failed = replace(failed, checkpoint={"file": "m.pth", "sha256": "0" * 64, "layout": "stc", "assumed": {}})
    failed.write(bundle)
    monkeypatch.setattr("stc.export.main.export_checkpoint", lambda *_: Export(bundle, failed, (), "no engine"))
    assert main(["--ckpt", "assets/stc-lite-2.safetensors", "--triton", str(tmp_path / "models")]) == 3
    assert "tiny/1/model.onnx" in files(tmp_path / "models")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bundle", "b"], "add --triton DIR"),
        (["--bundle", "b", "--triton", "d", "--fp16", "--batch", "2"], "--fp16, --batch: --bundle takes a bundle as"),
        (["--bundle", "nowhere", "--triton", "d"], "nowhere: no passport.json, so not a bundle"),
    ],
)
def test_what_does_not_go_together(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(main, arguments) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
