"""Models and bundles that are not whole, or not there."""

from __future__ import annotations

import builtins
import sys
from dataclasses import replace
from typing import Any

import onnx
import onnxruntime

from stc.runtime import Session
from stc.runtime.backends.openvino import OpenVinoBackend
from stc.runtime.bundle import passport
from stc.runtime.machine import openvino
from tests.errors.cases import Place, case


@case
def no_model(place: Place) -> None:
    place.load("nowhere.onnx")


@case
def not_a_model(place: Place) -> None:
    place.load("passport.json")


@case
def altered_model(place: Place) -> None:
    place.flip("model.onnx")
    place.load("model.onnx")


@case
def altered_passport(place: Place) -> None:
    path = place.bundle / "passport.json"
    path.write_text(path.read_text().replace('"cat"', '"cow"'))
    place.load(".")


@case
def garbled_passport(place: Place) -> None:
    (place.bundle / "passport.json").write_text("{")
    place.load(".")


@case
def odd_passport(place: Place) -> None:
    replace(passport.read(place.bundle), mask_stride=0).write(place.bundle)
    place.load(".")


@case
def no_passport(place: Place) -> None:
    (place.bundle / "passport.json").unlink()
    place.load(".")


@case
def broken_onnx(place: Place) -> None:
    (place.bundle / "passport.json").unlink()
    path = place.bundle / "model.onnx"
    path.write_bytes(path.read_bytes()[:500])
    place.load("model.onnx")


@case
def missing_weights(place: Place) -> None:
    (place.bundle / "passport.json").unlink()
    path = place.bundle / "model.onnx"
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.data", size_threshold=0)
    (place.bundle / "weights.data").unlink()
    place.load("model.onnx")


@case
def no_onnxruntime(place: Place) -> None:
    original = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name.partition(".")[0] == "onnxruntime":
            raise ImportError("No module named 'onnxruntime'")
        return original(name, *arguments, **options)

    place.monkeypatch.setattr(builtins, "__import__", without)
    place.load("model.onnx")


@case
def no_openvino(place: Place) -> None:
    place.monkeypatch.setitem(sys.modules, "openvino", None)
    place.load("model.onnx", engine="openvino")


@case
def no_intel_device(place: Place) -> None:
    place.load("model.onnx", device="npu")


@case
def engine_elsewhere(place: Place) -> None:
    place.load("model.onnx", device="cuda", engine="openvino")


@case
def no_bfloat16(place: Place) -> None:
    place.monkeypatch.setattr(openvino, "supported", lambda *_: ("FP32", "INT8"))
    OpenVinoBackend(place.bundle / "model.onnx", numbers="bf16")


@case
def no_int8_file(place: Place) -> None:
    Session(place.bundle, engine="openvino:int8", device="cpu")


@case
def other_numbers(place: Place) -> None:
    place.load("model.onnx", engine="openvino:int8")


@case
def no_cuda_provider(place: Place) -> None:
    place.monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    place.load("model.onnx", device="cuda")


@case
def cuda_provider_fallback(place: Place) -> None:
    class FallsBack(onnxruntime.InferenceSession):
        def __init__(self, path: str, options: Any, providers: list[str]) -> None:
            super().__init__(path, options, providers=["CPUExecutionProvider"])

    place.monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    place.monkeypatch.setattr(onnxruntime, "InferenceSession", FallsBack)
    place.load("model.onnx", device="cuda")
