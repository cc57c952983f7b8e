"""Frames that are still being written, outputs that are still being read: whatever the GPU does first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stc.runtime import DeviceArray, Session
from tests.runtime import tiny_model
from tests.runtime.backends.engine_bundle import Gpus
from tests.runtime.backends.fake_cuda import FakeCuda
from tests.runtime.backends.fake_streams import LEGACY, PER_THREAD
from tests.runtime.backends.tensorrt.other_library import OnGpu, Reader, SpeaksBoth, SpeaksDlPack, SpeaksInterface

ONE = tiny_model.frame((0, (8, 12, 40, 44)))[None]
TWO = tiny_model.frame((1, (0, 0, 9, 9)), (3, (20, 20, 30, 30)))[None]
FULL = tiny_model.frame(*((slot, (24 * slot, 8, 24 * slot + 16, 40)) for slot in range(4)))[None]
FRAMES = (ONE, TWO, FULL, ONE, FULL, TWO)
STREAMS = {"legacy": LEGACY, "per thread": PER_THREAD, "blocking": None, "non-blocking": None}

Producer = Callable[[FakeCuda, NDArray[np.uint8], int], OnGpu]


@pytest.fixture(params=[None, *range(3)], ids=lambda seed: "late" if seed is None else f"seed {seed}")
def cuda(request: pytest.FixtureRequest, gpus: Gpus) -> FakeCuda:
    """Does everything as late as it may; with a seed, in some order that it may."""
    gpus.cuda.order.schedule = None if request.param is None else Random(request.param)
    return gpus.cuda


def stream_of(cuda: FakeCuda, name: str) -> int:
    return STREAMS[name] or cuda.new_stream(blocking=name == "blocking")


def interface(**said: Any) -> Producer:
    return lambda cuda, values, stream: SpeaksInterface(cuda, values, stream, **said)


@pytest.mark.parametrize(
    ("produce", "streams"),
    [
        (SpeaksDlPack, STREAMS),
        (SpeaksBoth, STREAMS),
        # Who does not say where, writes on what the legacy default stream waits for.
        (interface(version=2), ("legacy", "per thread", "blocking")),
        (interface(version=3, stream=None), ("legacy", "per thread", "blocking")),
        (interface(), ("legacy",)),
        (lambda cuda, values, stream: SpeaksInterface(cuda, values, stream, version=3, stream=stream), STREAMS),
    ],
    ids=["DLPack", "both", "interface 2", "interface 3, stream None", "interface 0", "interface 3"],
)
def test_a_frame_is_read_after_it_was_written(
    engine: Path, cuda: FakeCuda, produce: Producer, streams: tuple[str, ...]
) -> None:
    expected = [Session(engine / "model.onnx", native=False).infer(frame) for frame in FRAMES]
    with Session(engine / "engine.plan") as session:
        for name in streams:
            stream = stream_of(cuda, name)
            for frame, wanted in zip(FRAMES, expected, strict=True):
                found = session.infer(produce(cuda, frame, stream))
                for output, values in wanted.items():
                    np.testing.assert_array_equal(found[output], values, err_msg=f"{name}, {output}")


def through_dlpack(array: DeviceArray, stream: int) -> None:
    array.__dlpack__(stream=stream)


def through_the_interface(array: DeviceArray, stream: int) -> None:
    assert array.__cuda_array_interface__["stream"] is None  # complete: nothing to wait for


@pytest.mark.parametrize(
    ("consume", "streams"),
    [(through_dlpack, STREAMS), (through_the_interface, ("legacy", "per thread", "blocking"))],
    ids=["DLPack", "interface"],
)
@pytest.mark.parametrize("capture", [True, False], ids=["captured", "plain"])
def test_outputs_are_what_they_were_until_their_reader_is_through(
    engine: Path,
    gpus: Gpus,
    cuda: FakeCuda,
    capture: bool,
    consume: Callable[[DeviceArray, int], None],
    streams: tuple[str, ...],
) -> None:
    """Every frame's masks are read late, on another stream, and the next frames come at once."""
    if not capture:
        gpus.tensorrt.fail_enqueue = {2}
    expected = [Session(engine / "model.onnx", native=False).infer(frame)["masks"] for frame in FRAMES]
    with Session(engine / "engine.plan") as session:
        readers = []
        for name in streams:
            stream = stream_of(cuda, name)
            for frame in FRAMES:
                masks = session.infer_on_device(frame)["masks"]
                consume(masks, stream)
                readers.append(Reader(cuda, masks, stream))
    assert ("cudaGraphLaunch" in cuda.calls) == capture
    for reader, wanted in zip(readers, expected * len(streams), strict=True):
        assert reader.values is not None
        np.testing.assert_array_equal(reader.values, wanted)


def test_a_reader_whose_stream_is_gone_is_waited_for_all_the_same(engine: Path, cuda: FakeCuda) -> None:
    """CuPy destroys a stream with its last reference; what is on it goes on."""
    expected = [Session(engine / "model.onnx", native=False).infer(frame)["masks"] for frame in FRAMES]
    with Session(engine / "engine.plan") as session:
        readers = []
        for frame in FRAMES:
            stream = cuda.new_stream(blocking=False)
            masks = session.infer_on_device(frame)["masks"]
            masks.__dlpack__(stream=stream)
            readers.append(Reader(cuda, masks, stream))
            cuda.cudaStreamDestroy(stream)
    for reader, wanted in zip(readers, expected, strict=True):
        assert reader.values is not None
        np.testing.assert_array_equal(reader.values, wanted)
