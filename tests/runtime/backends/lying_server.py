"""A server that speaks Triton's HTTP protocol for the tiny model, and lies where a test wants it to."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.runtime.backends.triton import BATCH, PASSPORT
from stc.runtime.bundle import contract
from tests.runtime import tiny_model

DATATYPES = {"uint8": "UINT8", "float32": "FP32", "int32": "INT32", "float16": "FP16", "float64": "FP64"}
SPECS = contract.output_specs(tiny_model.PASSPORT)
Arrays = dict[str, NDArray[Any]]


def metadata() -> dict[str, Any]:
    def tensor(name: str, spec: contract.TensorSpec) -> dict[str, Any]:
        shape = [-1 if size is None else size for size in spec.shape]
        return {"name": name, "datatype": DATATYPES[spec.dtypes[0]], "shape": shape}

    return {
        "name": "tiny",
        "platform": "lies",
        "inputs": [tensor("frames", contract.input_spec(tiny_model.PASSPORT))],
        "outputs": [tensor(name, spec) for name, spec in SPECS.items()],
    }


def config() -> dict[str, Any]:
    texts = {PASSPORT: tiny_model.PASSPORT.to_json(), BATCH: "[1, 1, 1]"}
    return {"name": "tiny", "parameters": {name: {"string_value": text} for name, text in texts.items()}}


def arrays() -> Arrays:
    """One detection."""
    found = {name: np.zeros([size or 1 for size in spec.shape], spec.dtypes[0]) for name, spec in SPECS.items()}
    found["num_detections"][:] = 1
    found["boxes"][:, 0] = 8, 8, 40, 40
    found["scores"][:, 0] = 0.9
    return found


def described(found: Arrays) -> dict[str, Any]:
    outputs = [
        {
            "name": name,
            "datatype": DATATYPES.get(array.dtype.name, "FP64"),
            "shape": list(array.shape),
            "parameters": {"binary_data_size": array.nbytes},
        }
        for name, array in found.items()
    ]
    return {"model_name": "tiny", "outputs": outputs}


def response(header: bytes, tensors: bytes | None = None) -> bytes:
    """An HTTP answer of JSON and, for an inference, of tensors after it."""
    length = f"Inference-Header-Content-Length: {len(header)}\r\n" if tensors is not None else ""
    body = header + (tensors or b"")
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{length}\r\n".encode() + body


@dataclass
class Lies:
    """What each request is answered with: changes of the truth, and how bytes are sent."""

    metadata: Callable[[dict[str, Any]], Any] = lambda said: said
    config: Callable[[dict[str, Any]], Any] = lambda said: said
    arrays: Callable[[Arrays], Any] = lambda found: None  # changes them
    header: Callable[[dict[str, Any]], Any] = lambda said: said  # of an inference
    content: Callable[[bytes], bytes] = lambda content: content  # of an inference, HTTP headers and all
    send: Callable[[socket.socket, bytes], None] = lambda client, content: client.sendall(content)

    def inference(self) -> bytes:
        found = arrays()
        self.arrays(found)
        header = json.dumps(self.header(described(found))).encode()
        return self.content(response(header, b"".join(array.tobytes() for array in found.values())))


@contextmanager
def serve(lies: Lies) -> Iterator[str]:
    """Yields http://127.0.0.1:PORT; at the end all connections are closed."""
    clients: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    clients.append(client)
                    Thread(target=_answer, args=(client, lies), daemon=True).start()

        thread = Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for client in clients:
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
                client.close()
    thread.join()


def _answer(client: socket.socket, lies: Lies) -> None:
    with suppress(OSError, ValueError), client.makefile("rb") as lines:
        while request := lines.readline():
            length = 0
            while field := lines.readline().strip():
                name, _, value = field.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            lines.read(length)
            path = request.split()[1]
            if path.endswith(b"/infer"):
                lies.send(client, lies.inference())
            else:
                said = lies.config(config()) if path.endswith(b"/config") else lies.metadata(metadata())
                client.sendall(response(json.dumps(said).encode()))
