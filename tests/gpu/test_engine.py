"""Engines of the demo model on a GPU: against ONNX Runtime, with the plugin against without, and what must not matter.

Never executed on a GPU.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stc.benchmarks import reference
from stc.benchmarks.agreement.parity import Agreement, compare
from stc.benchmarks.reference import valid_rows
from stc.export.engine import toolchain as toolchains
from stc.export.engine.toolchain import OLDEST_EMBED, Toolchain
from stc.runtime import Session
from stc.runtime.machine import machine

pytestmark = pytest.mark.gpu
ROOT = Path(__file__).parents[2]
ROUTES = {
    "library": ("tensorrt", "library"),
    "embed": ("tensorrt", "embed"),
    "none": ("tensorrt", "none"),
    "rtx": ("rtx", "none"),
}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The demo model with an fp16 engine of each kind that the TensorRTs here can build."""
    folder = tmp_path_factory.mktemp("engines")
    found = {}
    for name, (flavour, plugin) in ROUTES.items():
        toolchain = toolchains.choose(flavour) if machine.gather().find(flavour) else None  # type: ignore[arg-type]
        if not isinstance(toolchain, Toolchain) or (plugin == "embed" and toolchain.release < OLDEST_EMBED):
            continue
        command = [
            str(Path(sys.executable).with_name("stc-export")),
            "--ckpt",
            str(ROOT / "assets/stc-lite-2.safetensors"),
        ]
        options = ["--fp16", "--trt", flavour, "--plugin", plugin, "--batch", "1:1:4", "-o", str(folder / name)]
        subprocess.run([*command, *options], check=True)
        found[name] = folder / name
    assert found, "no TensorRT here; see: stc-doctor"
    return found


@pytest.fixture(params=list(ROUTES))
def bundle(request: pytest.FixtureRequest, bundles: dict[str, Path]) -> Path:
    if request.param not in bundles:
        pytest.skip(f"no engine {request.param}: that TensorRT is not installed")
    return bundles[request.param]


@pytest.fixture
def session(bundle: Path) -> Iterator[Session]:
    with Session(bundle / "engine.plan") as opened:
        yield opened


def agreement(bundle: Path, candidate: Session, other: Session | None = None) -> Agreement:
    """Of `candidate` with `other` on the reference frames; None: with PyTorch."""
    expected = reference.read(bundle / reference.FILE_NAME)
    outputs = [valid_rows(candidate.infer(frame[None])) for frame in expected.frames]
    if other is not None:
        replaced = tuple(valid_rows(other.infer(frame[None])) for frame in expected.frames)
        expected = reference.Reference(expected.frames, replaced)
    return compare(expected, outputs, candidate.passport, "fp16")


def test_an_engine_agrees_with_pytorch_and_with_onnxruntime(bundle: Path, session: Session) -> None:
    for other in (None, Session(bundle / "model.onnx"), Session(bundle / "model-fp16.onnx")):
        found = agreement(bundle, session, other)
        assert found.verdict == "pass", found.failures


def test_the_plugin_agrees_with_the_function_body(bundles: dict[str, Path]) -> None:
    if not {"library", "none"} <= bundles.keys():
        pytest.skip("TensorRT is not installed")
    with Session(bundles["library"] / "engine.plan") as plugin, Session(bundles["none"] / "engine.plan") as body:
        found = agreement(bundles["none"], plugin, body)
    assert found.verdict == "pass" and found.mask_iou_p1 >= 0.99, found


def frames(bundle: Path) -> np.ndarray[Any, Any]:
    return reference.read(bundle / reference.FILE_NAME).frames


def test_graphs_are_captured_and_change_nothing(
    bundle: Path, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    """The first run of a batch size is plain, the second a replay of its graph."""
    pictures = frames(bundle)[:4]
    with caplog.at_level(logging.WARNING):
        first, second = session.infer(pictures), session.infer(pictures)
    for name, values in first.items():
        np.testing.assert_array_equal(second[name], values)
    assert "without CUDA graphs" not in caplog.text


def test_a_batch_is_its_pictures(bundle: Path, session: Session) -> None:
    """Another batch size may choose other kernels, so values differ by rounding: the budget of fp16 holds."""
    pictures = frames(bundle)
    alone = reference.Reference(pictures, tuple(valid_rows(session.infer(picture[None])) for picture in pictures))
    together = []
    for start in range(0, len(pictures), 4):
        outputs = session.infer(pictures[start : start + 4])
        together += [valid_rows(outputs, image) for image in range(len(outputs["num_detections"]))]
    found = compare(alone, together, session.passport, "fp16")
    assert found.verdict == "pass", found.failures


def test_streams_of_a_session_never_mix(bundle: Path, session: Session) -> None:
    pictures = frames(bundle)
    alone = [session.infer(picture[None]) for picture in pictures]
    for picture, expected in zip(pictures[::-1], alone[::-1], strict=True):
        for name, values in session.infer(picture[None]).items():
            np.testing.assert_array_equal(values, expected[name])


@pytest.mark.parametrize("library", ["torch", "cupy"])
def test_frames_and_results_cross_without_the_host(library: str, bundle: Path, session: Session) -> None:
    module = pytest.importorskip(library)
    if library == "torch" and not module.cuda.is_available():
        pytest.skip("this PyTorch is built without CUDA")
    picture = frames(bundle)[:1]
    expected = session.infer(picture)
    foreign = module.from_numpy(picture).cuda() if library == "torch" else module.asarray(picture)
    for name, array in session.infer_on_device(foreign).items():
        there = module.from_dlpack(array)
        host = there.cpu().numpy() if library == "torch" else module.asnumpy(there)
        assert host.shape == expected[name].shape
        count = expected["num_detections"][0]
        rows = np.index_exp[:] if name == "num_detections" else np.index_exp[0, :count]
        np.testing.assert_array_equal(host[rows], expected[name][rows])


def busy(torch: Any) -> None:
    """Put some milliseconds of work on PyTorch's current stream."""
    values = torch.randn(4096, 4096, device="cuda")
    for _ in range(30):
        values = values @ values / 64  # keeps the magnitude


@pytest.mark.parametrize("side_stream", [False, True])
def test_pytorch_and_a_session_wait_for_each_other(bundle: Path, session: Session, side_stream: bool) -> None:
    """The frame is written late, and its masks are read late, when the next frame has been given already."""
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch is built without CUDA")
    first, second = (torch.from_numpy(picture[None]).cuda() for picture in frames(bundle)[:2])
    expected = [torch.from_dlpack(session.infer_on_device(frame)["masks"]).clone() for frame in (first, second)]
    frame = torch.zeros_like(first)
    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream() if side_stream else torch.cuda.current_stream()):
        kept = []
        for picture in (first, second, first, second):
            busy(torch)
            frame.copy_(picture)
            masks = torch.from_dlpack(session.infer_on_device(frame)["masks"])
            busy(torch)
            kept.append(masks.clone())
    torch.cuda.synchronize()
    for found, wanted in zip(kept, expected * 2, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=0)


def test_each_gpu_runs_the_engine_from_any_thread(bundle: Path) -> None:
    gpus = machine.gather().gpus
    fitting = [number for number, gpu in enumerate(gpus) if gpu.target == gpus[0].target]
    if len(fitting) < 2:
        pytest.skip("one GPU of this kind")
    picture = frames(bundle)[:1]
    for number in fitting[1:]:
        with Session(bundle / "engine.plan", device=f"cuda:{number}") as opened, ThreadPoolExecutor(1) as pool:
            found = [pool.submit(opened.infer, picture).result() for _ in range(3)]
            assert {array.device for array in opened.infer_on_device(picture).values()} == {(2, number)}
        for name, values in found[0].items():
            np.testing.assert_array_equal(found[2][name], values)


def test_nothing_grows_over_sessions(bundle: Path) -> None:
    """GPU memory after the 20th session is what it was after the second."""
    from cuda.bindings import runtime as cudart

    picture, free = frames(bundle)[:1], []
    for _ in range(20):
        with Session(bundle / "engine.plan") as opened:
            opened.infer(picture)
            opened.infer(picture)
        free.append(int(cudart.cudaMemGetInfo()[1]))
    assert free[1] - free[-1] < 16 << 20
