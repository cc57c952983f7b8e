"""Answers of a Triton server over HTTP: odd metadata and configuration, odd tensors, damaged bytes."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from stc.runtime import Session
from stc.runtime.backends.triton import BATCH, PASSPORT, TritonBackend
from tests.mutations import damaged, odd_json
from tests.runtime import tiny_model
from tests.runtime.backends.lying_server import Arrays, Lies, serve

FRAME = tiny_model.frame()


def cases(folder: Path) -> Callable[[random.Random], object]:
    lies = Lies()
    server = serve(lies)  # until the process ends
    url = server.__enter__()

    def case(r: random.Random) -> None:
        lies.__dict__.update(Lies().__dict__)
        r.choice(MUTATIONS)(r, lies)
        backend = TritonBackend(url, "tiny", timeout=5)
        with Session.from_backend(backend, backend.passport, "tiny", native=r.random() < 0.5) as session:
            session.stream()(FRAME).masks.rle()

    case.server = server  # type: ignore[attr-defined]  # kept, or it would be closed
    return case


def _metadata(r: random.Random, lies: Lies) -> None:
    lies.metadata = lambda said: odd_json(r, said)


def _config(r: random.Random, lies: Lies) -> None:
    def change(said: dict[str, Any]) -> Any:
        texts = said["parameters"]
        match r.randrange(3):
            case 0:
                return odd_json(r, said)
            case 1:
                texts[BATCH]["string_value"] = json.dumps(odd_json(r, [[1, 1, 1]]))
            case 2:
                texts[PASSPORT]["string_value"] = json.dumps(odd_json(r, json.loads(texts[PASSPORT]["string_value"])))
        return said

    lies.config = change


def _header(r: random.Random, lies: Lies) -> None:
    lies.header = lambda said: odd_json(r, said)


def _arrays(r: random.Random, lies: Lies) -> None:
    def change(found: Arrays) -> None:
        name = r.choice(list(found))
        array = found[name]
        match r.randrange(4):
            case 0:
                found[name] = array.astype(r.choice(("float32", "int32", "float16", "float64", "uint8")))
            case 1:
                found[name] = np.resize(array, [r.randrange(6) for _ in range(r.randrange(5))])
            case 2:
                odd = r.choice((-1, 7, 2**31 - 1, -(2**31), float("nan"), float("inf"), -float("inf"), 1e38))
                if np.issubdtype(array.dtype, np.floating) or np.isfinite(odd):
                    array.flat[r.randrange(array.size)] = int(odd) if array.dtype == np.int32 and odd < 1e30 else 3
                    if array.dtype != np.int32:
                        array.flat[r.randrange(array.size)] = odd
            case 3:
                del found[name]

    lies.arrays = change


def _bytes(r: random.Random, lies: Lies) -> None:
    def send(client: socket.socket, content: bytes) -> None:
        client.sendall(content)
        client.shutdown(socket.SHUT_RDWR)  # what was cut off is not waited for

    lies.content = lambda content: damaged(r, content)
    lies.send = send


MUTATIONS: tuple[Callable[[random.Random, Lies], None], ...] = (_metadata, _config, _header, _arrays, _arrays, _bytes)
