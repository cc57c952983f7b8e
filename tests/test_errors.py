"""docs/errors.md: every row happens, with the message, the fix and the exit code that it promises."""

from __future__ import annotations

import builtins
import json
import os
import pickle
import re
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from stc.benchmarks import reference
from stc.cli import run
from stc.errors import Missing
from stc.export import folder
from stc.export.triton import repository
from stc.files import sha256, write_text
from stc.runtime import DeviceFrame, Session, Stream, TrackerConfig
from stc.runtime.backends.openvino import OpenVinoBackend
from stc.runtime.backends.triton import TritonBackend
from stc.runtime.bundle import passport
from stc.runtime.machine import openvino
from stc.runtime.machine.machine import Driver, Gpu
from stc.runtime.machine.plugin import Plugin
from stc.runtime.video import ReconnectPolicy, open_source
from tests.benchmarks.evaluation import annotated
from tests.benchmarks.proven import prove
from tests.run_lengths import compressed, wrapping
from tests.runtime import tiny_model
from tests.runtime.backends import engine_bundle, lying_server, triton_server
from tests.runtime.backends.engine_bundle import Gpus
from tests.runtime.backends.fake_cuda import cudaError_t
from tests.runtime.backends.tensorrt.other_library import SpeaksInterface
from tests.runtime.track.track_cli import give_source
from tests.runtime.video.clips import encode, steady
from tests.seeded import crossvis_state, settings, stc_lite_model

DOCUMENT = Path(__file__).parents[1] / "docs" / "errors.md"
FRAME = tiny_model.frame((0, (8, 12, 40, 44)))[None]


@dataclass(frozen=True)
class Row:
    """`message` and `fixes` are regular expressions; `fixes` only those in code quotes, or the whole text without."""

    id: str
    message: str
    fixes: tuple[str, ...]
    exit_code: int


def rows() -> list[Row]:
    found = []
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 5 and cells[0] not in {"id", "---"}:
            identity, _, message, fix, code = cells
            quoted = re.findall(r"`([^`]+)`", fix)
            fixes = tuple(_pattern(text) for text in quoted)
            found.append(Row(identity.strip(), _pattern(message), fixes, int(code)))
    return found


def _pattern(text: str) -> str:
    return re.escape(text).replace(re.escape("…"), ".*?")


@dataclass
class Place:
    """Where a case happens: a bundle with an engine that fits the pretended machine."""

    bundle: Path
    gpus: Gpus
    library: Path
    monkeypatch: pytest.MonkeyPatch

    def machine(self, **changes: Any) -> None:
        self.gpus.machine = replace(self.gpus.machine, **changes)

    def load(self, name: str = "engine.plan", **options: Any) -> None:
        Session(self.bundle / name, **options).close()

    def flip(self, name: str) -> None:
        path = self.bundle / name
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    def put_plan(self, content: bytes) -> None:
        (self.bundle / "engine.plan").write_bytes(content)


CASES: dict[str, Callable[[Place], Any]] = {}


def case(function: Callable[[Place], Any]) -> Callable[[Place], Any]:
    CASES[function.__name__.replace("_", "-")] = function
    return function


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


def track(place: Place, *arguments: str) -> int:
    from stc.runtime.track.main import main

    return main([*arguments, "--model", str(place.bundle)])


@case
def no_input(place: Place) -> None:
    track(place, "missing.mp4", "-o", "out.mp4")


@case
def no_live_sources(place: Place) -> None:
    """Told by what those systems lack."""
    place.monkeypatch.delattr("select.poll")
    track(place, "rtsp://user:secret@127.0.0.1:9/live", "-o", "out.mp4")


@case
def no_camera(place: Place) -> None:
    track(place, "97", "-o", "out.mp4")


@case
def no_video(place: Place) -> None:
    track(place, str(place.bundle / "model.onnx"), "-o", "out.mp4")


@case
def unknown_codec(place: Place) -> None:
    path = encode(place.bundle.with_name("clip.mp4"), steady(3))
    path.write_bytes(path.read_bytes().replace(b"avc1", b"qqqq"))
    track(place, str(path), "-o", "out.mp4")


@case
def no_such_decoder(place: Place) -> None:
    clip = encode(place.bundle.with_name("clip.mp4"), steady(3))
    track(place, str(clip), "-o", str(clip.with_name("out.mp4")), "--hwaccel", "nvdec")


@case
def no_such_stream(place: Place) -> None:
    track(place, f"{encode(place.bundle.with_name('clip.mp4'), steady(3))}#2", "-o", "out.mp4")


@case
def pipe_as_input(place: Place) -> None:
    track(place, "-", "-o", "out.mp4")


@case
def list_as_input(place: Place) -> None:
    path = place.bundle.with_name("list.txt")
    path.write_text("a.mp4\n")
    track(place, str(path), "-o", "out.mp4")


@case
def pipeline_as_input(place: Place) -> None:
    track(place, "v4l2src ! videoconvert ! appsink", "-o", "out.mp4")


@case
def folder_of_videos(place: Place) -> None:
    folder = place.bundle.with_name("clips")
    folder.mkdir()
    encode(folder / "a.mp4", steady(3))
    track(place, str(folder), "-o", "out.mp4")


@case
def no_picture(place: Place) -> None:
    path = place.bundle.with_name("photo.png")
    path.write_bytes(b"GIF89a")
    track(place, str(path), "-o", "out.png")


@case
def gigantic_picture(place: Place) -> None:
    path = place.bundle.with_name("map.png")
    Image.new("1", (10_000, 10_001)).save(path)
    track(place, str(path), "-o", "out.png")


@case
def unreachable(place: Place) -> None:
    track(place, "rtsp://user:password@127.0.0.1:9/live", "-o", "out.mp4")


@case
def source_lost(place: Place) -> None:
    policy = ReconnectPolicy(first_delay=0.01, give_up=0.1, retry_first=True)
    with open_source("rtsp://user:password@127.0.0.1:9/live", reconnect=policy) as source:
        list(source)


@case
def live_json(place: Place) -> None:
    give_source(place.monkeypatch, lambda: iter(()), live=True)
    track(place, "rtsp://127.0.0.1:9/live", "--json", "out.json")


@case
def one_file_for_many(place: Place) -> None:
    track(place, "a.mp4", "b.mp4", "-o", "out.mp4")


@case
def foreign_pictures(place: Place) -> None:
    folder = place.bundle.with_name("pictures")
    folder.mkdir()
    (folder / "mine.txt").touch()
    track(place, str(place.bundle / "model.onnx"), "-o", str(folder))


@case
def foreign_output(place: Place) -> None:
    (place.bundle / "mine.png").write_bytes(b"the only copy")
    track(place, str(place.bundle / "model.onnx"), "--contact", str(place.bundle / "mine.png"))


@case
def no_stream(place: Place) -> None:
    track(place, str(place.bundle / "model.onnx"), "-o", "-")


@case
def no_rotation(place: Place) -> None:
    track(place, str(place.bundle / "model.onnx"), "--jsonl", "t.jsonl", "--rotate", "often")


def evaluation(place: Place, *arguments: str) -> None:
    from stc.benchmarks.evaluation.main import main

    (place.bundle / "truth.json").write_text("{}")
    place.monkeypatch.chdir(place.bundle)
    main(["--results", "results.json", "--data", "truth.json", *arguments])


def configured(place: Place, line: str) -> int:
    from stc.runtime.track.main import main

    path = place.bundle / "gate.toml"
    path.write_text(line)
    return main(["--config", str(path)])


@case
def no_such_setting(place: Place) -> None:
    configured(place, "scoer = 0.5")


@case
def setting_type(place: Place) -> None:
    configured(place, 'every = "2"')


@case
def output_is_input(place: Place) -> None:
    evaluation(place, "--json", "truth.json")


@case
def output_twice(place: Place) -> None:
    from stc.benchmarks.main import main

    main([str(place.bundle), "--json", "report", "--html", "report"])


@case
def output_is_folder(place: Place) -> None:
    evaluation(place, "--json", ".")


@case
def output_unwritable(place: Place) -> None:
    evaluation(place, "--json", "/proc/none.json")


@case
def pipe_unread(place: Place) -> None:
    place.monkeypatch.setattr("stc.pipes.PATIENCE", 0.2)
    os.mkfifo(place.bundle / "pipe")
    write_text(place.bundle / "pipe", "text")


@case
def stdout_full(place: Place) -> None:
    place.monkeypatch.setattr(sys, "stdout", open("/dev/full", "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    print("text")  # noqa: T201


def into(place: Place, name: str, *more: str) -> None:
    from stc.export.main import main

    main(["--ckpt", "assets/stc-lite.safetensors", "-o", str(place.bundle.parent / name), *more])


@case
def bundle_folder(place: Place) -> None:
    (place.bundle.parent / "thesis").mkdir()
    (place.bundle.parent / "thesis/chapter1.tex").touch()
    into(place, "thesis", "--trt", "none")


@case
def bundle_clash(place: Place) -> None:
    known = passport.read(place.bundle)
    listed = {name: digest for name, digest in known.files.items() if name != "engine.plan"}
    replace(known, files=listed).write(place.bundle)
    folder.bundle(place.bundle, frozenset({"engine.plan"}))


@case
def bundle_untold(place: Place) -> None:
    place.flip("passport.json")
    into(place, place.bundle.name, "--trt", "none")


@case
def triton_edited(place: Place) -> None:
    bundle = tiny_model.write_bundle(place.bundle.parent / "plain")
    written = repository.write(bundle, place.bundle.parent / "models")
    (written.path / "tiny/config.pbtxt").write_text("mine")
    repository.write(bundle, written.path)


@case
def run_folder(place: Place) -> None:
    from stc.training.main import main

    (place.bundle / "log.csv").touch()
    main(["--data", "a.json", "--frames", "frames", "--output", str(place.bundle)])


def gate(place: Place, **options: Any) -> Stream:
    return Session(place.bundle / "model.onnx").stream("gate-1", **options)


@case
def bad_frame(place: Place) -> None:
    gate(place)(FRAME[0, :, :, 0])


@case
def time_goes_back(place: Place) -> None:
    stream = gate(place)
    stream(FRAME[0], 1.0)
    stream(FRAME[0], 0.5)


@case
def closed_stream(place: Place) -> None:
    stream = gate(place)
    stream.close()
    stream(FRAME[0])


@case
def stream_in_use(place: Place) -> None:
    stream = gate(place)
    with stream.exclusive():
        stream(FRAME[0])


@case
def stream_in_flight(place: Place) -> None:
    stream, go = gate(place, in_flight=2), threading.Event()
    infer = stream.session.infer
    place.monkeypatch.setattr(stream.session, "infer", lambda *inputs: go.wait(30) and infer(*inputs))
    handle = stream.submit(FRAME[0])
    try:
        stream(FRAME[0])
    finally:
        go.set()
        handle.result(30)
        stream.close()


@case
def frame_skipped(place: Place) -> None:
    stream = gate(place, in_flight=2)
    handles = [stream.submit(frame) for frame in (FRAME, FRAME[0])]
    stream.close()
    handles[1].result(30)


@case
def left_the_gpu(place: Place) -> None:
    from stc.runtime.backends.tensorrt.resident import kernels
    from tests.runtime.backends.tensorrt.resident.fake_kernels import FakeKernels

    found = kernels.Kernels(FakeKernels(place.gpus.cuda), "libfake.so")
    place.monkeypatch.setattr(kernels, "find", lambda here: found)
    with Session(place.bundle / "engine.plan") as session:
        stream = session.stream()
        before = stream(FRAME[0])
        stream(FRAME[0])
        before.masks.bits(device=True)


@case
def gpu_frame(place: Place) -> None:
    gate(place)(DeviceFrame(FRAME[0]))


@case
def no_embeddings(place: Place) -> None:
    without = replace(tiny_model.PASSPORT, embedding_dim=0)
    session = Session(tiny_model.write_bundle(place.bundle / "plain", without, tiny_model.model(without)))
    session.stream(tracker=TrackerConfig(rule="qdtrack"))(FRAME[0])


@case
def foreign_stream(place: Place) -> None:
    Session(place.bundle / "model.onnx").step({gate(place): FRAME[0]})


def ray_track(place: Place, video: str, address: str = "local") -> None:
    from stc.runtime.track.main import main

    model = str(place.bundle / "model.onnx")
    main([video, "--model", model, "-o", str(place.bundle / "out"), "--ray", address])


@case
def no_opencv(place: Place) -> None:
    from stc.runtime.masks.outlines import outlines

    place.monkeypatch.delitem(sys.modules, "stc.opencv", raising=False)
    place.monkeypatch.setitem(sys.modules, "cv2", None)
    outlines(np.ones((4, 4), np.bool_))


@case
def no_ray(place: Place) -> None:
    place.monkeypatch.setitem(sys.modules, "ray", None)
    ray_track(place, str(place.bundle / "model.onnx"))


@case
def no_cluster(place: Place) -> None:
    pytest.importorskip("ray", reason="pip install 'stc-trt[ray]'")
    ray_track(place, str(place.bundle / "model.onnx"), "127.0.0.1:9")


@case
def ray_live(place: Place) -> None:
    ray_track(place, "rtsp://user:password@127.0.0.1:9/live")


def publish(url: str) -> None:
    from stc.runtime.publishing.publisher import publishing

    with publishing(url):
        pass


@case
def no_paho(place: Place) -> None:
    place.monkeypatch.setitem(sys.modules, "paho.mqtt", None)
    publish("mqtt://127.0.0.1:9/gate")


@case
def no_redis(place: Place) -> None:
    place.monkeypatch.setitem(sys.modules, "redis", None)
    publish("redis://127.0.0.1:9/gate")


@case
def no_broker(place: Place) -> None:
    pytest.importorskip("paho.mqtt", reason="pip install 'stc-trt[mqtt]'")
    publish("mqtt://127.0.0.1:9/gate")


@case
def no_topic(place: Place) -> None:
    publish("mqtt://127.0.0.1")


@case
def busy_port(place: Place) -> None:
    from stc.runtime.metrics.endpoint import metrics_page

    with metrics_page("0", str) as url, metrics_page(url.split("/")[2], str):
        pass


@case
def busy_page(place: Place) -> None:
    from stc.runtime.serving.live_view import live_view

    with live_view("0") as view, live_view(view.url.split("/")[2]):
        pass


FLAGS = "WINDOW_NORMAL = WINDOW_KEEPRATIO = WINDOW_GUI_NORMAL = 0"


def show(place: Place, fake: str = "", display: str = ":99") -> None:
    """fake: the source of a module cv2 that the window's process finds first."""
    from stc.runtime.serving.window import Window

    place.monkeypatch.setenv("DISPLAY", display)
    place.monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    if fake:
        folder = place.bundle.parent / "fake"
        folder.mkdir()
        (folder / "cv2.py").write_text(fake)
        place.monkeypatch.syspath_prepend(folder)
    Window("gate", lambda: None).close()


@case
def no_display(place: Place) -> None:
    show(place, display="")


@case
def no_window_opencv(place: Place) -> None:
    show(place, "raise ModuleNotFoundError(\"No module named 'cv2'\", name='cv2')")


@case
def headless_opencv(place: Place) -> None:
    refuses = "def namedWindow(*_): raise error('not implemented')"
    show(place, f"class error(Exception): pass\n__version__ = '4.9.0'\n{FLAGS}\n{refuses}")


@case
def lost_display(place: Place) -> None:
    show(place, f"import os\n{FLAGS}\ndef namedWindow(*_): os.abort()")


@case
def no_tritonclient(place: Place) -> None:
    place.monkeypatch.setitem(sys.modules, "tritonclient.grpc", None)
    TritonBackend("grpc://127.0.0.1:9", "tiny")


@case
def no_triton(place: Place) -> None:
    TritonBackend("http://127.0.0.1:9", "tiny", timeout=5)


@case
def triton_foreign(place: Place) -> None:
    (place.bundle / "engine.plan").unlink()
    tiny_model.write_bundle(place.bundle)
    model = triton_server.Model(repository.write(place.bundle, place.bundle / "models").path, "tiny")
    model.config.parameters.clear()
    with triton_server.serve_http(model) as url:
        TritonBackend(url, "tiny")


@case
def triton_lies(place: Place) -> None:
    wrong = np.zeros((1, 3, 4), np.float32)
    with lying_server.serve(lying_server.Lies(arrays=lambda found: found.update(boxes=wrong))) as url:
        TritonBackend(url, "tiny").run(FRAME)


def triton(place: Place) -> None:
    from stc.export.main import main

    place.monkeypatch.setenv("STC_TENSORRT_PLUGIN", str(place.library))
    main(["--bundle", str(place.bundle), "--triton", str(place.library.parent / "models")])


@case
def triton_plugin(place: Place) -> None:
    place.library.write_bytes(b"plugin c0de")
    triton(place)


@case
def triton_loader(place: Place) -> None:
    triton(place)


@case
def triton_folder(place: Place) -> None:
    (place.library.parent / "models" / "resnet").mkdir(parents=True)
    triton(place)


@case
def pickled_session(place: Place) -> None:
    pickle.dumps(Session(place.bundle / "model.onnx"))


def evaluate(place: Place, annotations: Any, results: Any = ()) -> None:
    from stc.benchmarks.evaluation.main import main

    paths = place.bundle / "annotations.json", place.bundle / "results.json"
    for path, content in zip(paths, (annotations, results), strict=True):
        if content is not None:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
    main(["--data", str(paths[0]), "--results", str(paths[1])])


@case
def annotations_missing(place: Place) -> None:
    evaluate(place, None)


@case
def annotations_no_json(place: Place) -> None:
    evaluate(place, "[" * 100_000)


@case
def annotations_no_list(place: Place) -> None:
    evaluate(place, {"videos": [], "annotations": []})


@case
def annotations_hidden(place: Place) -> None:
    evaluate(place, {"videos": [], "categories": [], "annotations": None})


@case
def masks_runs(place: Place) -> None:
    truth, found = annotated.videos()
    found[0]["segmentations"][0]["counts"] = compressed(wrapping(60 * 96))
    evaluate(place, truth, found)


@case
def results_of_pictures(place: Place) -> None:
    evaluate(place, annotated.videos()[0], annotated.pictures()[1])


def bench(*arguments: str) -> int:
    from stc.benchmarks.main import main

    return main([*arguments, "--frames", "1"])


@case
def bench_no_reference(place: Place) -> None:
    bench(str(place.bundle))


@case
def bench_altered_reference(place: Place) -> None:
    prove(place.bundle)
    place.flip("reference.npz")
    bench(str(place.bundle))


@case
def bench_other_reference(place: Place) -> None:
    own = reference.read(prove(place.bundle) / "reference.npz")
    replace(own, frames=own.frames[:, :32]).write(place.bundle / "other.npz")
    bench(str(place.bundle), "--reference", str(place.bundle / "other.npz"))


@case
def bench_no_frames(place: Place) -> None:
    from stc.model import checkpoint

    place.monkeypatch.setitem(sys.modules, "tensorrt", None)  # PyTorch would look into the pretended one
    checkpoint.save(stc_lite_model(0), place.bundle / "lite.safetensors")
    bench(str(place.bundle / "lite.safetensors"))


@case
def bench_fixed_batch(place: Place) -> None:
    prove(place.bundle)
    place.monkeypatch.setattr(Session, "batches", property(lambda self: (4, 4)))
    bench(str(place.bundle))


@case
def bench_wrong_option(place: Place) -> None:
    bench(str(place.bundle), "--streams", "2")


def export(place: Place, *arguments: str) -> int:
    from stc.export.main import main

    place.monkeypatch.setitem(sys.modules, "tensorrt", None)  # PyTorch would look into the pretended one
    return main(arguments)


def weights(place: Place, **changes: Any) -> str:
    """A file with the names and shapes of a CrossVIS checkpoint, one number stored of each tensor."""
    import torch

    published = crossvis_state(0)
    ones = {name: torch.ones(()).expand(tensor.shape) for name, tensor in published.items()}
    state = ones | settings(published)
    path = place.bundle / "c.pth"
    torch.save({name: tensor for name, tensor in {**state, **changes}.items() if tensor is not None}, path)
    return str(path)


def mapped(place: Place, *lines: str) -> int:
    path = place.bundle / "map.txt"
    path.write_text("\n".join(lines))
    return export(place, "--inspect", "--ckpt", weights(place), "--key-map", str(path))


@case
def ckpt_missing(place: Place) -> None:
    export(place, "--ckpt", str(place.bundle / "nowhere.pth"), "--trt", "none")


@case
def ckpt_damaged(place: Place) -> None:
    path = Path(weights(place))
    path.write_bytes(path.read_bytes()[:-1000])
    export(place, "--inspect", "--ckpt", str(path))


@case
def ckpt_code(place: Place) -> None:
    path = place.bundle / "c.pkl"
    path.write_bytes(b"\x80\x02}X\x05\x00\x00\x00modelcposix\nsystem\nX\x02\x00\x00\x00ls\x85Rs.")
    export(place, "--inspect", "--ckpt", str(path))


@case
def ckpt_no_weights(place: Place) -> None:
    import torch

    torch.save({"epoch": 3}, place.bundle / "c.pth")
    export(place, "--inspect", "--ckpt", str(place.bundle / "c.pth"))


@case
def ckpt_other_model(place: Place) -> None:
    import torch

    torch.save({"encoder.0.weight": torch.ones(3, 3)}, place.bundle / "c.pth")
    export(place, "--ckpt", str(place.bundle / "c.pth"), "--trt", "none")


@case
def ckpt_incomplete(place: Place) -> None:
    export(place, "--ckpt", weights(place, **{"controller.weight": None}), "--trt", "none")


@case
def ckpt_foreign_head(place: Place) -> None:
    import torch

    extra = {"embed_head.0.weight": torch.ones(256, 256, 1, 1), "embed_head.0.bias": torch.ones(256)}
    export(place, "--ckpt", weights(place, **extra), "--trt", "none")


@case
def ckpt_class_names(place: Place) -> None:
    export(place, "--inspect", "--ckpt", weights(place), "--classes", "coco")


def trained_with(place: Place, text: str, *arguments: str) -> int:
    """Weights with a config beside them; or, with --config, one of that name."""
    (place.bundle / "config.yaml").write_text(text)
    return export(place, "--ckpt", weights(place), "--trt", "none", *arguments)


@case
def ckpt_config_contradicts(place: Place) -> None:
    trained_with(place, "MODEL: {RESNETS: {DEPTH: 101}}")


@case
def ckpt_config_unsupported(place: Place) -> None:
    trained_with(place, "MODEL: {RESNETS: {RES5_DILATION: 2}}")


@case
def ckpt_config_value(place: Place) -> None:
    trained_with(place, "MODEL: {FCOS: {NMS_TH: 60}}")


@case
def config_unreadable(place: Place) -> None:
    trained_with(place, "MODEL: [", "--config", str(place.bundle / "config.yaml"))


@case
def config_rests_on_another(place: Place) -> None:
    trained_with(place, "_BASE_: Base-CrossVIS.yaml", "--config", str(place.bundle / "config.yaml"))


@case
def key_map_unreadable(place: Place) -> None:
    export(place, "--inspect", "--ckpt", weights(place), "--key-map", str(place.bundle / "nowhere.txt"))


@case
def key_map_expression(place: Place) -> None:
    mapped(place, r"(\w+\.)+weight head.scales")


@case
def key_map_no_name(place: Place) -> None:
    mapped(place, r"cls\.weight head.classifier.weight")


@case
def key_map_no_match(place: Place) -> None:
    mapped(place, r"track\..* head.track_pred.weight")


@case
def key_map_twice(place: Place) -> None:
    mapped(place, r"cls\..* head.controller.bias")


@case
def key_map_taken(place: Place) -> None:
    mapped(place, r"cls\.bias head.controller.bias")


@case
def inspect_exports_nothing(place: Place) -> None:
    export(place, "--inspect", "--ckpt", "c.pth", "--fp16")


@case
def json_of_nothing(place: Place) -> None:
    export(place, "--json", "--ckpt", "c.pth")


@case
def convert_itself(place: Place) -> None:
    path = place.bundle / "c.safetensors"
    path.write_bytes(b"weights")
    export(place, "--to-safetensors", str(path), "--ckpt", str(path))


@case
def convert_nowhere(place: Place) -> None:
    path = place.bundle / "passport.json" / "c.safetensors"
    export(place, "--to-safetensors", str(path), "--ckpt", "assets/stc-lite.safetensors")


def test_every_row_has_a_case_and_every_case_a_row() -> None:
    ids = [row.id for row in rows()]
    assert len(ids) == len(set(ids)) > 30
    assert set(ids) == set(CASES)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.id)
def test_the_row_is_true(
    row: Row,
    gpus: Gpus,
    engine: Path,
    library: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = Place(engine, gpus, library, monkeypatch)
    code = run(lambda _: CASES[row.id](place) or 0, [])
    monkeypatch.undo()
    shown = capsys.readouterr().err
    assert code == row.exit_code, shown
    assert shown.startswith("error: ") and "Traceback" not in shown
    assert shown.count("\n") == 1 or row.id.startswith(("ckpt-", "key-map-"))  # these list all that is wrong
    for pattern in (row.message, *row.fixes):
        assert re.search(pattern, shown), f"{pattern}\nnot in\n{shown}"
