"""OpenVINO: the outputs of ONNX Runtime for the same file, and its failures as ours."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from stc.errors import IncompatibleError, InputError, MissingDependencyError, ProcessBoundError
from stc.runtime import Session
from stc.runtime.backends import compiled_models
from stc.runtime.backends.onnxruntime import OnnxRuntimeBackend
from stc.runtime.backends.openvino import OpenVinoBackend
from stc.runtime.machine import openvino
from stc.runtime.native.library import Library, find
from tests.runtime import op_model, tiny_model
from tests.runtime.backends import test_cut

FRAMES = np.stack([tiny_model.frame((0, (8, 12, 40, 44)), (2, (60, 8, 90, 30))), tiny_model.frame()])


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where compiled models go: a folder of the test's own, not yet there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/stc"


@pytest.fixture(scope="module")
def with_op(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that stands alone, whose masks are the op's."""
    path = tmp_path_factory.mktemp("op") / "model.onnx"
    onnx.save(op_model.model(), path)
    return path


@pytest.fixture(scope="module")
def library() -> Library:
    found = find()
    assert isinstance(found, Library), found
    return found.with_threads(1)


def same(found: dict[str, NDArray[Any]], expected: dict[str, NDArray[Any]]) -> None:
    """These models add no two numbers of the network in another order, so engines agree to the last few bits."""
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("native", [True, False])
def test_outputs_are_those_of_onnx_runtime(with_op: Path, library: Library, native: bool) -> None:
    given: dict[str, Any] = {"threads": 1, **({"native": library} if native else {})}
    expected, found = OnnxRuntimeBackend(with_op, **given), OpenVinoBackend(with_op, **given)
    assert found.mask_head == expected.mask_head and found.mask_head.startswith("native op") is native
    assert set(found.outputs) == set(expected.outputs) and set(found.inputs) == set(expected.inputs)
    assert found.engine.startswith("OpenVINO 20") and found.engine.endswith(", CPU f32") and found.device == "cpu"
    assert found.batches == expected.batches == (1, None)
    for frames in (FRAMES, FRAMES[:1], FRAMES[1:]):
        timings: dict[str, float] = {}
        same(found.run(frames, timings), expected.run(frames))
        assert set(timings) == ({"mask_head"} if native else set())
    assert found.embedded_passport() == expected.embedded_passport() == tiny_model.PASSPORT


def test_frames_of_any_shape_are_taken_where_the_model_does(tmp_path: Path) -> None:
    free = replace(tiny_model.PASSPORT, shortest_edge=(60, 107), head_norm="group")
    bundle = tiny_model.write_bundle(tmp_path / "any", free)
    expected, found = (Session(bundle, engine=engine, threads=1) for engine in ("onnxruntime", "openvino"))
    for size in ((60, 96), (60, 107), (33, 107), (107, 60), (60, 96)):
        frames = np.stack([tiny_model.frame((1, (5, 6, 20, 30)), size=size)] * 2)
        same(found.infer(frames), expected.infer(frames))


def test_what_a_run_gave_is_not_touched_by_the_next(bundle: Path) -> None:
    backend = OpenVinoBackend(bundle / "model.onnx", threads=1)
    first = backend.run(FRAMES[:1])
    kept = {name: value.copy() for name, value in first.items()}
    backend.run(FRAMES[1:])
    same(first, kept)


def test_many_threads_at_once_get_what_each_would_get_alone(with_op: Path, library: Library) -> None:
    backend = OpenVinoBackend(with_op, threads=2, native=library)
    frames = [tiny_model.frame((0, (4 * n, 8, 4 * n + 16, 40)))[None] for n in range(8)]
    expected = [backend.run(frame) for frame in frames]
    start = threading.Barrier(8)

    def work(number: int) -> list[dict[str, NDArray[Any]]]:
        start.wait()
        return [backend.run(frames[number]) for _ in range(10)]

    with ThreadPoolExecutor(8) as pool:
        for number, results in enumerate(pool.map(work, range(8))):
            for result in results:
                same(result, expected[number])


@pytest.mark.parametrize("size", [0, 10, 0.5, 0.99])
def test_a_truncated_file_is_an_input_error(bundle: Path, tmp_path: Path, size: float) -> None:
    data = (bundle / "model.onnx").read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(data[: int(size if size >= 1 else size * len(data))])
    with pytest.raises(InputError, match=r"cut\.onnx: .*cannot use it"):
        OpenVinoBackend(path)


def test_an_operator_that_nobody_knows_is_an_input_error(tmp_path: Path) -> None:
    built = tiny_model.model()
    built.graph.node[0].op_type = "NoSuchOperator"
    onnx.save(built, tmp_path / "odd.onnx")
    with pytest.raises(InputError, match=r"OpenVINO cannot use it .*stc-export --ckpt FILE"):
        OpenVinoBackend(tmp_path / "odd.onnx")


def test_a_file_that_stands_alone_is_given_to_openvino_only_when_it_is_sound(with_op: Path, tmp_path: Path) -> None:
    """An operator set of a version that nobody will ever write sends OpenVINO through all of them."""
    assert Session(with_op, engine="openvino", threads=1).mask_head.startswith("native op")
    model = onnx.load(with_op)
    model.opset_import[0].version = 2**62
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.raises(InputError, match=r"odd\.onnx: the onnx package cannot use it .*out of supported range"):
        Session(tmp_path / "odd.onnx", engine="openvino")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"device": "tpu"}, InputError, "known: cpu, cuda"),
        ({"threads": 0}, InputError, "at least 1"),
        ({"device": "npu"}, IncompatibleError, r"OpenVINO finds no NPU here \(it finds CPU.*device='cpu'"),
        ({"device": "gpu:7"}, IncompatibleError, r"OpenVINO finds no GPU\.7 here .*device='cuda'"),
    ],
)
def test_what_cannot_be_had_here_is_said(
    bundle: Path, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        OpenVinoBackend(bundle / "model.onnx", **arguments)


def test_without_the_package_the_extra_is_named(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)  # importing it fails
    with pytest.raises(MissingDependencyError, match=r"pip install 'stc-trt\[openvino\]'"):
        Session(bundle, engine="openvino")


def test_float32_is_float32_also_where_openvino_would_take_less(tmp_path: Path, library: Library) -> None:
    """Its own choice on a CPU with bfloat16 is bfloat16, whose products are wrong in the third digit."""
    onnx.save(test_cut.graph(), tmp_path / "model.onnx")
    frames = test_cut.frames(4)
    expected = OnnxRuntimeBackend(tmp_path / "model.onnx", threads=1, native=library).run(frames)
    found = OpenVinoBackend(tmp_path / "model.onnx", threads=1, native=library)
    np.testing.assert_allclose(found.run(frames)["masks"], expected["masks"], atol=1e-5)
    if "BF16" in openvino.capabilities():  # so that the tolerance is known to tell them apart
        less = OpenVinoBackend(tmp_path / "model.onnx", threads=1, native=library, numbers="bf16")
        assert less.engine.endswith("CPU bf16")
        assert np.abs(less.run(frames)["masks"] - expected["masks"]).max() > 1e-4


def test_bfloat16_on_a_cpu_without_it_is_incompatible(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "supported", lambda core, device: ("FP32", "INT8"))
    with pytest.raises(IncompatibleError, match=r"this CPU has no instructions for it .*FP32, INT8.*use .*model\.onnx"):
        OpenVinoBackend(bundle / "model.onnx", numbers="bf16")


def test_a_compiled_model_is_kept_and_taken_again(bundle: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = bundle / "model.onnx"
    expected = OpenVinoBackend(path, threads=1).run(FRAMES)
    (kept,) = cache.iterdir()
    with monkeypatch.context() as changed:
        changed.setattr(compiled_models, "save", lambda *_: pytest.fail("compiled again"))
        again = OpenVinoBackend(path, threads=2)
    same(again.run(FRAMES), expected)

    content = kept.read_bytes()
    for damage in (content[:100], b"", content[:-50] + bytes(50)):
        kept.write_bytes(damage)
        same(OpenVinoBackend(path, threads=1).run(FRAMES), expected)
        assert len(kept.read_bytes()) > 1000  # compiled and kept again; its bytes are never quite the same


def test_a_cache_that_cannot_be_written_is_no_error(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert OpenVinoBackend(bundle / "model.onnx", threads=1).run(FRAMES)["num_detections"].tolist() == [2, 0]
    assert (tmp_path / "file").read_text() == "no folder"


def test_a_forked_process_is_told_to_make_its_own(bundle: Path) -> None:
    """OpenVINO's threads do not come along, and a run would wait for them."""
    backend = OpenVinoBackend(bundle / "model.onnx", threads=1)

    def child(results: Any) -> None:
        try:
            backend.run(FRAMES)
        except ProcessBoundError as error:
            results.put(str(error))

    context = multiprocessing.get_context("fork")
    results = context.Queue()
    process = context.Process(target=child, args=(results,))
    process.start()
    try:
        assert "make a Session in each" in results.get(timeout=60)
    finally:
        process.join(10)
        process.kill()


def test_a_session_in_a_process_that_was_forked_is_refused(bundle: Path) -> None:
    """It could wait for threads that stayed behind. What was forked before any model was loaded has nothing of them."""
    code = (
        "import os, sys\n"
        "from stc.errors import ProcessBoundError\n"
        "from stc.runtime import Session\n"
        "from stc.runtime.machine import openvino\n"
        "assert openvino.capabilities()\n"
        f"make = lambda: Session({str(bundle)!r}, engine='openvino', threads=2)\n"
        "for expected in ('made', 'refused'):\n"
        "    if child := os.fork():\n"
        "        assert os.waitpid(child, 0)[1] == 0, expected\n"
        "        kept = make()\n"
        "        continue\n"
        "    try:\n"
        "        made = make()\n"
        "    except ProcessBoundError as error:\n"
        "        os._exit(not (expected == 'refused' and 'spawn' in str(error)))\n"
        "    os._exit(expected != 'made')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_signal_after_sessions_came_and_went_is_an_interruption(bundle: Path) -> None:
    code = (
        "import os, signal, time\n"
        "from stc.runtime import Session\n"
        f"first, second = (Session({str(bundle)!r}, engine='openvino', threads=1) for _ in range(2))\n"
        "del first\n"
        "del second\n"
        "try:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(5)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "interrupted\n")


def test_nothing_is_printed_and_nobody_is_called(
    bundle: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Importing OpenVINO starts its telemetry, which leaves files at home and sends from a process that it forks."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    code = (
        "import os, sys\n"
        "os.register_at_fork(before=lambda: os.write(1, b'forked'))\n"
        "from stc.runtime import Session\n"
        f"session = Session({str(bundle)!r}, engine='openvino', threads=1); session.warm_up()\n"
        "assert {'onnxruntime', 'torch', 'openvino_telemetry'}.isdisjoint(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list((tmp_path / "home").iterdir()) == [] and len(list(cache.iterdir())) == 1
