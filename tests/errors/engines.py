"""Engines that are not for this machine, or not what their passports say."""

from __future__ import annotations

import sys
from dataclasses import replace

import onnx

from stc.errors import Missing
from stc.files import sha256
from stc.runtime import Session
from stc.runtime.bundle import passport
from stc.runtime.machine.machine import Driver, Gpu
from stc.runtime.machine.plugin import Plugin
from tests.errors.cases import Place, case
from tests.runtime import tiny_model
from tests.runtime.backends import engine_bundle
from tests.runtime.backends.fake_cuda import cudaError_t
from tests.runtime.backends.tensorrt.other_library import SpeaksInterface

FRAME = tiny_model.frame((0, (8, 12, 40, 44)))[None]


@case
def no_driver(place: Place) -> None:
    place.machine(driver=None, gpus=())
    place.load()


@case
def old_driver(place: Place) -> None:
    place.machine(driver=Driver("550.54", "12.4"))
    place.load()


@case
def no_gpu(place: Place) -> None:
    place.machine(gpus=(), cuda_error="cudaErrorNoDevice")
    place.load()


@case
def no_tensorrt(place: Place) -> None:
    place.machine(tensorrt=())
    place.load()


@case
def broken_tensorrt(place: Place) -> None:
    place.monkeypatch.setitem(sys.modules, "tensorrt", None)  # an import of it raises ImportError
    place.load()


@case
def no_cuda_bindings(place: Place) -> None:
    place.machine(cuda_bindings=None)
    place.load()


@case
def wrong_version(place: Place) -> None:
    engine_bundle.write(place.bundle, version="10.3.0")
    place.load()


@case
def wrong_gpu(place: Place) -> None:
    place.machine(gpus=(Gpu("H100", "SM90", 80 << 30),))
    place.load()


@case
def other_gpu_fits(place: Place) -> None:
    place.machine(gpus=(Gpu("H100", "SM90", 80 << 30), *place.gpus.machine.gpus))
    place.load()


@case
def missing_plugin(place: Place) -> None:
    place.machine(plugin=Missing("it was not built"))
    place.load()


@case
def altered_plugin(place: Place) -> None:
    place.library.write_bytes(b"plugin c0de")
    place.machine(plugin=Plugin(place.library, sha256(place.library)))
    place.load()


@case
def refused_plugin(place: Place) -> None:
    place.gpus.tensorrt.refuse_library = True
    place.load()


@case
def newer_plugin(place: Place) -> None:
    place.machine(plugin=Plugin(place.library, sha256(place.library), cuda=14))
    place.load()


@case
def altered_plan(place: Place) -> None:
    place.flip("engine.plan")
    place.load()


@case
def unlisted_plan(place: Place) -> None:
    known = passport.read(place.bundle)
    replace(known, engine=None, files={"model.onnx": known.files["model.onnx"]}).write(place.bundle)
    place.load()


@case
def lone_plan(place: Place) -> None:
    (place.bundle / "passport.json").unlink()
    place.load(trust=True)


@case
def garbage_plan(place: Place) -> None:
    place.put_plan(b"\x89PNG" + bytes(1000))
    place.load(trust=True)


@case
def truncated_plan(place: Place) -> None:
    place.put_plan((place.bundle / "engine.plan").read_bytes()[:-100])
    place.load(trust=True)


@case
def foreign_plan(place: Place) -> None:
    model = (place.bundle / "model.onnx").read_bytes()
    place.put_plan(engine_bundle.fake_tensorrt.plan(model, version="10.3.0"))
    place.load(trust=True)


@case
def other_model(place: Place) -> None:
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])],
        "other",
        [value("x", onnx.TensorProto.FLOAT, [1, 4])],
        [value("y", onnx.TensorProto.FLOAT, [1, 4])],
    )
    built = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    engine_bundle.write(place.bundle, built=built)
    place.load()


@case
def engine_on_cpu(place: Place) -> None:
    place.load(device="cpu")


@case
def no_such_gpu(place: Place) -> None:
    place.load(device="cuda:3")


@case
def frames_elsewhere(place: Place) -> None:
    session = Session(place.bundle / "engine.plan")
    place.gpus.cuda.use(1)
    session.infer(SpeaksInterface(place.gpus.cuda, FRAME, 1))


@case
def engine_size(place: Place) -> None:
    engine_bundle.write(place.bundle, passport=replace(tiny_model.PASSPORT, shortest_edge=(60, 107)))
    with Session(place.bundle / "engine.plan") as session:
        session.stream()(tiny_model.frame(size=(50, 500)))


@case
def sticky_cuda(place: Place) -> None:
    session = Session(place.bundle / "engine.plan")
    place.gpus.cuda.fail("cudaStreamSynchronize", cudaError_t.cudaErrorIllegalAddress)
    session.infer(FRAME)


@case
def cuda_memory(place: Place) -> None:
    place.gpus.cuda.fail("cudaMalloc", cudaError_t.cudaErrorMemoryAllocation, after=3)
    place.load()


@case
def tensorrt_refuses(place: Place) -> None:
    session = Session(place.bundle / "engine.plan")
    place.gpus.tensorrt.fail_enqueue = {1}
    session.infer(FRAME)
