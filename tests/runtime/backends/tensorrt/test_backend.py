"""The TensorRT backend on a fake CUDA runtime: equal results, and nothing done that need not be done."""

from __future__ import annotations

import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from stc.errors import DeviceError, FatalError, IncompatibleError, InputError
from stc.runtime import Session
from tests.runtime import tiny_model
from tests.runtime.backends import engine_bundle
from tests.runtime.backends.engine_bundle import Gpus
from tests.runtime.backends.fake_cuda import cudaError_t

EMPTY = tiny_model.frame()
ONE = tiny_model.frame((0, (8, 12, 40, 44)))
TWO = tiny_model.frame((1, (0, 0, 9, 9)), (3, (20, 20, 30, 30)))
FULL = tiny_model.frame(*((slot, (24 * slot, 8, 24 * slot + 16, 40)) for slot in range(4)))


def test_results_equal_those_of_onnxruntime(engine: Path, gpus: Gpus) -> None:
    reference = Session(engine / "model.onnx", native=False)
    with Session(engine / "engine.plan") as session:
        for pictures in ([ONE], [EMPTY], [FULL], [ONE], [TWO, EMPTY, FULL], [ONE, TWO], [TWO, EMPTY, FULL], [EMPTY]):
            frames = np.stack(pictures)
            expected, found = reference.infer(frames), session.infer(frames)
            assert found.keys() == expected.keys()
            for name, value in expected.items():
                np.testing.assert_array_equal(found[name], value, err_msg=name)
                assert found[name].dtype == value.dtype
    assert "cudaGraphLaunch" in gpus.cuda.calls


def test_streams_give_the_same_masks_and_ids(engine: Path) -> None:
    frames = [tiny_model.frame((0, (8 + 2 * t, 8, 40 + 2 * t, 40)), (1, (50, 8, 80, 40))) for t in range(6)]
    with Session(engine, device="cuda") as session:
        stream, reference = session.stream(), Session(engine).stream()
        for frame in frames:
            found, expected = stream(frame), reference(frame)
            assert found.track_ids.tolist() == expected.track_ids.tolist() == [1, 2]
            assert found.masks.rle() == expected.masks.rle()


def test_results_do_not_change_with_the_next_frame(engine: Path) -> None:
    with Session(engine / "engine.plan") as session:
        first = session.infer(FULL[None])
        kept = {name: value.copy() for name, value in first.items()}
        session.infer(EMPTY[None])
        for name, value in kept.items():
            np.testing.assert_array_equal(first[name], value)


def test_tensors_are_bound_by_name(engine: Path, gpus: Gpus) -> None:
    gpus.tensorrt.reverse = True
    with Session(engine / "engine.plan") as session:
        assert session.infer(ONE[None])["boxes"][0, 0].tolist() == [8, 12, 40, 44]


def test_nothing_is_reserved_after_loading_and_each_batch_size_is_captured_once(engine: Path, gpus: Gpus) -> None:
    with Session(engine / "engine.plan") as session:
        loaded = Counter(gpus.cuda.calls)
        assert loaded["cudaMalloc"] == 8  # frames, six outputs, scratch
        assert loaded["cudaMallocHost"] == 7
        for batch in (1, 1, 2, 1, 2, 2, 1):
            session.infer(np.stack([ONE] * batch))
        calls = Counter(gpus.cuda.calls)
        assert (calls["cudaMalloc"], calls["cudaMallocHost"]) == (8, 7)
        assert calls["cudaStreamCreateWithFlags"] == 1
        assert calls["cudaGraphInstantiate"] == 2
        assert calls["cudaGraphLaunch"] == 5  # all but the first of each size
        assert Counter(gpus.tensorrt.calls)["create_execution_context"] == 2
        assert gpus.tensorrt.enqueued == 4  # warm and captured, each size


def test_only_valid_rows_are_copied_the_count_first(engine: Path, gpus: Gpus) -> None:
    row = {"boxes": 16, "scores": 4, "labels": 4, "embeddings": 32, "masks": 16 * 24 * 4}
    with Session(engine / "engine.plan") as session:
        for pictures, counts in (([EMPTY], [0]), ([TWO], [2]), ([TWO, FULL, EMPTY], [2, 4, 0])):
            gpus.cuda.copies.clear()
            session.infer(np.stack(pictures))
            upload, count, *rows = gpus.cuda.copies
            assert upload == ("HostToDevice", len(pictures) * 60 * 96 * 3)
            assert count == ("DeviceToHost", 4 * len(pictures))
            assert sum(size for _, size in rows) == sum(counts) * sum(row.values())
            assert {kind for kind, _ in rows} <= {"DeviceToHost"}


def test_warming_up_leaves_nothing_to_make_for_the_first_frames(engine: Path, gpus: Gpus) -> None:
    made = ("create_execution_context", "cudaGraphInstantiate", "cudaMalloc", "cudaMallocHost")
    with Session(engine / "engine.plan") as session:
        assert gpus.tensorrt.calls.count("create_execution_context") == 1  # of the least batch
        session.warm_up([1, 3])
        before = Counter(gpus.cuda.calls + gpus.tensorrt.calls)
        assert before["create_execution_context"] == before["cudaGraphInstantiate"] == 2
        for batch in (3, 1):
            assert session.infer(np.stack([TWO] * batch))["num_detections"].tolist() == [2] * batch
        after = Counter(gpus.cuda.calls + gpus.tensorrt.calls)
        assert {name: after[name] - before[name] for name in made} == dict.fromkeys(made, 0)
        assert gpus.tensorrt.enqueued == 4  # all but these four runs are launches of a graph
        with pytest.raises(InputError, match="takes 1 to 4 pictures at once; got 5"):
            session.warm_up([5])
    cpu = Session(engine, native=False)
    cpu.warm_up()
    cpu.warm_up([2])


def test_a_failed_capture_is_one_warning_and_the_results_stay_right(
    engine: Path, gpus: Gpus, caplog: pytest.LogCaptureFixture
) -> None:
    expected = Session(engine / "model.onnx", native=False).infer(FULL[None])
    for call in ("cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaGraphInstantiate"):
        caplog.clear()
        gpus.cuda.fail(call, cudaError_t.cudaErrorStreamCaptureInvalidated)
        with Session(engine / "engine.plan") as session, caplog.at_level(logging.WARNING):
            for batch in (1, 2, 1, 1):
                found = session.infer(np.stack([FULL] * batch))
                np.testing.assert_array_equal(found["masks"][-1], expected["masks"][0])
        (warning,) = caplog.records
        assert "runs without CUDA graphs" in warning.getMessage() and "StreamCaptureInvalidated" in warning.getMessage()
        assert "cudaGraphLaunch" not in gpus.cuda.calls
        gpus.cuda.failures.clear()
        assert not gpus.cuda.memory


def test_a_plugin_that_refuses_capture_leaves_the_stream_usable(
    engine: Path, gpus: Gpus, caplog: pytest.LogCaptureFixture
) -> None:
    gpus.tensorrt.fail_enqueue = {2}  # the captured run of the first frame
    with Session(engine / "engine.plan") as session, caplog.at_level(logging.WARNING):
        counts = [session.infer(frame[None])["num_detections"].tolist() for frame in (ONE, TWO, FULL)]
    assert counts == [[1], [2], [4]]
    assert len(caplog.records) == 1 and not gpus.cuda.capturing and not gpus.cuda.captured


def test_tensorrt_rtx_captures_by_itself_and_keeps_its_kernels(engine: Path, gpus: Gpus, tmp_path: Path) -> None:
    bundle = engine_bundle.write(tmp_path / "rtx", flavour="rtx")
    reference = Session(bundle / "model.onnx", native=False)
    for run in range(2):
        with Session(bundle / "engine.plan") as session:
            for pictures in ([ONE], [TWO, FULL], [TWO, FULL], [EMPTY]):
                frames = np.stack(pictures)
                for name, value in reference.infer(frames).items():
                    np.testing.assert_array_equal(session.infer(frames)[name], value)
        assert gpus.rtx.calls.count("create_execution_context") == run + 1
        assert gpus.rtx.calls.count("cache.deserialize") == run
    assert "load_library" not in gpus.rtx.calls
    assert "cudaStreamBeginCapture" not in gpus.cuda.calls
    (stored,) = (tmp_path / "cache" / "stc").iterdir()
    assert stored.read_bytes() == b"kernels of the first run"


def test_a_kernel_cache_that_cannot_be_written_is_no_error(
    gpus: Gpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = engine_bundle.write(tmp_path / "rtx", flavour="rtx")
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with Session(bundle / "engine.plan") as session:
        session.infer(ONE[None])
    assert not gpus.cuda.memory


def test_the_plugin_library_is_loaded_before_the_plan_and_once(engine: Path, gpus: Gpus, library: Path) -> None:
    for _ in range(2):
        Session(engine / "engine.plan").close()
    assert gpus.tensorrt.libraries == [str(library)]
    assert gpus.tensorrt.calls.index("load_library") < gpus.tensorrt.calls.index("deserialize_cuda_engine")


def test_a_plugin_library_that_tensorrt_refuses_is_incompatible(engine: Path, gpus: Gpus) -> None:
    gpus.tensorrt.refuse_library = True
    with pytest.raises(IncompatibleError, match="TensorRT cannot load it"):
        Session(engine / "engine.plan")
    assert "deserialize_cuda_engine" not in gpus.tensorrt.calls


def test_closing_releases_everything_in_order(engine: Path, gpus: Gpus) -> None:
    session = Session(engine / "engine.plan")
    session.infer(ONE[None])
    before = len(gpus.cuda.calls)
    session.close()
    session.close()
    released = [call for call in gpus.cuda.calls[before:] if call != "cudaGetDevice"]
    assert released[0] == "cudaGraphExecDestroy" and released[-1] == "cudaStreamDestroy"
    assert not gpus.cuda.memory and not gpus.cuda.graphs and not gpus.cuda.streams and not gpus.cuda.captured
    with pytest.raises(InputError, match="session is closed"):
        session.infer(ONE[None])


@pytest.mark.parametrize("error", [cudaError_t.cudaErrorIllegalAddress, cudaError_t.cudaErrorLaunchFailure])
@pytest.mark.parametrize("call", ["cudaStreamSynchronize", "cudaMemcpyAsync", "cudaGraphLaunch"])
def test_after_a_sticky_error_only_a_restart_helps(engine: Path, gpus: Gpus, call: str, error: cudaError_t) -> None:
    session = Session(engine / "engine.plan")
    session.infer(ONE[None])
    gpus.cuda.fail(call, error)
    with pytest.raises(FatalError, match=f"{error.name}.*restart the process") as fatal:
        session.infer(ONE[None])
    assert fatal.value.exit_code == 2
    calls = len(gpus.cuda.calls)
    with pytest.raises(FatalError, match="restart the process"):
        session.infer(ONE[None])
    session.close()
    assert len(gpus.cuda.calls) == calls  # a dead driver is left alone


@pytest.mark.parametrize("run", [1, 2], ids=["the first run", "the captured run"])
def test_a_sticky_error_that_only_tensorrt_was_told_of_is_fatal_at_once(engine: Path, gpus: Gpus, run: int) -> None:
    """TensorRT and the plugin have CUDA runtimes of their own, whose last errors ours does not know."""
    session = Session(engine / "engine.plan")
    gpus.tensorrt.breaks = {run: cudaError_t.cudaErrorIllegalAddress}
    with pytest.raises(FatalError, match="restart the process"):
        session.infer(ONE[None])
    calls = len(gpus.cuda.calls)
    session.close()
    assert len(gpus.cuda.calls) == calls


def test_a_refusal_of_tensorrt_says_what_it_said(engine: Path, gpus: Gpus) -> None:
    with Session(engine / "engine.plan") as session:
        gpus.tensorrt.fail_enqueue = {1}
        with pytest.raises(DeviceError, match="TensorRT cannot run the engine") as refusal:
            session.infer(ONE[None])
        assert not isinstance(refusal.value, FatalError)
        assert session.infer(ONE[None])["num_detections"].tolist() == [1]


def test_whatever_call_fails_for_lack_of_memory_nothing_leaks(engine: Path, gpus: Gpus) -> None:
    """At the k-th call, for every k of loading and two frames: a typed error, and everything is given back."""
    with Session(engine / "engine.plan") as session:
        for _ in range(2):
            session.infer(FULL[None])
    total = gpus.cuda.count
    failed = 0
    for number in range(1, total + 1):
        gpus.tensorrt.enqueued = 0
        with engine_bundle.out_of_memory_at(gpus, number):
            try:
                with Session(engine / "engine.plan") as session:
                    for _ in range(2):
                        assert session.infer(FULL[None])["num_detections"].tolist() == [4]
            except DeviceError as error:
                failed += 1
                assert "not enough GPU memory" in str(error) and error.exit_code == 2
    assert failed > 20


def test_a_count_beyond_the_rows_is_not_believed(engine: Path, gpus: Gpus) -> None:
    with Session(engine / "engine.plan") as session:
        for counts in ([5], [-1]):
            gpus.tensorrt.counts = counts
            with pytest.raises(IncompatibleError, match="num_detections"):
                session.infer(ONE[None])


def test_a_batch_beyond_the_profile_is_an_input_error(engine: Path, gpus: Gpus, tmp_path: Path) -> None:
    with Session(engine / "engine.plan") as session:
        with pytest.raises(InputError, match="takes 1 to 4 pictures at once; got 5"):
            session.infer(np.stack([ONE] * 5))
        with pytest.raises(InputError, match="takes uint8"):
            session.infer(ONE[None].astype(np.float32))
    fixed = tiny_model.model()
    fixed.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    for output in fixed.graph.output:
        output.type.tensor_type.shape.dim[0].dim_value = 2
    bundle = engine_bundle.write(tmp_path / "fixed", built=fixed, largest=2)
    with Session(bundle / "engine.plan") as session, pytest.raises(InputError, match="takes 2 pictures at once; got 1"):
        session.infer(ONE[None])


def test_a_step_is_split_by_the_profile(engine: Path, gpus: Gpus, tmp_path: Path) -> None:
    """Six streams on an engine of up to 4, and on one of exactly 4: as on the CPU, whose batches are others."""
    pictures = [tiny_model.frame((slot % 4, (8 + slot, 12, 40, 44))) for slot in range(6)]
    fixed = tiny_model.model()
    for tensor in (*fixed.graph.input, *fixed.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_value = 4
    of_four = engine_bundle.write(tmp_path / "fixed", built=fixed, largest=4)
    cpu = Session(engine / "model.onnx")
    alone = [cpu.stream()(picture) for picture in pictures]
    for plan in (engine / "engine.plan", of_four / "engine.plan"):
        with Session(plan) as session:
            streams = [session.stream() for _ in pictures]
            results = session.step(dict(zip(streams, pictures, strict=True)))
            for expected, found in zip(alone, results.values(), strict=True):
                assert found.boxes.tolist() == expected.boxes.tolist()
                assert found.track_ids.tolist() == expected.track_ids.tolist()
            assert list(streams[0].timings)[:3] == ["preprocess", "upload", "engine"]


def test_an_engine_that_is_not_what_its_passport_says_is_refused_and_released(gpus: Gpus, tmp_path: Path) -> None:
    other = replace(tiny_model.PASSPORT, max_detections=5)
    bundle = engine_bundle.write(tmp_path / "b", passport=other, built=tiny_model.model())
    with pytest.raises(IncompatibleError, match="output boxes"):
        Session(bundle / "engine.plan")
    foreign = onnx.helper.make_model(
        onnx.helper.make_graph(
            [onnx.helper.make_node("Identity", ["x"], ["y"])],
            "foreign",
            [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 4])],
            [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 4])],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 18)],
        ir_version=9,
    )
    bundle = engine_bundle.write(tmp_path / "c", built=foreign)
    with pytest.raises(IncompatibleError, match=r"frames: missing; num_detections: missing; x: an input that nobody"):
        Session(bundle / "engine.plan")
    assert not gpus.cuda.memory


def test_half_precision_masks_stay_half(gpus: Gpus, tmp_path: Path) -> None:
    built = tiny_model.model()
    for node in built.graph.node:
        node.output[:] = ["masks_single" if name == "masks" else name for name in node.output]
    built.graph.node.append(onnx.helper.make_node("Cast", ["masks_single"], ["masks"], to=onnx.TensorProto.FLOAT16))
    masks = next(output for output in built.graph.output if output.name == "masks")
    masks.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    bundle = engine_bundle.write(tmp_path / "half", built=built)
    with Session(bundle / "engine.plan") as session:
        found = session.infer(FULL[None])["masks"]
        assert found.dtype == np.float16
        np.testing.assert_array_equal(found, Session(bundle, native=False).infer(FULL[None])["masks"])


def test_several_threads_share_a_session(engine: Path) -> None:
    def follow(slot: int) -> list[int]:
        stream = session.stream(str(slot))
        results = [stream(tiny_model.frame((slot, (x, 8, x + 20, 40)))) for x in range(15)]
        return [int(result.labels[0]) for result in results]

    with Session(engine / "engine.plan") as session, ThreadPoolExecutor(4) as pool:
        assert list(pool.map(follow, (0, 1, 2, 3))) == [[0] * 15, [1] * 15, [0] * 15, [1] * 15]


class OnGpu:
    """A foreign array in the fake GPU memory, as PyTorch or CuPy show theirs."""

    def __init__(self, gpus: Gpus, values: np.ndarray, stream: int | None = None) -> None:
        _, self.pointer = gpus.cuda.cudaMalloc(values.nbytes)
        target = gpus.cuda.at(self.pointer, values.nbytes)
        if stream is None:
            target[:] = values.reshape(-1).view(np.uint8)
        else:  # still to be written
            gpus.cuda.work(stream, lambda: target.__setitem__(slice(None), values.reshape(-1).view(np.uint8)))
        self.__cuda_array_interface__: dict[str, Any] = {
            "shape": values.shape,
            "typestr": values.dtype.str,
            "data": (self.pointer, False),
            "version": 3,
            "stream": stream,
        }


def test_frames_in_gpu_memory_never_visit_the_host(engine: Path, gpus: Gpus) -> None:
    with Session(engine / "engine.plan") as session:
        session.infer(EMPTY[None])
        for stream in (None, 1):
            for pictures, counts in (([FULL], [4]), ([TWO], [2]), ([ONE, TWO], [1, 2])):
                gpus.cuda.copies.clear()
                found = session.infer(OnGpu(gpus, np.stack(pictures), stream))
                assert found["num_detections"].tolist() == counts
                assert gpus.cuda.copies[0] == ("DeviceToDevice", len(pictures) * 60 * 96 * 3)
                assert "HostToDevice" not in {kind for kind, _ in gpus.cuda.copies}
        with pytest.raises(InputError, match=r"takes uint8 \(B, 60, 96, 3\); got float32"):
            session.infer(OnGpu(gpus, np.zeros((1, 60, 96, 3), np.float32)))
        with pytest.raises(InputError, match=r"takes uint8.*not an array: list"):
            session.infer([[0]])
    assert not gpus.cuda.events


def test_results_stay_in_gpu_memory_when_asked(engine: Path, gpus: Gpus) -> None:
    expected = Session(engine, native=False).infer(np.stack([TWO, FULL]))
    with Session(engine / "engine.plan") as session:
        session.infer_on_device(OnGpu(gpus, np.stack([FULL, EMPTY])))  # captured; from now on nothing waits by itself
        gpus.cuda.copies.clear()
        found = session.infer_on_device(OnGpu(gpus, np.stack([TWO, FULL])))
        assert {kind for kind, _ in gpus.cuda.copies} == {"DeviceToDevice"}
        for name, array in found.items():
            interface = array.__cuda_array_interface__
            content = gpus.cuda.at(interface["data"][0], array.nbytes).view(interface["typestr"])
            np.testing.assert_array_equal(content.reshape(interface["shape"]), expected[name])
    with pytest.raises(InputError, match="only where a TensorRT engine runs"):
        Session(engine, native=False).infer_on_device(FULL[None])


def test_the_parts_of_a_call_are_timed_by_the_gpus_own_clock(engine: Path, gpus: Gpus) -> None:
    """The fake's clock runs while a stream is synchronised; every event is given back."""
    with Session(engine / "engine.plan") as session:
        timings: dict[str, float] = {}
        session.infer(np.zeros((1, 60, 96, 3), np.uint8), timings)
        assert set(timings) == {"upload", "enqueue", "download"}
        assert min(timings.values()) >= 0
        assert len(gpus.cuda.events) == 4
    assert not gpus.cuda.events
