"""The two protocols of a Triton server, each as three requests that end within their time and size."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError, MissingDependencyError
from stc.runtime.backends.bounded_http import Connection
from stc.runtime.bundle.contract import INPUT

METADATA_BYTES = 64 << 20  # a passport may be 16 MiB
Outputs = dict[str, NDArray[Any] | None]  # None: the answer has none of that name


class NoAnswerError(Exception):
    """The server did not answer in time, refused the request or broke off."""


class Client(Protocol):
    """One connection to a server's model; one thread at a time. Answers are what the server sent, unchecked.

    Raises NoAnswerError, and nearly anything for an answer that makes no sense.
    """

    def metadata(self) -> Any: ...
    def config(self) -> Any: ...
    def infer(self, frames: NDArray[np.uint8], names: list[str], limit: int) -> Outputs:
        """Outputs by name for `frames` uint8 (B, H, W, 3), in an answer of at most `limit` bytes."""

    def close(self) -> None: ...


class HttpClient:
    """HTTP with binary tensors. tritonclient writes and reads the bodies; its own transport has limits per read."""

    def __init__(self, url: str, model: str, seconds: float) -> None:
        self._module, _ = _tritonclient("http")
        try:
            address = urlsplit(url)
            host, port = address.hostname or "", address.port
        except ValueError as error:
            raise InputError(f"{url}: not a Triton server ({error}); give http://HOST:8000") from error
        self._connection = Connection(host, port or 80)
        self._target = f"{address.path.rstrip('/')}/v2/models/{quote(model, safe='')}"
        self._seconds = seconds

    def metadata(self) -> Any:
        return json.loads(self._asked("GET", "", METADATA_BYTES)[0])

    def config(self) -> Any:
        return json.loads(self._asked("GET", "/config", METADATA_BYTES)[0])

    def infer(self, frames: NDArray[np.uint8], names: list[str], limit: int) -> Outputs:
        tensors, asked = _request(self._module, frames, names)
        client = self._module.InferenceServerClient
        body, json_size = client.generate_request_body(tensors, outputs=asked)
        size = {"Inference-Header-Content-Length": str(json_size)} if json_size is not None else {}
        content, header = self._asked("POST", "/infer", limit, body, size)
        answer = client.parse_response_body(content, header_length=header)
        return {name: answer.as_numpy(name) for name in names}

    def close(self) -> None:
        self._connection.close()

    def _asked(
        self, method: str, part: str, limit: int, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[bytes, int | None]:
        """The answer's content, and how much of it is JSON where that is said."""
        try:
            status, fields, content = self._connection.exchange(
                method, self._target + part, body, headers or {}, self._seconds, limit
            )
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswerError(str(error) or type(error).__name__) from error
        if status != http.client.OK:
            raise NoAnswerError(f"{status}: {content[:200].decode(errors='replace')}")
        if fields.get("Content-Encoding", "identity") != "identity":
            raise NoAnswerError("it sent compressed content, which was not asked for")
        length = fields.get("Inference-Header-Content-Length")
        return content, None if length is None else int(length)


class GrpcClient:
    """gRPC, whose deadlines and size limits are those of a whole request."""

    def __init__(self, url: str, model: str, seconds: float) -> None:
        self._module, self._error = _tritonclient("grpc")
        self._address = url.partition("://")[2]
        self._model = model
        self._seconds = seconds
        self._limit = 0
        self._channel: Any = None

    def metadata(self) -> Any:
        return self._asked("get_model_metadata", METADATA_BYTES, self._model, as_json=True)

    def config(self) -> Any:
        return self._asked("get_model_config", METADATA_BYTES, self._model, as_json=True)["config"]

    def infer(self, frames: NDArray[np.uint8], names: list[str], limit: int) -> Outputs:
        tensors, asked = _request(self._module, frames, names)
        answer = self._asked("infer", limit, self._model, tensors, outputs=asked)
        return {name: answer.as_numpy(name) for name in names}

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _asked(self, request: str, limit: int, *arguments: Any, **options: Any) -> Any:
        if limit > self._limit:  # it is the channel's
            self.close()
            self._limit = limit
        if self._channel is None:
            sizes = [("grpc.max_receive_message_length", self._limit), ("grpc.max_send_message_length", -1)]
            self._channel = self._module.InferenceServerClient(self._address, channel_args=sizes)
        try:
            return getattr(self._channel, request)(*arguments, client_timeout=self._seconds, **options)
        except self._error as error:
            raise NoAnswerError(str(error)) from error


CLIENTS: dict[str, Callable[[str, str, float], Client]] = {"http": HttpClient, "grpc": GrpcClient}


def _request(module: Any, frames: NDArray[np.uint8], names: list[str]) -> tuple[list[Any], list[Any]]:
    tensor = module.InferInput(INPUT, list(frames.shape), "UINT8")
    tensor.set_data_from_numpy(np.ascontiguousarray(frames))
    return [tensor], [module.InferRequestedOutput(name) for name in names]


def _tritonclient(scheme: str) -> tuple[Any, type[Exception]]:
    """The client's module for `scheme`, and what its calls raise."""
    try:
        module = import_module(f"tritonclient.{scheme}")
        error: type[Exception] = import_module("tritonclient.utils").InferenceServerException
    except (ImportError, RuntimeError) as reason:  # it raises RuntimeError where a protocol's packages are missing
        raise MissingDependencyError(
            f"tritonclient is not installed ({reason}); fix: pip install 'stc-trt[triton]'"
        ) from reason
    return module, error
