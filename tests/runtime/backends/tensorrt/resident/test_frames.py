"""Frames that stay on the GPU give what the same frames give on the CPU, bit by bit: boxes, ids, masks in every form.

The engine is ONNX Runtime on the pretended GPU's memory, the kernels are NumPy's; streams and order are CUDA's.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from stc.errors import DeviceError, IncompatibleError, InputError, StaleError
from stc.runtime import Result, Session, TrackerConfig, YuvFrame
from stc.runtime.backends.tensorrt.backend import TensorRtBackend
from stc.runtime.backends.tensorrt.cuda import Cuda
from stc.runtime.backends.tensorrt.resident import resizing
from stc.runtime.backends.tensorrt.resident.frame import DeviceFrame
from stc.runtime.native.cuda_interface import DeviceResize
from tests.runtime import tiny_model
from tests.runtime.backends import engine_bundle
from tests.runtime.backends.engine_bundle import Gpus
from tests.runtime.backends.fake_cuda import FakeCuda, cudaError_t
from tests.runtime.backends.tensorrt.other_library import Reader, SpeaksBoth, SpeaksDlPack, SpeaksInterface
from tests.runtime.backends.tensorrt.resident.conftest import AREA
from tests.runtime.backends.tensorrt.resident.fake_kernels import FakeKernels

SIZES = [(60, 96), (120, 192), (121, 200), (97, 160), (300, 70), (30, 48)]
Frames = list[NDArray[np.uint8]]


def clip(size: tuple[int, int], length: int = 5) -> Frames:
    """Objects that come, move and go: none, one, all four, and one that leaves the picture."""
    height, width = size
    frames = []
    for index in range(length):
        unit, step = (height // 6, width // 8), index * width // 40
        boxes = [
            (slot, (step + slot * width // 4, unit[0], step + slot * width // 4 + unit[1], 4 * unit[0]))
            for slot in range((0, 1, 4, 2, 3)[index % 5])
        ]
        frames.append(tiny_model.frame(*boxes, size=size))
    return frames


def assert_same(found: Result, expected: Result) -> None:
    for name in ("boxes", "scores", "labels", "track_ids", "handles", "embeddings"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    assert found.masks.rle() == expected.masks.rle()
    for form in ("areas", "boxes", "bits", "dense"):
        np.testing.assert_array_equal(getattr(found.masks, form)(), getattr(expected.masks, form)(), err_msg=form)
    assert (found.time, found.events, found.frame_size) == (expected.time, expected.events, expected.frame_size)


def on_cpu(bundle: Path, frames: Any, **options: Any) -> list[Result]:
    stream = Session(bundle / "model.onnx").stream(**options)
    return [stream(frame) for frame in frames]


def padded(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A part of a wider picture."""
    room = np.full((values.shape[0] + 3, values.shape[1] + 5, *values.shape[2:]), 9, np.uint8)
    room[2:-1, 4:-1] = values
    return room[2:-1, 4:-1]


class Part(SpeaksInterface):
    """A part of a wider picture on the GPU."""

    def __init__(self, cuda: FakeCuda, values: NDArray[np.uint8], on: int) -> None:
        room = padded(values)
        whole = room.base
        assert isinstance(whole, np.ndarray)
        super().__init__(cuda, whole, on, version=3, stream=on)
        begin = self.pointer + room.ctypes.data - whole.ctypes.data
        self.__cuda_array_interface__ |= {"shape": room.shape, "strides": room.strides, "data": (begin, True)}


GIVEN: dict[str, Callable[[FakeCuda, NDArray[np.uint8], int], Any]] = {
    "host": lambda cuda, frame, on: frame,
    "host, a part": lambda cuda, frame, on: padded(frame),
    "DLPack": SpeaksDlPack,
    "both": SpeaksBoth,
    "a part": Part,
    "rgb": lambda cuda, frame, on: DeviceFrame(SpeaksDlPack(cuda, frame[..., ::-1].copy(), on), "rgb"),
    "bgra": lambda cuda, frame, on: DeviceFrame(SpeaksDlPack(cuda, with_alpha(frame), on), "bgra"),
    "rgba": lambda cuda, frame, on: DeviceFrame(
        SpeaksDlPack(cuda, with_alpha(frame)[..., [2, 1, 0, 3]].copy(), on), "rgba"
    ),
}


def with_alpha(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.dstack((frame, np.full(frame.shape[:2], 200, np.uint8)))


@pytest.fixture(params=[None, 1], ids=["late", "seed 1"])
def cuda(request: pytest.FixtureRequest, gpus: Gpus) -> FakeCuda:
    """Does everything as late as it may; with a seed, in some order that it may."""
    gpus.cuda.order.schedule = None if request.param is None else Random(request.param)
    return gpus.cuda


@pytest.mark.parametrize("size", SIZES)
def test_frames_are_those_of_the_cpu_however_they_are_given(whole: Path, cuda: FakeCuda, size: tuple[int, int]) -> None:
    frames = [clip(size)[index] for index in (0, 2, 4)]
    expected = on_cpu(whole, frames)
    assert [len(result) for result in expected][:2] == [0, 4]
    with Session(whole, device="cuda") as session:
        for name, give in GIVEN.items():
            stream, side = session.stream(name), cuda.new_stream(blocking=False)
            for frame, wanted in zip(frames, expected, strict=True):
                assert_same(stream(give(cuda, frame, side)), wanted)


@pytest.mark.parametrize("size", [(120, 192), (121, 201)])
def test_nv12_and_grey_frames_are_those_of_the_cpu(whole: Path, cuda: FakeCuda, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(5)
    luma = rng.integers(16, 236, size, np.uint8)
    chroma = rng.integers(16, 240, (*((side + 1) // 2 for side in size), 2), np.uint8)
    host = YuvFrame(luma, chroma[..., 0], chroma[..., 1], matrix="bt709")
    grey = np.broadcast_to(luma[..., None], (*size, 3))
    side = cuda.new_stream(blocking=False)
    there = DeviceFrame(SpeaksDlPack(cuda, luma, side), "nv12", SpeaksDlPack(cuda, chroma, side), matrix="bt709")
    with Session(whole, device="cuda") as session:
        for frames, cpu in (([host, there], host), ([grey, DeviceFrame(SpeaksDlPack(cuda, luma, side), "gray")], grey)):
            (expected,) = on_cpu(whole, [cpu])
            for frame in frames:
                assert_same(session.stream()(frame), expected)


@pytest.mark.parametrize("seed", range(3))
def test_the_engines_input_is_the_cpus_picture(whole: Path, fake: FakeKernels, seed: int) -> None:
    """Noise, where every bit of a weight counts; the tiny model itself sees flat colours."""
    rng = np.random.default_rng(seed)
    size = tuple(int(side) for side in rng.integers(20, 300, 2))
    frame = rng.integers(0, 256, (*size, 3), np.uint8)
    with Session(whole, device="cuda") as session, Session(whole / "model.onnx") as other:
        session.stream()(frame)
        np.testing.assert_array_equal(fake.pictures[-1], other.stream().prepare(frame)[1])


def test_several_streams_of_several_sizes_are_one_batch_each_with_its_own_wishes(whole: Path, gpus: Gpus) -> None:
    options: list[dict[str, Any]] = [{}, {"score_threshold": 0.7}, {"classes": ["dog"]}, {"classes": []}, {}]
    clips = [clip(size) for size in SIZES[:5]]
    expected = [on_cpu(whole, frames, **wish) for frames, wish in zip(clips, options, strict=True)]
    with Session(whole, device="cuda") as session:
        streams = [session.stream(**wish) for wish in options]
        for index in range(5):
            found = session.step({stream: frames[index] for stream, frames in zip(streams, clips, strict=True)})
            for result, wanted in zip(found.values(), expected, strict=True):
                assert_same(result, wanted[index])
    assert gpus.tensorrt.enqueued < 5 * 5  # four at once, and one


def test_results_keep_their_masks_while_the_session_goes_on(whole: Path, cuda: FakeCuda) -> None:
    frames = clip((120, 192), 10)
    expected = on_cpu(whole, frames)
    with Session(whole, device="cuda") as session:
        stream = session.stream()
        results = [stream(SpeaksDlPack(cuda, frame, 1)) for frame in frames]
    for found, wanted in zip(results, expected, strict=True):  # the session is closed
        assert_same(found, wanted)
        assert_same(found[::-1], wanted[::-1])
        for mine, other in zip(found, wanted, strict=True):
            assert mine.masks.rle() == other.masks.rle() and mine.area == other.area


def test_frames_in_flight_give_the_same_results(whole: Path, cuda: FakeCuda) -> None:
    frames = clip((120, 192), 10)
    expected = on_cpu(whole, frames)
    with Session(whole, device="cuda") as session:
        for give in (GIVEN["host"], GIVEN["DLPack"]):
            stream, side = session.stream(in_flight=3), cuda.new_stream(blocking=False)
            handles = [stream.submit(give(cuda, frame, side)) for frame in frames]
            for handle, wanted in zip(handles, expected, strict=True):
                assert_same(handle.result(10), wanted)


def test_bits_on_the_device_are_those_of_the_host_and_the_callers_own(whole: Path, cuda: FakeCuda) -> None:
    frames = clip((120, 200))
    with Session(whole, device="cuda") as session:
        stream, side = session.stream(), cuda.new_stream(blocking=False)
        readers = []
        for frame in frames:
            masks = stream(frame).masks
            for part in (masks, masks[::-1], masks[:1]):
                there = part.bits(device=True)
                assert there.device == (2, 0) and there.shape == part.bits().shape
                there.__dlpack__(stream=side)
                readers.append((Reader(cuda, there, side), part.bits(), there))
        cuda.cudaStreamSynchronize(side)
        cuda.order.forget(side)  # the pretended stream holds its last work
        for reader, expected, there in readers:  # noqa: B007
            np.testing.assert_array_equal(reader.values, expected)
        held = len(cuda.memory)
        count = len(readers)
        readers.clear()
        del reader, there
        assert len(cuda.memory) == held - count


def test_what_is_asked_of_the_gpu_too_late_is_an_error_and_never_another_frames(whole: Path, cuda: FakeCuda) -> None:
    first, second = clip((120, 192))[2:4]
    with Session(whole, device="cuda") as session:
        stream = session.stream()
        result = stream(first)
        (wanted,) = on_cpu(whole, [first])
        np.testing.assert_array_equal(result.masks.probabilities, wanted.masks.probabilities)
        for run in (lambda: stream(second), lambda: session.infer(second[None, :60, :96])):
            result = stream(first)
            run()
            with pytest.raises(StaleError, match="have left the GPU: its session has run another frame since"):
                result.masks.bits(device=True)
            with pytest.raises(StaleError, match="have left the GPU: its session has run another frame since"):
                result.masks.probabilities  # noqa: B018
            assert result.masks.rle() == wanted.masks.rle()
        kept = stream(first).masks
    with pytest.raises(InputError, match="the session is closed"):
        kept.bits(device=True)
    assert kept.rle() == wanted.masks.rle()


def test_a_copied_result_has_its_masks_and_says_what_it_left_behind(whole: Path, gpus: Gpus) -> None:
    with Session(whole, device="cuda") as session:
        result = session.stream()(clip((120, 192))[2])
        copy = pickle.loads(pickle.dumps(result[1:]))
        assert_same(copy, result[1:])
        for ask in (lambda: copy.masks.bits(device=True), lambda: copy.masks.probabilities):
            with pytest.raises(StaleError, match="copy"):
                ask()


def test_a_tracker_that_compares_masks_gets_them(whole: Path, gpus: Gpus) -> None:
    frames = clip((120, 192), 10)
    tracker = TrackerConfig(rule="idol")
    expected = on_cpu(whole, frames, tracker=tracker)
    with Session(whole, device="cuda") as session:
        stream = session.stream(tracker=tracker)
        for frame, wanted in zip(frames, expected, strict=True):
            found = stream(frame)
            assert_same(found, wanted)
            np.testing.assert_array_equal(found.masks.probabilities, wanted.masks.probabilities)


def test_one_graph_spans_resize_engine_and_masks_and_nothing_is_reserved_any_more(
    whole: Path, gpus: Gpus, fake: FakeKernels
) -> None:
    frames = clip((120, 192), 5)
    with Session(whole, device="cuda") as session:
        stream = session.stream()
        stream(frames[2])
        stream(frames[2])
        reserved, enqueued = len(gpus.cuda.memory), gpus.tensorrt.enqueued
        fake.calls.clear()
        gpus.cuda.copies.clear()
        for frame in frames:
            stream(frame)
        assert (len(gpus.cuda.memory), gpus.tensorrt.enqueued) == (reserved, enqueued)
        assert fake.calls == ["stc_cuda_pack"] * 5  # on a stream of its own
        size = 120 * 192 * 3
        assert [kind for kind, _ in gpus.cuda.copies] == ["HostToDevice", "DeviceToHost"] * 5
        assert all(size <= up < size + 256 for _, up in gpus.cuda.copies[::2])
        assert all(down == 4 for _, down in gpus.cuda.copies[1::2])  # the count; the kernels write the rest
        # Those of another library lie elsewhere each time: one launch each, before a graph of the rest.
        there = [SpeaksDlPack(gpus.cuda, frame, 1) for frame in frames]
        stream(there[0])
        enqueued = gpus.tensorrt.enqueued
        fake.calls.clear()
        for given in there:
            stream(given)
        assert (fake.calls, gpus.tensorrt.enqueued) == (["stc_cuda_resize", "stc_cuda_pack"] * 5, enqueued)


def test_warming_up_for_a_size_of_frames_leaves_nothing_for_the_first(
    whole: Path, gpus: Gpus, fake: FakeKernels
) -> None:
    with Session(whole, device="cuda") as session:
        session.warm_up([1, 3], (120, 192))
        streams, frame = [session.stream() for _ in range(3)], clip((120, 192))[2]
        fake.calls.clear()
        reserved, enqueued = len(gpus.cuda.memory), gpus.tensorrt.enqueued
        session.step(dict.fromkeys(streams, frame))
        streams[0](frame)
        assert fake.calls == ["stc_cuda_pack"] * 4  # which no graph holds
        assert (len(gpus.cuda.memory), gpus.tensorrt.enqueued) == (reserved, enqueued)


def test_a_closed_session_takes_no_frame_of_either_side(whole: Path, gpus: Gpus) -> None:
    session = Session(whole, device="cuda")
    stream, frame = session.stream(), clip((120, 192))[2]
    there = SpeaksDlPack(gpus.cuda, frame, 1)
    stream(frame)
    session.close()
    held = len(gpus.cuda.memory)
    for given in (frame, there):
        with pytest.raises(InputError, match="the session is closed"):
            stream(given)
    assert len(gpus.cuda.memory) == held == 1  # the other library's


@pytest.mark.parametrize("failing", [2, None], ids=["not capturable", "captured"])
def test_without_graphs_the_results_are_the_same(whole: Path, gpus: Gpus, failing: int | None) -> None:
    gpus.tensorrt.fail_enqueue = {failing} if failing else set()
    frames = clip((121, 200), 6)
    with Session(whole, device="cuda") as session:
        stream = session.stream()
        for frame, wanted in zip(frames, on_cpu(whole, frames), strict=True):
            assert_same(stream(frame), wanted)
    assert ("cudaGraphLaunch" in gpus.cuda.calls) == (failing is None)


def test_masks_that_need_more_room_than_there_is_are_made_again(
    whole: Path, gpus: Gpus, fake: FakeKernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stc.runtime.backends.tensorrt.resident.objects.FRAMES", 0)
    frames = clip((120, 192), 6)
    with Session(whole, device="cuda") as session:
        stream = session.stream()
        for frame, wanted in zip(frames, on_cpu(whole, frames), strict=True):
            assert_same(stream(frame), wanted)


def test_a_model_may_take_frames_of_any_size_and_a_stream_change_it(
    gpus: Gpus, fake: FakeKernels, library: Path, tmp_path: Path
) -> None:
    passport = replace(AREA, shortest_edge=(48, 96), divisor=16)
    bundle = engine_bundle.write(tmp_path / "any", library, passport=passport)
    frames = [clip(size)[index] for index in (2, 4) for size in ((120, 192), (192, 120), (121, 170), (96, 96))] * 2
    with Session(bundle, device="cuda") as session:
        stream = session.stream()
        for frame, wanted in zip(frames, on_cpu(bundle, frames), strict=True):
            assert_same(stream(frame), wanted)


def half_masks() -> onnx.ModelProto:
    """The tiny model with masks in float16, as engines of half precision have them."""
    built = tiny_model.model(AREA)
    for node in built.graph.node:
        node.output[:] = ["masks32" if name == "masks" else name for name in node.output]
    built.graph.node.append(helper.make_node("Cast", ["masks32"], ["masks"], to=TensorProto.FLOAT16))
    (output,) = [output for output in built.graph.output if output.name == "masks"]
    output.type.tensor_type.elem_type = TensorProto.FLOAT16
    return built


def test_masks_of_half_precision_give_the_same_pixels(
    gpus: Gpus, fake: FakeKernels, library: Path, tmp_path: Path
) -> None:
    bundle = engine_bundle.write(tmp_path / "half", library, passport=AREA, built=half_masks())
    frames = clip((121, 200))
    tracker = TrackerConfig(rule="idol")
    with Session(bundle, device="cuda") as session:
        stream = session.stream(tracker=tracker)
        for frame, wanted in zip(frames, on_cpu(bundle, frames, tracker=tracker), strict=True):
            found = stream(frame)
            assert_same(found, wanted)
            assert found.masks.probabilities.dtype == np.float16


@pytest.mark.parametrize("seed", range(4))
def test_whatever_comes_in_whatever_form_is_as_on_the_cpu(whole: Path, gpus: Gpus, seed: int) -> None:
    """Streams that begin with each other's memory, change sizes and sides, in steps of some of them."""
    rng, gpus.cuda.order.schedule = np.random.default_rng(seed), Random(seed)
    ways, side = list(GIVEN.values()), gpus.cuda.new_stream(blocking=False)
    with Session(whole, device="cuda") as session, Session(whole / "model.onnx") as other:
        here, there = ([s.stream(fps=10) for _ in range(3)] for s in (other, session))
        for _ in range(6):
            chosen = np.flatnonzero(rng.random(3) < 0.7)
            frames = [clip(tuple(rng.integers(30, 200, 2)))[rng.integers(5)] for _ in chosen]
            given = [ways[rng.integers(len(ways))](gpus.cuda, frame, side) for frame in frames]
            found = session.step({there[i]: frame for i, frame in zip(chosen, given, strict=True)})
            wanted = other.step({here[i]: frame for i, frame in zip(chosen, frames, strict=True)})
            for result, expected in zip(found.values(), wanted.values(), strict=True):
                assert_same(result, expected)


def test_a_rtx_engine_takes_them_too(gpus: Gpus, fake: FakeKernels, library: Path, tmp_path: Path) -> None:
    bundle = engine_bundle.write(tmp_path / "rtx", library, flavour="rtx", passport=AREA)
    frames = clip((120, 192))
    with Session(bundle, device="cuda") as session:
        stream = session.stream()
        for frame, wanted in zip(frames, on_cpu(bundle, frames), strict=True):
            assert_same(stream(frame), wanted)


@pytest.mark.parametrize("frame", [np.zeros((4, 4), np.uint8), "frame.png", np.zeros((4, 4, 3), np.float32)])
def test_what_is_no_frame_leaves_the_stream_as_it_was(whole: Path, gpus: Gpus, frame: Any) -> None:
    frames = clip((120, 192))
    with Session(whole, device="cuda") as session:
        stream = session.stream("gate")
        for good, wanted in zip(frames, on_cpu(whole, frames), strict=True):
            with pytest.raises(InputError, match="stream 'gate': a frame must be"):
                stream(frame)
            assert_same(stream(good), wanted)


def test_a_frame_of_the_gpu_needs_an_engine_that_takes_it(engine: Path, gpus: Gpus) -> None:
    frame = SpeaksDlPack(gpus.cuda, clip((120, 192))[2], 1)
    for model in (engine, engine / "model.onnx"):  # without kernels, and on the CPU
        with Session(model) as session:
            with pytest.raises(InputError, match="a frame must be a NumPy array"):  # it may be the CPU's
                session.stream()(frame)
            for given in (DeviceFrame(frame), SpeaksBoth(gpus.cuda, clip((120, 192))[2], 1)):
                with pytest.raises(InputError, match="a frame in GPU memory, which a TensorRT engine takes"):
                    session.stream()(given)


def test_masks_on_the_host_have_no_bits_in_gpu_memory(engine: Path) -> None:
    with Session(engine / "model.onnx") as session:
        masks = session.stream()(clip((60, 96))[2]).masks
    with pytest.raises(InputError, match="in the CPU's memory, so their bits are too"):
        masks.bits(device=True)
    assert masks.boxes().shape == (4, 4) and masks[:0].boxes().shape == (0, 4)


def test_a_refused_launch_is_a_device_error_and_a_broken_gpu_fatal(whole: Path, gpus: Gpus, fake: FakeKernels) -> None:
    with Session(whole, device="cuda") as session:
        fake.refuse = {"stc_cuda_box_bits"}
        with pytest.raises(DeviceError, match=r"libfake.so: CUDA refuses stc_cuda_box_bits"):
            session.stream()(clip((120, 192))[2])
        fake.refuse = set()
        assert len(session.stream()(clip((120, 192))[2])) == 4
        gpus.cuda.fail("cudaEventSynchronize", cudaError_t.cudaErrorIllegalAddress)
        with pytest.raises(DeviceError, match="restart the process"):
            session.stream()(clip((120, 192))[2])


def test_all_memory_is_given_back(whole: Path, gpus: Gpus) -> None:
    with Session(whole, device="cuda") as session:
        for size in SIZES:
            session.stream()(clip(size)[2])
    assert not gpus.cuda.memory and not gpus.cuda.graphs and not gpus.cuda.streams


def test_whatever_call_fails_for_lack_of_memory_nothing_leaks_and_the_stream_goes_on(whole: Path, gpus: Gpus) -> None:
    """At the k-th call of CUDA, for every thirteenth k of two frames of growing size and what follows."""
    frames = [clip((30, 48))[2], clip((60, 96))[2]]

    def run() -> None:
        with Session(whole, device="cuda") as session:
            stream, loaded[:] = session.stream(), [gpus.cuda.count]
            for frame in frames:
                with suppress(DeviceError):
                    stream(frame)
                assert len(stream(frame)) == 4  # one call failed, and that was all
            there = stream(frames[0]).masks.bits(device=True)
            del there

    loaded = [0]
    run()
    total = gpus.cuda.count
    assert total > loaded[0] + 100 and not gpus.cuda.memory
    for number in range(loaded[0] + 1, total + 1, 13):
        with engine_bundle.out_of_memory_at(gpus, number), suppress(DeviceError):
            run()


def never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cuda, "wait_for", lambda *_: None)


def rows_lie_closer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resizing, "DeviceResize", lambda source, row, *rest: DeviceResize(source, row - 15, *rest))


def channels_lie_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resizing, "DeviceResize", lambda *values: DeviceResize(*values[:3], -values[3], *values[4:]))


def a_block_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Cuda, "synchronize_event", lambda *_: None)


def every_frame_is_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TensorRtBackend, "runs", property(lambda _: 0, lambda *_: None), raising=False)


@pytest.mark.parametrize(
    "plant", [never_waits, rows_lie_closer, channels_lie_otherwise, a_block_is_read_at_once, every_frame_is_the_last]
)
def test_a_planted_fault_is_noticed(
    whole: Path, gpus: Gpus, monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """What the tests above compare would differ: they are not blind to it."""
    frames = [clip((120, 192))[index] for index in (2, 4)]
    side, masks = gpus.cuda.new_stream(blocking=False), []
    with pytest.raises((AssertionError, IncompatibleError)), Session(whole, device="cuda") as session:
        stream = session.stream()
        plant(monkeypatch)
        for frame, wanted in zip(frames, on_cpu(whole, frames), strict=True):
            found = stream(Part(gpus.cuda, frame, side))
            assert_same(found, wanted)
            masks.append((found.masks, wanted.masks))
        for kept, expected in masks:
            np.testing.assert_array_equal(kept.probabilities, expected.probabilities)
