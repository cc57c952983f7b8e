"""Clusters, brokers, pages, windows and servers that are not there."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from stc.export.triton import repository
from stc.runtime.backends.triton import TritonBackend
from tests.errors.cases import Place, case
from tests.runtime import tiny_model
from tests.runtime.backends import lying_server, triton_server

FRAME = tiny_model.frame((0, (8, 12, 40, 44)))[None]
FLAGS = "WINDOW_NORMAL = WINDOW_KEEPRATIO = WINDOW_GUI_NORMAL = 0"


def ray_track(place: Place, video: str, address: str = "local") -> None:
    from stc.runtime.track.main import main

    model = str(place.bundle / "model.onnx")
    main([video, "--model", model, "-o", str(place.bundle / "out"), "--ray", address])


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
