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
from stc.runtime.bundle.engines import Here, choose, of_file
from stc.runtime.bundle.files import OnnxFile, find
from stc.runtime.machine import engine_names
from stc.runtime.machine.device import parse
from tests.runtime import tiny_model

FILES = {"model.onnx": "fp32", "model-bf16.onnx": "bf16", "model-int8.onnx": "int8"}
PASSED, FAILED = {"verdict": "pass"}, {"verdict": "fail"}
CPU = parse("cpu")


def passport(**verdicts: dict[str, str]) -> Any:
    """Of a bundle with all three files; verdicts of OpenVINO by precision."""
    agreement = {
        engines.record_of(name, "openvino"): verdicts[kind] for name, kind in FILES.items() if kind in verdicts
    }
    return replace(
        tiny_model.PASSPORT,
        precision={"fp32_islands": {}, "files": FILES},
        agreement={**agreement, "model-int8.onnx": PASSED, "model-bf16.onnx": PASSED},  # ONNX Runtime's own
        files=dict.fromkeys(FILES, "0" * 64),
    )


def here(*installed: Any, bf16: bool = True) -> Here:
    return Here(set(installed), lambda: bf16)


BOTH = ("onnxruntime", "openvino")


@pytest.mark.parametrize(
    ("verdicts", "machine", "asked", "expected"),
    [
        # Nobody named one: a verdict on this very engine counts, and no other.
        ({}, here(*BOTH), None, ("onnxruntime", "model.onnx")),
        ({"bf16": FAILED, "int8": FAILED}, here(*BOTH), None, ("onnxruntime", "model.onnx")),
        ({"bf16": PASSED}, here(*BOTH), None, ("openvino", "model-bf16.onnx")),
        ({"bf16": PASSED, "int8": PASSED}, here(*BOTH), None, ("openvino", "model-int8.onnx")),
        ({"bf16": PASSED}, here(*BOTH, bf16=False), None, ("onnxruntime", "model.onnx")),
        ({"bf16": PASSED}, here("onnxruntime"), None, ("onnxruntime", "model.onnx")),
        ({}, here("openvino"), None, ("openvino", "model.onnx")),
        ({}, here(), None, ("onnxruntime", "model.onnx")),  # whose error names the extra
        # Named: that one, in the fastest numbers that are verified.
        ({"int8": PASSED}, here(*BOTH), "onnxruntime", ("onnxruntime", "model.onnx")),
        ({}, here(*BOTH), "openvino", ("openvino", "model.onnx")),
        ({"bf16": PASSED}, here(*BOTH), "openvino", ("openvino", "model-bf16.onnx")),
        ({}, here("onnxruntime"), "openvino", ("openvino", "model.onnx")),
    ],
)
def test_the_fastest_verified_engine_is_taken(verdicts: Any, machine: Here, asked: Any, expected: Any) -> None:
    assert choose(passport(**verdicts), CPU, asked, machine) == expected


@pytest.mark.parametrize(
    ("kind", "device", "asked", "passed", "installed", "expected"),
    [
        ("fp32", "cpu", None, True, BOTH, "onnxruntime"),
        ("fp32", "cpu", None, True, ("openvino",), "openvino"),
        ("bf16", "cpu", None, False, BOTH, "openvino"),
        ("bf16", "cpu", None, False, ("onnxruntime",), "onnxruntime"),
        ("int8", "cpu", None, False, BOTH, "onnxruntime"),
        ("int8", "cpu", None, True, BOTH, "openvino"),
        ("int8", "cpu", "onnxruntime", True, BOTH, "onnxruntime"),
        ("fp16", "cuda", None, False, BOTH, "onnxruntime"),
        ("fp32", "gpu", None, False, BOTH, "openvino"),
        ("fp32", "npu", "openvino", False, (), "openvino"),
    ],
)
def test_a_file_that_was_named_has_the_first_engine_that_can(
    kind: str, device: str, asked: Any, passed: bool, installed: Any, expected: str
) -> None:
    assert of_file(kind, parse(device), asked, passed, here(*installed)) == expected


@pytest.mark.parametrize(
    ("device", "asked", "message"),
    [
        ("cpu", "tensorrt", "unknown engine 'tensorrt'; known: onnxruntime, openvino"),
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
    assert isinstance(file := find(folder), OnnxFile) and (file.engine, file.path.name) == ("onnxruntime", "model.onnx")
    (folder / "model-bf16.onnx").write_bytes((folder / "model.onnx").read_bytes())
    listed = passports.read(folder).files
    replace(passport(bf16=PASSED), files=dict.fromkeys(("model.onnx", "model-bf16.onnx"), listed["model.onnx"])).write(
        folder
    )
    assert isinstance(file := find(folder), OnnxFile)
    assert (file.engine, file.path.name) == ("openvino", "model-bf16.onnx")
    assert isinstance(file := find(folder / "model.onnx"), OnnxFile) and file.engine == "onnxruntime"


def test_the_choice_is_told(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert ": ONNX Runtime 1." in repr(Session(bundle, threads=1))
    assert ": OpenVINO 20" in repr(Session(bundle, threads=1, engine="openvino"))


def test_a_command_knows_the_names() -> None:
    parser = argparse.ArgumentParser()
    engine_names.add_option(parser)
    assert parser.parse_args([]).engine is None
    assert parser.parse_args(["--engine", "openvino"]).engine == "openvino"
