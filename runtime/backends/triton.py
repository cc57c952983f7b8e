"""A model that a Triton inference server runs, as a `Backend`. Never run against a Triton server (docs/scale-out.md).

Preprocessing, tracking and masks stay here; the server computes the graph.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from stc.boundary import foreign, reason
from stc.errors import IncompatibleError, InputError
from stc.runtime import schema
from stc.runtime.backends.triton_clients import CLIENTS, Client, NoAnswerError
from stc.runtime.bundle import contract
from stc.runtime.bundle import passport as passports
from stc.runtime.bundle.contract import COUNT, MAX_BATCH, TensorSpec

PASSPORT = "stc.passport"  # the whole passport.json
BATCH = "stc.batch"  # least, optimal and largest number of pictures at once, as a JSON list

_DTYPES = {"UINT8": "uint8", "INT32": "int32", "FP32": "float32", "FP16": "float16"}
_JSON = 4  # times as long is a tensor in JSON, from a server that gives no binary ones
_SLACK = 1 << 20  # bytes of an answer beside its tensors
_MOST = (1 << 31) - 1  # bytes of an answer; gRPC knows no greater limit
T = TypeVar("T")


class TritonBackend:
    """One model of one server: `Session.from_backend(backend, backend.passport, name)` makes a session of it.

    `passport` is what the server's configuration of the model holds. `run` may be called from several threads; each has
    a connection of its own. Whatever a server answers is checked before it is used.
    """

    device = "cpu"  # where the outputs are
    mask_head = "computed by the server"

    def __init__(self, url: str, model: str, *, timeout: float = 10.0) -> None:
        """Ask the server at `url` (grpc://HOST:8001 or http://HOST:8000) about `model`.

        timeout: seconds for every request, from connecting to the last byte of the answer. Raises
        MissingDependencyError without tritonclient, InputError when the server does not answer, does not have the model
        or answers nonsense, IncompatibleError for a model that stc-export did not make.
        """
        scheme, _, address = url.partition("://")
        if scheme not in CLIENTS or not address:
            raise InputError(f"{url}: not a Triton server; give grpc://HOST:8001 or http://HOST:8000")
        if not 0 < timeout < math.inf:
            raise InputError(f"timeout={timeout}: must be a number of seconds above 0")
        self._where = f"{url}/{model}"
        self._connect: Callable[[], Client] = lambda: CLIENTS[scheme](url, model, timeout)
        self._local = threading.local()
        metadata, config = self._ask(lambda client: (client.metadata(), client.config()))
        with foreign("tritonclient", self._where, _FIX):
            parameters = {key: value.get("string_value") for key, value in config.get("parameters", {}).items()}
            self.inputs = {tensor["name"]: _spec(tensor) for tensor in metadata["inputs"]}
            self.outputs = {tensor["name"]: _spec(tensor) for tensor in metadata["outputs"]}
            self.engine = f"Triton at {url} ({metadata.get('platform', 'unknown platform')})"
        passport, batches = parameters.get(PASSPORT), parameters.get(BATCH)
        if not isinstance(passport, str) or not isinstance(batches, str):
            raise IncompatibleError(
                f"{self._where}: its configuration has no {PASSPORT}, so not a model of stc; write its repository "
                "with: stc-export --bundle DIR --triton DIR"
            )
        self.passport = passports.parse(passport, self._where)
        self.batches: tuple[int, int | None] = _batches(batches, self._where)

    def run(self, frames: NDArray[np.uint8], timings: dict[str, float] | None = None) -> dict[str, NDArray[Any]]:
        """The outputs by name for `frames` uint8 (B, H, W, 3).

        Raises InputError when the server does not give them, IncompatibleError when they are not what it declares.
        """
        names = list(self.outputs)
        size = frames.shape[1], frames.shape[2]
        limit = min(_JSON * contract.answer_bytes(self.passport, len(frames), size) + _SLACK, _MOST)
        found = self._ask(lambda client: client.infer(frames, names, limit))
        count = found.get(COUNT)
        if count is not None and count.shape == (len(frames), 1):  # where the server makes batches
            found[COUNT] = count[:, 0]
        outputs = {name: value for name, value in found.items() if value is not None}
        contract.check_answer(self.passport, outputs, len(frames), size, self._where)
        return outputs

    def close(self) -> None:
        """Close the connection of this thread; those of others end with their threads. Closing twice is harmless."""
        client = self._local.__dict__.pop("client", None)
        if client is not None:
            client.close()

    def _ask(self, request: Callable[[Client], T]) -> T:
        """What `request` gives on the connection of this thread."""
        if not hasattr(self._local, "client"):
            self._local.client = self._connect()
        try:
            with foreign("tritonclient", self._where, _FIX):
                return request(self._local.client)
        except InputError as error:
            if not isinstance(error.__cause__, NoAnswerError):
                raise
            raise InputError(
                f"{self._where}: the Triton server did not answer ({reason(error.__cause__)}); is it up, and does it "
                "have this model? See its log"
            ) from error.__cause__


_FIX = "the server gave no answer of Triton's protocol; is it a Triton server? See its log"


def _batches(text: str, where: str) -> tuple[int, int]:
    """Least and largest number of pictures at once, of least, optimal and largest as JSON."""
    with foreign("the parameter " + BATCH, where, passports.FIX, IncompatibleError):
        numbers = json.loads(text)
    wrong = schema.problems({BATCH: numbers}, {BATCH: schema.items(schema.integer(1, MAX_BATCH), 3, 3)})
    if not wrong and not numbers[0] <= numbers[1] <= numbers[2]:
        wrong = [f"{BATCH}: must rise; got {numbers}"]
    if wrong:
        raise IncompatibleError(f"{where}: {schema.sentence(wrong)}; {passports.FIX}")
    return numbers[0], numbers[2]


def _spec(tensor: Mapping[str, Any]) -> TensorSpec:
    """From the server's metadata, batch first; gRPC gives numbers as text."""
    shape = [int(size) for size in tensor["shape"]]
    if tensor["name"] == COUNT and len(shape) == 2:
        shape = shape[:1]
    datatype = tensor["datatype"]
    return TensorSpec((_DTYPES.get(datatype, str(datatype)),), tuple(None if size < 0 else size for size in shape))
