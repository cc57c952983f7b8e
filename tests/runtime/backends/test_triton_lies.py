"""A Triton server that gives something else than it should, or never stops, is refused in the stated time."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stc.errors import IncompatibleError, InputError, StcError
from stc.export.triton.repository import write
from stc.runtime import Session
from stc.runtime.backends.triton import TritonBackend
from tests.runtime import tiny_model
from tests.runtime.backends.lying_server import Arrays, Lies, arrays, serve
from tests.runtime.backends.triton_server import Model, serve_grpc

TIMEOUT = 1.5
GRACE = 10  # beyond it, for a machine that has other work: what is refused too late waited for something else
FRAME = tiny_model.frame()


def tracked(lies: Lies) -> Any:
    with serve(lies) as url:
        backend = TritonBackend(url, "tiny", timeout=TIMEOUT)
        with Session.from_backend(backend, backend.passport, "tiny") as session:
            result = session.stream()(FRAME)
            result.masks.rle()
            return result


def without(name: str) -> Callable[[Arrays], None]:
    return lambda found: found.pop(name)


def having(name: str, array: Any) -> Callable[[Arrays], None]:
    return lambda found: found.update({name: array})


def count(value: int) -> Callable[[Arrays], None]:
    return having("num_detections", np.array([value], np.int32))


def of_output(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    """The second output of an inference, boxes, said to be different; None: not said at all."""

    def change(said: dict[str, Any]) -> Any:
        output = said["outputs"][1]
        said["outputs"][1] = {k: v for k, v in {**output, **changes}.items() if v is not None}
        return said

    return change


def parameters(**texts: Any) -> Callable[[dict[str, Any]], Any]:
    def change(said: dict[str, Any]) -> Any:
        said["parameters"].update({f"stc.{name}": value for name, value in texts.items()})
        return said

    return change


def endless(client: socket.socket, content: bytes) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4000000000000\r\n\r\n")
    while True:
        client.sendall(bytes(1 << 16))


def endless_in_pieces(client: socket.socket, content: bytes) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        client.sendall(b"10000\r\n" + bytes(1 << 16) + b"\r\n")


def endless_headers(client: socket.socket, content: bytes) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        client.sendall(b"X: " + b"x" * 1000 + b"\r\n")


def drip(client: socket.socket, content: bytes) -> None:
    for byte in content:
        client.sendall(bytes([byte]))
        time.sleep(0.3)


def drip_behind_the_headers(client: socket.socket, content: bytes) -> None:
    start = content.index(b"\r\n\r\n") + 4
    client.sendall(content[:start])
    drip(client, content[start:])


def half(client: socket.socket, content: bytes) -> None:
    client.sendall(content[: len(content) // 2])
    client.shutdown(socket.SHUT_WR)


def compressed(content: bytes) -> bytes:
    body = gzip.compress(content[content.index(b"\r\n\r\n") + 4 :])
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def header(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda content: content.replace(old, new, 1)


def test_the_truth_is_believed() -> None:
    assert tracked(Lies()).boxes.tolist() == [[8, 8, 40, 40]]


@pytest.mark.parametrize(
    ("lies", "error"),
    [
        (Lies(arrays=without("boxes")), IncompatibleError),
        (Lies(arrays=without("num_detections")), IncompatibleError),
        (Lies(arrays=having("boxes", np.zeros((1, 3, 4), np.float32))), IncompatibleError),
        (Lies(arrays=having("masks", np.zeros((1, 4, 1, 1), np.float32))), IncompatibleError),
        (Lies(arrays=having("scores", np.zeros((1, 4), np.int32))), IncompatibleError),
        (Lies(arrays=having("scores", np.zeros((1, 4), np.float64))), IncompatibleError),
        (Lies(arrays=having("num_detections", np.zeros(5, np.int32))), IncompatibleError),
        (Lies(arrays=having("num_detections", np.zeros((1, 2), np.int32))), IncompatibleError),
        (Lies(arrays=having("labels", np.full((1, 4), 7, np.int32))), IncompatibleError),
        (Lies(arrays=count(5)), IncompatibleError),
        (Lies(arrays=count(2**31 - 1)), IncompatibleError),
        (Lies(arrays=count(-(2**31))), IncompatibleError),
        (Lies(header=of_output(parameters={"binary_data_size": 10**12})), InputError),
        (Lies(header=of_output(parameters={"binary_data_size": -1})), InputError),
        (Lies(header=of_output(parameters={"binary_data_size": "x"})), InputError),
        (Lies(header=of_output(parameters=None)), InputError),
        (Lies(header=of_output(shape=[1, 2**40, 4])), InputError),
        (Lies(header=of_output(shape=None)), InputError),
        (Lies(header=of_output(shape=[-1, 4, 4])), None),
        (Lies(header=of_output(datatype="BYTES")), InputError),
        (Lies(header=of_output(datatype="NOTHING")), InputError),
        (Lies(header=of_output(name=None)), InputError),
        (Lies(header=lambda said: []), InputError),
        (Lies(header=lambda said: {"outputs": None}), InputError),
        (Lies(header=lambda said: {"error": "no"}), InputError),
        (Lies(content=header(b'{"model_name"', b"\xff\xfe")), InputError),
        (Lies(content=header(b"Inference-Header-Content-Length: ", b"Inference-Header-Content-Length: x")), InputError),
        (Lies(content=header(b"Inference-Header-Content-Length: ", b"Inference-Header-Content-Length: -")), InputError),
        (Lies(content=header(b"HTTP/1.1 200 OK", b"HTTP/1.1 500 Broken")), InputError),
        (Lies(content=header(b"HTTP/1.1 200 OK", b"nonsense")), InputError),
        (Lies(content=compressed), InputError),
        (Lies(metadata=lambda said: []), InputError),
        (Lies(metadata=lambda said: None), InputError),
        (Lies(metadata=lambda said: {**said, "outputs": [{**said["outputs"][1], "shape": None}]}), InputError),
        (Lies(metadata=lambda said: {**said, "outputs": [{"name": ["x"]}]}), InputError),
        (Lies(metadata=lambda said: {**said, "outputs": said["outputs"][1:]}), IncompatibleError),
        (Lies(config=lambda said: []), InputError),
        (Lies(config=lambda said: {"parameters": None}), InputError),
        (Lies(config=parameters(batch={"string_value": "7"})), IncompatibleError),
        (Lies(config=parameters(batch={"string_value": "[1, 2"})), IncompatibleError),
        (Lies(config=parameters(batch={"string_value": "[3, 2, 1]"})), IncompatibleError),
        (Lies(config=parameters(batch={"string_value": "[1, 1, 1000000000]"})), IncompatibleError),
        (Lies(config=parameters(batch={"string_value": "[" * 100_000})), IncompatibleError),
        (Lies(config=parameters(batch={"x": 1})), IncompatibleError),
        (Lies(config=parameters(passport={"string_value": 5})), IncompatibleError),
        (Lies(config=parameters(passport={"string_value": "["})), InputError),
        (Lies(config=parameters(other={"x": 1})), None),
    ],
)  # fmt: skip
def test_what_a_server_says_is_checked_before_it_is_used(lies: Lies, error: type[StcError] | None) -> None:
    if error is None:
        assert len(tracked(lies)) == 1
        return
    with pytest.raises(error, match=r"tiny: |the model gave labels"):
        tracked(lies)


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_none_reach_no_result(odd: float) -> None:
    def scored(found: Arrays) -> None:
        found["num_detections"][:] = 2
        found["boxes"][0, 1] = 8, 8, 40, 40
        found["scores"][0, :2] = odd, 0.5

    assert tracked(Lies(arrays=scored)).scores.tolist() == [0.5]

    def boxed(found: Arrays) -> None:
        found["boxes"][0, 0, 2] = odd

    assert np.isfinite(tracked(Lies(arrays=boxed)).boxes).all()


@pytest.mark.parametrize(
    "send",
    [endless, endless_in_pieces, endless_headers, drip, drip_behind_the_headers, half, lambda client, content: None],
)
def test_an_answer_that_never_ends_does_in_the_stated_time(send: Callable[[socket.socket, bytes], None]) -> None:
    start = time.monotonic()
    with pytest.raises(InputError, match="the Triton server did not answer"):
        tracked(Lies(send=send))
    assert time.monotonic() - start < TIMEOUT + GRACE


def test_a_connection_that_the_server_closed_meanwhile_is_opened_again() -> None:
    def answer_and_close(client: socket.socket, content: bytes) -> None:
        client.sendall(content)
        client.shutdown(socket.SHUT_RDWR)

    with serve(Lies(send=answer_and_close)) as url:
        backend = TritonBackend(url, "tiny", timeout=TIMEOUT)
        expected = arrays()
        for _ in range(3):
            found = backend.run(FRAME[None])
            for name, array in expected.items():
                np.testing.assert_array_equal(found[name], array)
        backend.close()
        backend.close()


def test_threads_have_connections_of_their_own() -> None:
    with serve(Lies()) as url:
        backend = TritonBackend(url, "tiny", timeout=5)
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: backend.run(FRAME[None])["scores"][0, 0], range(40)))
        assert answers == [np.float32(0.9)] * 40


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_time_limit_must_be_one(timeout: float) -> None:
    with pytest.raises(InputError, match="must be a number of seconds above 0"):
        TritonBackend("http://127.0.0.1:1", "tiny", timeout=timeout)


class LyingModel(Model):
    def __init__(self, repository: Path, change: Callable[[dict[str, Any]], Any]) -> None:
        super().__init__(repository, "tiny")
        self.change = change

    def infer(self, name: str, datatype: str, shape: list[int], content: bytes) -> Any:
        found = super().infer(name, datatype, shape, content)
        self.change(found)
        return found


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.update(boxes=("FP32", np.zeros((1, 3, 4), np.float32))),
        lambda found: found.update(boxes=("FP32", np.zeros((1, 4, 4), np.float16))),
        lambda found: found.update(scores=("INT32", np.zeros((1, 4), np.int32))),
        lambda found: found.update(num_detections=("INT32", np.array([9], np.int32))),
        lambda found: found.update(masks=("FP32", np.zeros((1, 4, 2000, 2000), np.float32))),
        lambda found: found.update(boxes=("NOTHING", np.zeros((1, 4, 4), np.float32))),
    ],
)
def test_what_comes_over_grpc_is_checked_too(tmp_path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    tiny_model.write_bundle(tmp_path / "bundle", replace(tiny_model.PASSPORT, flags={"batch": [1, 1, 1]}))
    repository = write(tmp_path / "bundle", tmp_path / "repository").path
    with serve_grpc(LyingModel(repository, change)) as url:
        backend = TritonBackend(url, "tiny", timeout=10)
        with pytest.raises((InputError, IncompatibleError), match="tiny"):
            backend.run(FRAME[None])
        backend.close()
