"""ONNX Runtime on a pretended GPU: what it is asked for, and whose memory its outputs are fetched from.

The graph is computed by the real ONNX Runtime on the CPU; only where it says that it computes is pretended.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, numpy_helper

from stc.errors import FatalError, InputError, Missing
from stc.files import sha256
from stc.runtime import Session
from stc.runtime.backends.onnxruntime import OnnxRuntimeBackend
from stc.runtime.machine import plugin
from stc.runtime.machine.machine import Gpu
from stc.runtime.machine.plugin import Plugin
from stc.runtime.native.library import Library, find
from tests.plugins import toolchain
from tests.runtime import tiny_model
from tests.runtime.backends.engine_bundle import Gpus
from tests.runtime.backends.fake_cuda import FakeCuda, cudaError_t
from tests.runtime.backends.test_cut import H, K, W, graph

TWO = tiny_model.frame((1, (0, 0, 9, 9)), (3, (20, 20, 30, 30)))
FULL = tiny_model.frame(*((slot, (24 * slot, 8, 24 * slot + 16, 40)) for slot in range(4)))
CUDA = "CUDAExecutionProvider"
TF32 = "NVIDIA_TF32_OVERRIDE"


class OnGpu:
    """An output in the memory of the pretended GPU."""

    def __init__(self, cuda: FakeCuda, values: np.ndarray[Any, Any]) -> None:
        self._shape = values.shape
        _, self._pointer = cuda.cudaMalloc(values.nbytes)
        cuda.at(self._pointer, values.nbytes)[:] = values.reshape(-1).view(np.uint8)

    def shape(self) -> tuple[int, ...]:
        return self._shape

    def data_ptr(self) -> int:
        return self._pointer


class Binding:
    """A real binding, with all on the CPU; then what was bound to the GPU is put there."""

    def __init__(self, binding: Any, cuda: FakeCuda) -> None:
        self.real, self._cuda = binding, cuda
        self._places: list[tuple[str, int]] = []
        self.synchronised = False

    def bind_cpu_input(self, name: str, values: np.ndarray[Any, Any]) -> None:
        self.real.bind_cpu_input(name, values)

    def bind_output(self, name: str, device: str, index: int) -> None:
        self._places.append((device, index))
        self.real.bind_output(name)

    def synchronize_outputs(self) -> None:
        self.synchronised = True

    def get_outputs(self) -> list[Any]:
        assert self.synchronised, "the GPU may still be computing them"
        values = zip(self.real.get_outputs(), self._places, strict=True)
        assert {index for device, index in self._places if device == "cuda"} == {self._cuda.current}
        return [value if device == "cpu" else OnGpu(self._cuda, value.numpy()) for value, (device, _) in values]


class Pretended(onnxruntime.InferenceSession):
    cuda: FakeCuda
    asked: list[Any]

    def __init__(self, model: Any, options: Any, providers: list[Any]) -> None:
        self.on_gpu = providers != ["CPUExecutionProvider"]
        if self.on_gpu:
            self.asked.append(providers)
        super().__init__(model, options, providers=["CPUExecutionProvider"])

    def get_providers(self) -> list[str]:
        return [CUDA, "CPUExecutionProvider"] if self.on_gpu else ["CPUExecutionProvider"]

    def io_binding(self) -> Any:
        return Binding(super().io_binding(), self.cuda)

    def run_with_iobinding(self, binding: Any, run_options: Any = None) -> None:
        super().run_with_iobinding(binding.real, run_options)


@pytest.fixture
def pretended(gpus: Gpus, monkeypatch: pytest.MonkeyPatch) -> type[Pretended]:
    """Two GPUs, and an ONNX Runtime that computes on them."""
    gpus.cuda.targets = ((8, 9), (8, 9))
    gpus.machine = replace(gpus.machine, gpus=(Gpu("Fake GPU", "SM89", 8 << 30),) * 2)
    monkeypatch.setattr(Pretended, "cuda", gpus.cuda, raising=False)
    monkeypatch.setattr(Pretended, "asked", [], raising=False)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, "CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", Pretended)
    monkeypatch.delenv(TF32, raising=False)
    return Pretended


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """A bundle that has a float16 file too, as stc-export --fp16 makes it (its content does not matter here)."""
    bundle = tiny_model.write_bundle(tmp_path / "half")
    (bundle / "model-fp16.onnx").write_bytes((bundle / "model.onnx").read_bytes())
    kinds = {"model.onnx": "fp32", "model-fp16.onnx": "fp16"}
    precision = {**tiny_model.PASSPORT.precision, "fp32_islands": {}, "type": "fp16", "files": kinds}
    hashes = {name: sha256(bundle / name) for name in kinds}
    replace(tiny_model.PASSPORT, precision=precision, files=hashes).write(bundle)
    return bundle


@pytest.mark.parametrize(("device", "index"), [("cuda", 0), ("cuda:1", 1)])
def test_the_provider_is_asked_for_the_gpu_and_for_no_tf32(
    bundle: Path, pretended: type[Pretended], device: str, index: int
) -> None:
    with Session(bundle, device=device) as session:
        assert session.device == device and session.engine.endswith(CUDA)
        session.infer(TWO[None])
    assert pretended.asked == [[(CUDA, {"device_id": str(index), "use_tf32": "0"})]]


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_outputs_are_those_of_the_cpu_and_only_valid_rows_leave_the_gpu(
    bundle: Path, pretended: type[Pretended], gpus: Gpus, device: str
) -> None:
    frames = np.stack([TWO, FULL])
    expected = Session(bundle, native=False).infer(frames)
    gpus.cuda.copies.clear()
    found = Session(bundle, device=device).infer(frames)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)
    row = 16 + 4 + 4 + 32 + 16 * 24 * 4
    assert sum(size for _, size in gpus.cuda.copies) == 2 * 4 + 6 * row  # the counts, and the rows


def test_without_cuda_bindings_all_rows_are_fetched_by_onnxruntime(
    bundle: Path, pretended: type[Pretended], gpus: Gpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    expected = Session(bundle, native=False).infer(FULL[None])
    found = Session(bundle, device="cuda").infer(FULL[None])
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)
    assert not gpus.cuda.copies


def test_cuda_that_breaks_while_rows_are_fetched_is_fatal(bundle: Path, pretended: type[Pretended], gpus: Gpus) -> None:
    session = Session(bundle, device="cuda")
    gpus.cuda.fail("cudaMemcpy", cudaError_t.cudaErrorIllegalAddress)
    with pytest.raises(FatalError, match="restart the process"):
        session.infer(TWO[None])


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Plugin:
    """The CUDA kernels compiled for the host, with the C interface of the plugin library."""
    return plugin.read(toolchain.emulated(tmp_path_factory))


@pytest.mark.slow
@pytest.mark.parametrize("storage", [TensorProto.FLOAT, TensorProto.FLOAT16])
def test_the_mask_head_is_our_kernel_on_what_the_rest_of_the_graph_leaves_on_the_gpu(
    pretended: type[Pretended], gpus: Gpus, kernels: Plugin, tmp_path: Path, storage: int
) -> None:
    gpus.machine = replace(gpus.machine, plugin=kernels)
    onnx.save(graph(storage), tmp_path / "model.onnx")
    cpu = OnnxRuntimeBackend(tmp_path / "model.onnx", native=Missing("not asked for"))
    backend = OnnxRuntimeBackend(tmp_path / "model.onnx", device="cuda:1", native=library())
    assert backend.mask_head == "native op (libstc_emulated.so)" and backend.outputs == cpu.outputs
    rng = np.random.default_rng(1)
    for counts in ([3], [0], [K, 0, 2], [1]):
        frames = rng.integers(0, 256, (len(counts), H, W, 3), np.uint8)
        frames[:, 0, 0, 0] = counts
        found, expected = backend.run(frames), cpu.run(frames)
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            assert found[name].dtype == values.dtype
            for image, count in enumerate(counts):
                if name == "num_detections":
                    assert found[name][image] == count
                    continue
                # Logits to a few 1e-5 in float32; a stored half is right to 2^-12 below 1.
                bound = {np.dtype(np.float32): 5e-5, np.dtype(np.float16): 3e-4}.get(values.dtype, 0)
                np.testing.assert_allclose(found[name][image, :count], values[image, :count], rtol=0, atol=bound)
                assert not found[name][image, count:].any()
    before = len(gpus.cuda.memory)
    backend.close()
    backend.close()
    assert len(gpus.cuda.memory) == before - 1  # the masks; what is left is the pretended provider's


@pytest.mark.slow
def test_why_the_mask_head_is_not_our_kernel_is_said(
    pretended: type[Pretended], gpus: Gpus, kernels: Plugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mask_head(channels: int = 8, native: Library | Missing | None = None, **machine: Any) -> str:
        onnx.save(graph(channels=channels), tmp_path / "model.onnx")
        gpus.machine = replace(gpus.machine, **{"plugin": kernels, **machine})
        return OnnxRuntimeBackend(tmp_path / "model.onnx", device="cuda", native=native or library()).mask_head

    assert mask_head().startswith("native op")
    assert "no kernel for" in mask_head(channels=5)
    assert "function body (native=False)" in mask_head(native=Missing("native=False"))
    assert "function body (it was not built)" in mask_head(plugin=Missing("it was not built"))
    assert "is of CUDA 14, which the driver does not serve" in mask_head(plugin=replace(kernels, cuda=14))
    other = tmp_path / "other.so"
    other.write_bytes(b"no library")
    assert "other.so is no library of stc" in mask_head(plugin=plugin.read(other))
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)
    assert "function body (cuda-bindings is not installed)" in mask_head()


@pytest.mark.slow
def test_what_are_not_the_ops_inputs_never_reaches_the_kernel(
    pretended: type[Pretended], gpus: Gpus, kernels: Plugin, tmp_path: Path
) -> None:
    """Sizes that a graph's own shapes do not tell: the kernel would read beyond them."""
    gpus.machine = replace(gpus.machine, plugin=kernels)
    model = graph()
    (wrong,) = [constant for constant in model.graph.initializer if constant.name == "all_sizes"]
    wrong.CopyFrom(numpy_helper.from_array(np.full((1, K - 1), 64, np.float32), "all_sizes"))
    onnx.save(model, tmp_path / "model.onnx")
    backend = OnnxRuntimeBackend(tmp_path / "model.onnx", device="cuda", native=library())
    with pytest.raises(InputError, match=r"sizes must be float32 \(1, 4\); got float32 \(1, 3\)"):
        backend.run(np.ones((1, H, W, 3), np.uint8))


def library() -> Library:
    found = find()
    assert isinstance(found, Library), found
    return found


@pytest.mark.parametrize("sticky", [True, False])
def test_a_run_that_fails_is_fatal_where_cuda_has_broken_and_only_there(
    bundle: Path, pretended: type[Pretended], gpus: Gpus, monkeypatch: pytest.MonkeyPatch, sticky: bool
) -> None:
    session = Session(bundle, device="cuda")

    def fail(*_: Any) -> None:
        gpus.cuda.sticky = cudaError_t.cudaErrorIllegalAddress if sticky else None
        raise RuntimeError("CUDA failure")

    monkeypatch.setattr(Pretended, "run_with_iobinding", fail)
    with pytest.raises(FatalError if sticky else InputError, match="restart the process" if sticky else "CUDA failure"):
        session.infer(TWO[None])


def test_a_bundle_with_a_float16_file_runs_it_on_a_gpu_and_no_other(
    half: Path, pretended: type[Pretended], caplog: pytest.LogCaptureFixture
) -> None:
    for device, name, precision in (("cuda", "model-fp16.onnx", "fp16"), ("cpu", "model.onnx", "fp32")):
        session = Session(half, device=device)
        assert (session.file, session.precision) == (half / name, precision)
    assert "TF32" not in caplog.text
    (half / "model-fp16.onnx").unlink()
    assert Session(half, device="cuda").file == half / "model.onnx"


@pytest.mark.parametrize(("override", "precision"), [(None, "fp16"), ("1", "fp16"), ("0", "fp32")])
def test_float32_that_may_be_tf32_counts_as_float16_and_a_warning_says_how_it_is_not(
    bundle: Path,
    pretended: type[Pretended],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    override: str | None,
    precision: str,
) -> None:
    if override is not None:
        monkeypatch.setenv(TF32, override)
    assert Session(bundle, device="cpu").precision == "fp32" and not caplog.records
    with caplog.at_level(logging.WARNING):
        assert Session(bundle, device="cuda").precision == precision
    assert ("start the process with: NVIDIA_TF32_OVERRIDE=0" in caplog.text) == (precision == "fp16")


def test_pips_cuda_is_loaded_first_and_what_is_said_about_it_stays_off_stdout(
    bundle: Path,
    pretended: type[Pretended],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    order: list[str] = []

    def preload() -> None:
        order.append(f"preloaded before session {len(pretended.asked)}")
        print("Failed to load libcudnn.so.9")  # noqa: T201

    monkeypatch.setattr(onnxruntime, "preload_dlls", preload)
    Session(bundle, device="cpu")
    with caplog.at_level(logging.INFO):
        Session(bundle, device="cuda")
    assert order == ["preloaded before session 0"]
    assert capsys.readouterr().out == "" and "Failed to load libcudnn.so.9" in caplog.text
    monkeypatch.delattr(onnxruntime, "preload_dlls")  # before 1.21
    Session(bundle, device="cuda")
