"""The ONNX Runtime backend: outputs by name, the provider asked for, and files that are no models."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from stc.errors import IncompatibleError, InputError, MissingDependencyError
from stc.runtime.backends.onnxruntime import OnnxRuntimeBackend
from stc.runtime.bundle.contract import output_specs
from stc.runtime.processors import processors
from stc.runtime.session import Session
from tests.runtime import tiny_model


def test_outputs_are_bound_by_name(bundle: Path, tmp_path: Path) -> None:
    frames = tiny_model.frame((0, (8, 12, 40, 44)), (2, (60, 8, 90, 30)))[None]
    expected = OnnxRuntimeBackend(bundle / "model.onnx", threads=1).run(frames)
    assert set(expected) == set(output_specs(tiny_model.PASSPORT))
    assert expected["num_detections"].tolist() == [2]
    assert expected["boxes"][0, :2].tolist() == [[8, 12, 40, 44], [60, 8, 90, 30]]
    reordered = tiny_model.model()
    outputs = list(reordered.graph.output)
    del reordered.graph.output[:]
    reordered.graph.output.extend(reversed(outputs))
    onnx.save(reordered, tmp_path / "reordered.onnx")
    found = OnnxRuntimeBackend(tmp_path / "reordered.onnx", threads=1).run(frames)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize("size", [0, 10, 0.5, 0.99])
def test_a_truncated_file_is_an_input_error(bundle: Path, tmp_path: Path, size: float) -> None:
    data = (bundle / "model.onnx").read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(data[: int(size if size >= 1 else size * len(data))])
    with pytest.raises(InputError, match=r"cut\.onnx: ONNX Runtime cannot use it"):
        OnnxRuntimeBackend(path)


def test_a_foreign_file_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "foreign.onnx"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1000))
    with pytest.raises(InputError, match="cannot use it"):
        OnnxRuntimeBackend(path)


def test_an_operator_that_nobody_knows_is_an_input_error(tmp_path: Path) -> None:
    built = tiny_model.model()
    built.graph.node[0].op_type = "NoSuchOperator"
    onnx.save(built, tmp_path / "odd.onnx")
    with pytest.raises(InputError, match="NoSuchOperator"):
        OnnxRuntimeBackend(tmp_path / "odd.onnx")


def test_a_device_that_this_onnxruntime_lacks_is_incompatible(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(IncompatibleError, match="no CUDAExecutionProvider"):
        OnnxRuntimeBackend(bundle / "model.onnx", device="cuda")


def test_a_provider_that_silently_falls_back_is_incompatible(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FallsBack(onnxruntime.InferenceSession):  # as ONNX Runtime does when its CUDA libraries do not load
        def __init__(self, path: str, options: Any, providers: list[str]) -> None:
            super().__init__(path, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", FallsBack)
    with pytest.raises(IncompatibleError, match="asked ONNX Runtime for CUDAExecutionProvider, got CPUExecution"):
        OnnxRuntimeBackend(bundle / "model.onnx", device="cuda")


def test_threads_reach_the_engine(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def options(threads: int | None) -> Any:
        OnnxRuntimeBackend(bundle / "model.onnx", threads=threads)
        return made[-1].get_session_options()

    made: list[Any] = []

    class Watched(onnxruntime.InferenceSession):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            made.append(self)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Watched)
    assert options(2).intra_op_num_threads == 2 and options(2).inter_op_num_threads == 1
    monkeypatch.setattr("stc.runtime.processors.os.cpu_count", lambda: 1)
    assert options(None).intra_op_num_threads == 0  # ONNX Runtime's "physical cores"
    monkeypatch.setattr("stc.runtime.processors.os.cpu_count", lambda: 1000)
    assert options(None).intra_op_num_threads == processors() and options(2).intra_op_num_threads == 2


@pytest.mark.parametrize(("spin", "microseconds"), [(False, "50"), (True, None)])
def test_threads_that_wait_sleep_soon_unless_they_are_to_spin(
    spin: bool, microseconds: str | None, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    class Watched(onnxruntime.InferenceSession):
        def __init__(self, model: Any, options: Any, **others: Any) -> None:
            super().__init__(model, options, **others)
            asked.append(options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Watched)
    Session(bundle, engine="onnxruntime", spin=spin).close()
    try:
        found = asked[-1].get_session_config_entry("session.intra_op.spin_duration_us")
    except RuntimeError:  # none was made
        found = None
    assert found == microseconds


@pytest.mark.parametrize(
    ("arguments", "message"), [({"device": "tpu"}, "known: cpu, cuda"), ({"threads": 0}, "least 1")]
)
def test_arguments_out_of_range_are_input_errors(bundle: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        OnnxRuntimeBackend(bundle / "model.onnx", **arguments)


def test_onnxruntime_missing_names_the_extra(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".", maxsplit=1)[0] == "onnxruntime":
            raise ImportError("No module named 'onnxruntime'")
        return original(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "onnxruntime")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependencyError, match=r"pip install 'stc-trt\[cpu\]'"):
        OnnxRuntimeBackend(bundle / "model.onnx")
