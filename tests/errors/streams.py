"""Frames and streams that do not go together."""

from __future__ import annotations

import pickle
import sys
import threading
from dataclasses import replace
from typing import Any

import numpy as np

from stc.runtime import DeviceFrame, Session, Stream, TrackerConfig
from tests.errors.cases import Place, case
from tests.runtime import tiny_model

FRAME = tiny_model.frame((0, (8, 12, 40, 44)))[None]


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


@case
def no_opencv(place: Place) -> None:
    from stc.runtime.masks.outlines import outlines

    place.monkeypatch.delitem(sys.modules, "stc.opencv", raising=False)
    place.monkeypatch.setitem(sys.modules, "cv2", None)
    outlines(np.ones((4, 4), np.bool_))


@case
def pickled_session(place: Place) -> None:
    pickle.dumps(Session(place.bundle / "model.onnx"))
