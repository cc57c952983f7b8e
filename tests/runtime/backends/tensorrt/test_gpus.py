"""A machine with several GPUs: a session keeps to its own, whatever is current in the thread that calls it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stc.errors import IncompatibleError, InputError
from stc.runtime import Session
from stc.runtime.backends.tensorrt.dlpack import CUDA
from stc.runtime.machine.machine import Gpu
from tests.runtime import tiny_model
from tests.runtime.backends import engine_bundle
from tests.runtime.backends.engine_bundle import Gpus
from tests.runtime.backends.tensorrt.other_library import SpeaksBoth, SpeaksDlPack, SpeaksInterface

TWO = tiny_model.frame((1, (0, 0, 9, 9)), (3, (20, 20, 30, 30)))[None]
ADA, HOPPER = Gpu("Fake GPU", "SM89", 8 << 30), Gpu("Other GPU", "SM90", 80 << 30)


@pytest.fixture
def three(gpus: Gpus) -> Gpus:
    gpus.cuda.targets = ((8, 9), (8, 9), (9, 0))
    gpus.machine = replace(gpus.machine, gpus=(ADA, ADA, HOPPER))
    return gpus


def elsewhere(work: Callable[[], None]) -> None:
    """In a thread of its own, whose GPU is the first one as long as nobody chooses."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


@pytest.mark.parametrize("flavour", ["tensorrt", "rtx"])
def test_a_session_works_from_any_thread_on_the_gpu_it_was_opened_on(
    three: Gpus, tmp_path: Path, flavour: engine_bundle.FlavourName
) -> None:
    bundle = engine_bundle.write(tmp_path / "bundle", flavour=flavour)
    session = Session(bundle, device="cuda:1")
    assert session.device == "cuda:1"
    done = []

    def run() -> None:
        here = three.cuda.current
        frame = SpeaksInterface(three.cuda, TWO, 1, version=2)
        with pytest.raises(InputError, match=rf"memory of cuda:{here}, while the engine runs on cuda:1.*'cuda:{here}'"):
            session.infer(frame)
        assert session.infer(TWO)["num_detections"].tolist() == [2]
        done.append(threading.get_ident())

    for _ in range(2):
        elsewhere(run)
    three.cuda.use(2)
    run()
    assert three.cuda.current == 2 and len(done) == 3
    three.cuda.memory = {a: block for a, block in three.cuda.memory.items() if three.cuda.home[a] == 1}
    elsewhere(session.close)
    assert not three.cuda.memory and not three.cuda.streams and not three.cuda.events and not three.cuda.graphs


def test_frames_and_outputs_carry_the_number_of_their_gpu(three: Gpus, engine: Path) -> None:
    with Session(engine, device="cuda:1") as session:
        three.cuda.use(1)
        stream = three.cuda.new_stream(blocking=False)
        frames = [
            SpeaksBoth(three.cuda, TWO, stream),
            SpeaksInterface(three.cuda, TWO, 1),
            SpeaksDlPack(three.cuda, TWO, 2),
        ]
        three.cuda.use(0)
        for frame in frames:
            outputs = session.infer_on_device(frame)
            assert {array.__dlpack_device__() for array in outputs.values()} == {(CUDA, 1)}
            assert session.infer(frame)["num_detections"].tolist() == [2]


def test_other_gpus_are_not_touched(three: Gpus, engine: Path) -> None:
    """A context costs memory, so choosing the first GPU again is only for a process that uses it."""
    with Session(engine, device="cuda:1") as session:
        session.infer(TWO)
    assert three.cuda.contexts == {1}
    three.cuda.use(0)
    with Session(engine, device="cuda:1") as session:
        session.infer(TWO)
        assert three.cuda.current == 0


def test_memory_that_is_no_gpus_is_refused_before_it_breaks_cuda(three: Gpus, engine: Path) -> None:
    _, pinned = three.cuda.cudaMallocHost(TWO.nbytes)
    with Session(engine, device="cuda") as session:
        for pointer in (TWO.ctypes.data, pinned):
            frame = SpeaksInterface(three.cuda, TWO, 1, data=(pointer, False))
            with pytest.raises(InputError, match="not in GPU memory"):
                session.infer(frame)


@pytest.mark.parametrize("name", ["cuda:3", "cuda:1000"])
@pytest.mark.parametrize("model", ["", "engine.plan", "model.onnx"])
def test_a_gpu_that_is_not_there_is_refused_with_their_number(three: Gpus, engine: Path, name: str, model: str) -> None:
    with pytest.raises(IncompatibleError, match=f"{name}: no such GPU; this process may use 3 GPUs, cuda:0 to cuda:2"):
        Session(engine / model, device=name)
    three.machine = replace(three.machine, gpus=(ADA,))
    with pytest.raises(IncompatibleError, match="this process may use 1 GPU, cuda;"):
        Session(engine / model, device=name)


@pytest.mark.parametrize("name", ["", "tpu", "cuda:", "cuda:-1", "cuda:x", "CUDA", "cuda:1:2", "cuda: 1", "cuda:99999"])
def test_what_is_no_device_is_an_input_error(engine: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"unknown device .*known: cpu, cuda"):
        Session(engine, device=name)


def test_an_engine_is_held_against_the_gpu_that_was_asked_for(three: Gpus, engine: Path) -> None:
    with pytest.raises(IncompatibleError, match=r"here is Other GPU \(SM90\); fix: .*--device cuda:0"):
        Session(engine, device="cuda:2")
    three.machine = replace(three.machine, gpus=(HOPPER, ADA))
    three.cuda.targets = ((9, 0), (8, 9))
    with pytest.raises(IncompatibleError, match=r"here is Other GPU \(SM90\); fix: .*--device cuda:1"):
        Session(engine, device="cuda")
    with Session(engine, device="cuda:1") as session:
        np.testing.assert_array_equal(session.infer(TWO)["num_detections"], [2])
