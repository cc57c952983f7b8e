"""A model that a Triton inference server runs, as a `Backend`. Never run against a Triton server (docs/scale-out.md).

Preprocessing, tracking and masks stay here; the server computes the graph.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from stc.errors import IncompatibleError, InputError, MissingDependencyError
from stc.runtime import passport as passports
from stc.runtime.contract import COUNT, INPUT, TensorSpec
from stc.runtime.triton_parameters import BATCH, PASSPORT

_DTYPES = {"UINT8": "uint8", "INT32": "int32", "FP32": "float32", "FP16": "float16"}
T = TypeVar("T")


class TritonBackend:
    """One model of one server: `Session.from_backend(backend, backend.passport, name)` makes a session of it.

    `passport` is what the server's configuration of the model holds. `run` may be called from several threads; each has
    a connection of its own.
    """

    device = "cpu"  # where the outputs are
    mask_head = "computed by the server"

    def __init__(self, url: str, model: str, *, timeout: float = 10.0) -> None:
        """Ask the server at `url` (grpc://HOST:8001 or http://HOST:8000) about `model`.

        timeout: seconds for every request. Raises MissingDependencyError without tritonclient, InputError when the
        server does not answer or does not have the model, IncompatibleError for a model that stc-export did not make.
        """
        scheme, _, self._address = url.partition("://")
        if scheme not in {"grpc", "http"} or not self._address:
            raise InputError(f"{url}: not a Triton server; give grpc://HOST:8001 or http://HOST:8000")
        self._client, self._errors = _tritonclient(scheme)
        self._http = scheme == "http"
        self._where, self._model, self._timeout = f"{url}/{model}", model, timeout
        self._local = threading.local()
        metadata = self._ask(lambda client: client.get_model_metadata(model, **self._form()))
        config = self._ask(lambda client: client.get_model_config(model, **self._form()))
        config = config.get("config", config)  # gRPC wraps it
        parameters = {key: value["string_value"] for key, value in config.get("parameters", {}).items()}
        if PASSPORT not in parameters or BATCH not in parameters:
            raise IncompatibleError(
                f"{self._where}: its configuration has no {PASSPORT}, so not a model of stc; write its repository "
                "with: stc-export --bundle DIR --triton DIR"
            )
        self.passport = passports.parse(parameters[PASSPORT], self._where)
        least, _, largest = json.loads(parameters[BATCH])
        self.batches: tuple[int, int | None] = (least, largest)
        self.inputs = {tensor["name"]: _spec(tensor) for tensor in metadata["inputs"]}
        self.outputs = {tensor["name"]: _spec(tensor) for tensor in metadata["outputs"]}
        self.engine = f"Triton at {url} ({metadata.get('platform', 'unknown platform')})"

    def run(self, frames: NDArray[np.uint8], timings: dict[str, float] | None = None) -> dict[str, NDArray[Any]]:
        """The outputs by name for `frames` uint8 (B, H, W, 3). Raises InputError when the server does not give them."""
        tensor = self._client.InferInput(INPUT, list(frames.shape), "UINT8")
        tensor.set_data_from_numpy(np.ascontiguousarray(frames))
        asked = [self._client.InferRequestedOutput(name) for name in self.outputs]
        limit = {} if self._http else {"client_timeout": self._timeout}
        answer = self._ask(lambda client: client.infer(self._model, [tensor], outputs=asked, **limit))
        outputs = {name: answer.as_numpy(name) for name in self.outputs}
        outputs[COUNT] = outputs[COUNT].reshape(len(frames))  # a row of one per picture where the server makes batches
        return outputs

    def close(self) -> None:
        """Close the connection of this thread; those of others end with their threads. Closing twice is harmless."""
        client = self._local.__dict__.pop("client", None)
        if client is not None:
            client.close()

    def _form(self) -> dict[str, Any]:
        return {} if self._http else {"as_json": True, "client_timeout": self._timeout}

    def _ask(self, request: Callable[[Any], T]) -> T:
        """What `request` gives on the connection of this thread: the client's own ones must not be shared."""
        try:
            if not hasattr(self._local, "client"):
                limits = {"connection_timeout": self._timeout, "network_timeout": self._timeout} if self._http else {}
                self._local.client = self._client.InferenceServerClient(self._address, **limits)
            return request(self._local.client)
        except self._errors as error:
            raise InputError(
                f"{self._where}: the Triton server did not answer ({error}); is it up, and does it have this model? "
                f"See its log"
            ) from error


def _tritonclient(scheme: str) -> tuple[Any, tuple[type[Exception], ...]]:
    """The client's module for `scheme`, and what its calls raise."""
    try:
        module = import_module(f"tritonclient.{scheme}")
        errors = import_module("tritonclient.utils").InferenceServerException
    except (ImportError, RuntimeError) as error:  # it raises RuntimeError where a protocol's packages are missing
        raise MissingDependencyError(
            f"tritonclient is not installed ({error}); fix: pip install 'stc-trt[triton]'"
        ) from error
    return module, (errors, OSError)


def _spec(tensor: Mapping[str, Any]) -> TensorSpec:
    """From the server's metadata, batch first; gRPC gives numbers as text."""
    shape: Sequence[int] = [int(size) for size in tensor["shape"]]
    if tensor["name"] == COUNT and len(shape) == 2:
        shape = shape[:1]
    datatype = tensor["datatype"]
    return TensorSpec((_DTYPES.get(datatype, datatype),), tuple(None if size < 0 else size for size in shape))
