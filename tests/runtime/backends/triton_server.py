"""A small server of the protocols that Triton speaks (KServe v2: HTTP with binary tensors, and gRPC).

It serves a model repository as stc-export writes it: Triton's own schema reads config.pbtxt, ONNX Runtime computes.
Like Triton it adds the batch dimension where max_batch_size is set, and takes nothing that differs from the
configuration.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import grpc
import numpy as np
import onnxruntime
from google.protobuf import json_format, text_format
from numpy.typing import NDArray
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

DTYPES = {"UINT8": np.uint8, "INT32": np.int32, "FP32": np.float32, "FP16": np.float16}
Outputs = dict[str, tuple[str, NDArray[Any]]]  # name -> datatype, array


def read_config(path: Path) -> Any:
    """config.pbtxt by Triton's own schema. Raises ParseError for anything that is not in it."""
    return text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())


class Model:
    """One model of a repository, and what its answers have to look like."""

    def __init__(self, repository: Path, name: str) -> None:
        self.config = read_config(repository / name / "config.pbtxt")
        assert self.config.name == name
        self.session = onnxruntime.InferenceSession(
            repository / name / "1" / "model.onnx", providers=["CPUExecutionProvider"]
        )
        self.batch_sizes: list[int] = []

    def shape(self, tensor: Any) -> list[int]:
        """As clients see it."""
        return [*([-1] if self.config.max_batch_size else []), *tensor.dims]

    def metadata(self) -> dict[str, Any]:
        def described(tensors: Any) -> list[dict[str, Any]]:
            return [{"name": t.name, "datatype": self.datatype(t), "shape": self.shape(t)} for t in tensors]

        return {
            "name": self.config.name,
            "versions": ["1"],
            "platform": self.config.platform,
            "inputs": described(self.config.input),
            "outputs": described(self.config.output),
        }

    @staticmethod
    def datatype(tensor: Any) -> str:
        return str(model_config_pb2.DataType.Name(tensor.data_type)).removeprefix("TYPE_")

    def infer(self, name: str, datatype: str, shape: list[int], content: bytes) -> Outputs:
        (tensor,) = [t for t in self.config.input if t.name == name]
        expected = self.shape(tensor)
        assert datatype == self.datatype(tensor)
        assert len(shape) == len(expected) and all(e in {-1, s} for e, s in zip(expected, shape, strict=True))
        assert not self.config.max_batch_size or 1 <= shape[0] <= self.config.max_batch_size
        self.batch_sizes.append(shape[0])
        frames = np.frombuffer(content, DTYPES[datatype]).reshape(shape)
        names = [output.name for output in self.config.output]
        found = self.session.run(names, {name: frames})
        answers: Outputs = {}
        for output, array in zip(self.config.output, found, strict=True):
            if output.HasField("reshape"):
                assert list(array.shape[1:]) == list(output.reshape.shape)
            rest = output.dims if output.HasField("reshape") else array.shape[1:]
            answers[output.name] = (self.datatype(output), array.reshape(len(array), *rest))
        return answers


class _Handler(BaseHTTPRequestHandler):
    model: Model

    def do_GET(self) -> None:
        path = f"/v2/models/{self.model.config.name}"
        if self.path == path:
            self._answer(json.dumps(self.model.metadata()).encode())
        elif self.path == f"{path}/config":
            self._answer(json_format.MessageToJson(self.model.config, preserving_proto_field_name=True).encode())
        else:
            self._answer(json.dumps({"error": "Request for unknown model"}).encode(), 400)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        length = int(self.headers["Inference-Header-Content-Length"])
        request = json.loads(body[:length])
        (tensor,) = request["inputs"]
        assert tensor["parameters"]["binary_data_size"] == len(body) - length
        outputs = self.model.infer(tensor["name"], tensor["datatype"], tensor["shape"], body[length:])
        described, contents = [], b""
        for wanted in request["outputs"]:
            datatype, array = outputs[wanted["name"]]
            content = array.tobytes()
            size = {"binary_data_size": len(content)}
            described.append({"name": wanted["name"], "datatype": datatype, "shape": array.shape, "parameters": size})
            contents += content
        header = json.dumps({"model_name": self.model.config.name, "model_version": "1", "outputs": described}).encode()
        self._answer(header + contents, header=len(header))

    def _answer(self, content: bytes, status: int = 200, header: int | None = None) -> None:
        self.send_response(status)
        if header is not None:
            self.send_header("Inference-Header-Content-Length", str(header))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


class _Servicer(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    def __init__(self, model: Model) -> None:
        self.model = model

    def _check(self, name: str, context: Any) -> None:
        if name != self.model.config.name:
            context.abort(grpc.StatusCode.NOT_FOUND, "Request for unknown model")

    def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._check(request.name, context)
        return json_format.ParseDict(self.model.metadata(), service_pb2.ModelMetadataResponse())

    def ModelConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._check(request.name, context)
        return service_pb2.ModelConfigResponse(config=self.model.config)

    def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        (tensor,), (content,) = request.inputs, request.raw_input_contents
        outputs = self.model.infer(tensor.name, tensor.datatype, list(tensor.shape), content)
        response = service_pb2.ModelInferResponse(model_name=self.model.config.name, model_version="1")
        for wanted in request.outputs:
            datatype, array = outputs[wanted.name]
            response.outputs.add(name=wanted.name, datatype=datatype, shape=array.shape)
            response.raw_output_contents.append(array.tobytes())
        return response


@contextmanager
def serve_http(model: Model) -> Iterator[str]:
    """Yields http://127.0.0.1:PORT."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"model": model}))
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serve_grpc(model: Model) -> Iterator[str]:
    """Yields grpc://127.0.0.1:PORT."""
    server = grpc.server(ThreadPoolExecutor(4))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(_Servicer(model), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait()


SERVERS = {"http": serve_http, "grpc": serve_grpc}
