"""Which engine runs, and which file: the rule, case by case."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stc.errors import InputError
from stc.runtime import Session
from stc.runtime.bundle import engines
from stc.runtime.bundle import passport as passports
from stc.runtime.bundle.engines import Choice, Here, choose, of_file
from stc.runtime.bundle.files import OnnxFile, find
from stc.runtime.bundle.passport import Passport
from stc.runtime.machine import engine_names
from stc.runtime.machine.device import parse
from tests.runtime import tiny_model

FILES = {"model.onnx": "fp32", "model-bf16.onnx": "bf16", "model-int8.onnx": "int8"}
PASSED, FAILED = {"verdict": "pass"}, {"verdict": "fail"}
CPU = parse("cpu")
BF16, INT8 = "model.onnx, openvino bf16", "model-int8.onnx, openvino bf16"
INT8_FP32 = "model-int8.onnx, openvino f32"


def passport(*passed: str, files: Any = FILES) -> Passport:
    """Of a bundle with all three files; a passed verdict under each name, a failed one under OpenVINO's others."""
    verdicts = {name: PASSED if name in passed else FAILED for name in (BF16, INT8, INT8_FP32)} if passed else {}
    return replace(
        tiny_model.PASSPORT,
        precision={"fp32_islands": {}, "files": files},
        agreement={**dict.fromkeys(files, PASSED), **verdicts},  # ONNX Runtime's own are under the files' names
        files=dict.fromkeys(files, "0" * 64),
    )


def here(*installed: Any, bf16: bool = True) -> Here:
    return Here(set(installed), lambda: bf16)


BOTH = ("onnxruntime", "openvino")
ORT = Choice("onnxruntime", "model.onnx")


@pytest.mark.parametrize(
    ("passed", "machine", "asked", "expected"),
    [
        # Nobody named one: a verdict on these very numbers in this engine counts, or on fewer bits, and no other.
        ((), here(*BOTH), None, ORT),
        (("nothing",), here(*BOTH), None, ORT),
        ((BF16,), here(*BOTH), None, Choice("openvino", "model.onnx", "bf16")),
        ((BF16, INT8), here(*BOTH), None, Choice("openvino", "model-int8.onnx", "bf16")),
        ((INT8_FP32, BF16), here(*BOTH), None, Choice("openvino", "model.onnx", "bf16")),
        ((INT8,), here(*BOTH, bf16=False), None, Choice("openvino", "model-int8.onnx", "f32")),
        ((BF16,), here(*BOTH, bf16=False), None, ORT),
        ((BF16, INT8), here("onnxruntime"), None, ORT),
        ((), here("openvino"), None, Choice("openvino", "model.onnx")),
        ((), here(), None, ORT),  # whose error names the extra
        # Named: that one, in the fastest numbers that are verified.
        ((INT8,), here(*BOTH), "onnxruntime", ORT),
        ((), here(*BOTH), "openvino", Choice("openvino", "model.onnx")),
        ((BF16,), here(*BOTH), "openvino", Choice("openvino", "model.onnx", "bf16")),
        ((), here("onnxruntime"), "openvino", Choice("openvino", "model.onnx")),
        # Named with its numbers: those, verified or not.
        ((BF16, INT8), here(*BOTH), "openvino:fp32", Choice("openvino", "model.onnx")),
        ((), here(*BOTH), "openvino:bf16", Choice("openvino", "model.onnx", "bf16")),
        ((), here(*BOTH, bf16=False), "openvino:bf16", Choice("openvino", "model.onnx", "bf16")),  # the backend refuses
        ((), here(*BOTH), "openvino:int8", Choice("openvino", "model-int8.onnx", "bf16")),
        ((), here(*BOTH, bf16=False), "openvino:int8", Choice("openvino", "model-int8.onnx", "f32")),
    ],
)
def test_the_fastest_verified_engine_is_taken(passed: Any, machine: Here, asked: Any, expected: Choice) -> None:
    assert choose(passport(*passed), CPU, asked, machine) == expected


@pytest.mark.parametrize(
    ("file", "device", "asked", "passed", "installed", "expected"),
    [
        ("model.onnx", "cpu", None, (BF16, INT8), BOTH, ("onnxruntime", "f32")),
        ("model.onnx", "cpu", None, (), ("openvino",), ("openvino", "f32")),
        ("model.onnx", "cpu", "openvino:bf16", (), BOTH, ("openvino", "bf16")),
        ("model-bf16.onnx", "cpu", None, (), BOTH, ("openvino", "bf16")),
        ("model-bf16.onnx", "cpu", None, (), ("onnxruntime",), ("onnxruntime", "f32")),
        ("model-int8.onnx", "cpu", None, (), BOTH, ("onnxruntime", "f32")),
        ("model-int8.onnx", "cpu", None, (INT8,), BOTH, ("openvino", "bf16")),
        ("model-int8.onnx", "cpu", "onnxruntime", (INT8,), BOTH, ("onnxruntime", "f32")),
        ("model.onnx", "cuda", None, (), BOTH, ("onnxruntime", "f32")),
        ("model.onnx", "gpu", None, (), BOTH, ("openvino", "f32")),
        ("model.onnx", "npu", "openvino", (), (), ("openvino", "f32")),
    ],
)
def test_a_file_that_was_named_has_the_first_engine_that_can(
    file: str, device: str, asked: Any, passed: Any, installed: Any, expected: Any
) -> None:
    engine, numbers = expected
    assert of_file(file, passport(*passed), parse(device), asked, here(*installed)) == Choice(engine, file, numbers)


def test_other_numbers_than_a_files_are_refused() -> None:
    with pytest.raises(InputError, match=r"model-int8\.onnx: its numbers are int8, not fp32; give the bundle"):
        of_file("model-int8.onnx", passport(), CPU, "openvino:fp32", here(*BOTH))
    with pytest.raises(InputError, match=r"no int8 file; make one with: stc-export .*--int8 --calib VIDEO"):
        choose(passport(files={"model.onnx": "fp32"}), CPU, "openvino:int8", here(*BOTH))


@pytest.mark.parametrize(
    ("device", "asked", "message"),
    [
        ("cpu", "tensorrt", "unknown engine 'tensorrt'; known: onnxruntime, openvino, openvino:fp32"),
        ("cuda", "openvino", "openvino does not run on the device cuda"),
        ("npu", "onnxruntime", "onnxruntime does not run on the device npu"),
    ],
)
def test_an_engine_that_cannot_is_refused_and_no_other_taken(
    bundle: Path, device: str, asked: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Session(bundle, device=device, engine=asked)


def test_a_plan_is_run_by_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "engine.plan").write_bytes(b"plan")
    with pytest.raises(InputError, match="TensorRT runs it, not openvino; leave out the engine"):
        find(tmp_path / "engine.plan", engine="openvino")


def test_of_a_bundle_the_rule_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "here", lambda: here(*BOTH))
    folder = tiny_model.write_bundle(tmp_path / "bundle")
    assert isinstance(file := find(folder), OnnxFile) and file.choice == ORT
    (folder / "model-int8.onnx").write_bytes((folder / "model.onnx").read_bytes())
    hashed = passports.read(folder).files["model.onnx"]
    replace(passport(INT8), files={"model.onnx": hashed, "model-int8.onnx": hashed}).write(folder)
    assert isinstance(file := find(folder), OnnxFile)
    assert (file.path.name, file.choice) == ("model-int8.onnx", Choice("openvino", "model-int8.onnx", "bf16"))
    assert isinstance(file := find(folder / "model.onnx"), OnnxFile) and file.choice == ORT


def test_the_choice_is_told(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert ": ONNX Runtime 1." in repr(Session(bundle, threads=1))
    assert ": OpenVINO 20" in repr(Session(bundle, threads=1, engine="openvino"))


def test_a_command_knows_the_names() -> None:
    parser = argparse.ArgumentParser()
    engine_names.add_option(parser)
    assert parser.parse_args([]).engine is None
    assert parser.parse_args(["--engine", "openvino:bf16"]).engine == "openvino:bf16"
