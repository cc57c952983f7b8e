"""OpenVINO: a second engine of the CPU, for the precisions in which it is faster; Intel's GPUs and NPUs by its name."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc import __version__
from stc.boundary import foreign
from stc.errors import IncompatibleError, InputError, Missing, ProcessBoundError
from stc.files import sha256
from stc.runtime.backends import compiled_models
from stc.runtime.backends.cut import NOT_ASKED, Cut, Whole, cut, whole
from stc.runtime.bundle import contract
from stc.runtime.bundle import passport as passports
from stc.runtime.bundle.contract import TensorSpec
from stc.runtime.bundle.cut_record import CutRecord
from stc.runtime.bundle.engines import Numbers
from stc.runtime.bundle.passport import METADATA_KEY, Passport
from stc.runtime.machine import device as devices
from stc.runtime.machine import openvino
from stc.runtime.machine.device import Device
from stc.runtime.native.library import Library
from stc.runtime.processors import threads_to_ask_for
from stc.runtime.stages import MASK_HEAD

logger = logging.getLogger(__name__)


class OpenVinoBackend:
    """One loaded ONNX file. `run` may be called from several threads, in the process that loaded it.

    The graph is cut at the dynamic mask head as in ONNX Runtime: with `native` the native library computes the masks,
    on the host, of the valid rows; otherwise the op's function body does, for all rows.

    It computes in the numbers that are asked for, also where OpenVINO would take bfloat16 by itself, and with integers
    where the graph is quantised. In bfloat16 that is the network; what is decoded of it stays float32.

    Calls of several threads take turns, as many at once as there are workers. Never executed on
    another device than a CPU.
    """

    def __init__(
        self,
        path: Path,
        *,
        device: str = "cpu",
        threads: int | None = None,
        workers: int = 1,
        native: Library | Missing = NOT_ASKED,
        numbers: Numbers = "f32",
        cut_record: CutRecord | None = None,
    ) -> None:
        """Load `path` on `device` ("cpu", or OpenVINO's "gpu", "gpu:N" or "npu") with `threads` CPU threads for each of
        `workers`, which OpenVINO calls streams.

        threads: None: one per physical core, or per processor that this process may use where those are fewer.
        numbers: in which what the graph does not quantise is computed. cut_record: as in ONNX Runtime's backend.

        Raises MissingDependencyError without openvino, ProcessBoundError in a process that was forked from one which
        has loaded a model, IncompatibleError where it has no such device, or bfloat16 is
        asked of a CPU that has no instructions for it, InputError for an unknown device, a bad thread count or a file
        that OpenVINO or the onnx package cannot use.
        """
        place = devices.parse(device)
        if threads is not None and threads < 1:
            raise InputError(f"threads must be at least 1; got {threads}")
        self.path = path
        self.device = str(place)
        openvino.claim()
        package = openvino.load()
        self._version = openvino.version(package)
        self._core = openvino.core(package, place)
        self.numbers = numbers
        _check_numbers(self._core, place, numbers, path)
        rest = cut(path, native, cut_record) if isinstance(native, Library) else Whole(native.reason)
        self.mask_head = str(rest)
        self._cut = rest if isinstance(rest, Cut) else None
        self._compiled = self._load(place, _settings(place, threads, workers, numbers))
        with foreign("OpenVINO", path, passports.FIX):
            self.inputs = _specs(self._compiled.inputs, {contract.INPUT})
            outputs = _specs(self._compiled.outputs, {*contract.OUTPUTS, *(self._cut.tensors if self._cut else ())})
            self._hint = str(self._compiled.get_property("INFERENCE_PRECISION_HINT").to_string())
        self._names = list(outputs)
        self.outputs = self._cut.contract(outputs) if self._cut else outputs
        batch = next(iter(self.inputs[contract.INPUT].shape), None) if contract.INPUT in self.inputs else None
        self.batches = (batch or 1, batch)  # least and largest number of pictures at once; None: no limit
        self._idle: list[Any] = []  # requests that no thread is using; a list's append and pop are atomic
        self._process = os.getpid()
        logger.info("%s: loaded with %s; mask head: %s", path, self.engine, self.mask_head)

    def run(self, frames: NDArray[np.uint8], timings: dict[str, float] | None = None) -> dict[str, NDArray[Any]]:
        """The graph's outputs by name for `frames` uint8 (B, H, W, 3).

        timings: takes the seconds of "mask_head" where the native op computes it. Raises InputError where OpenVINO
        fails, or gives the op something else than it takes, ProcessBoundError in a forked process, which has none of
        its threads.
        """
        if os.getpid() != self._process:
            raise ProcessBoundError(
                "OpenVINO's threads stay in the process that loaded it; make a Session in each, spawned and not forked"
            )
        with self._request() as request:
            with foreign("OpenVINO", self.path, passports.FIX):
                request.infer({contract.INPUT: np.ascontiguousarray(frames)})
                views: dict[str, NDArray[Any]] = {name: request.get_tensor(name).data for name in self._names}
            start = perf_counter()
            if self._cut is not None:
                with foreign("the native op", self.path, passports.FIX):
                    views = self._cut.complete(views)
                if timings is not None:
                    timings[MASK_HEAD] = perf_counter() - start
            # The request's memory is the next frame's.
            return {name: value.copy() if name in self._names else value for name, value in views.items()}

    @contextmanager
    def _request(self) -> Iterator[Any]:
        """One that no other thread uses meanwhile."""
        try:
            request = self._idle.pop()
        except IndexError:
            with foreign("OpenVINO", self.path, passports.FIX):
                request = self._compiled.create_infer_request()
        try:
            yield request
        finally:
            self._idle.append(request)

    @property
    def engine(self) -> str:
        """With what it computes in: "OpenVINO 2026.4.1, CPU f32"."""
        return f"OpenVINO {self._version}, {self.device.upper()} {self._hint}"

    def close(self) -> None:
        """Give back the memory of runs; OpenVINO gives back the model's when the session is forgotten."""
        self._idle.clear()

    def embedded_passport(self) -> Passport:
        """The passport in the ONNX metadata, for a file that stands alone.

        Raises InputError when there is none or it is malformed, IncompatibleError when it has another schema.
        """
        with foreign("OpenVINO", self.path, passports.FIX):
            model = self._core.read_model(self._source())
            place = ["framework", METADATA_KEY]
            text = model.get_rt_info(place).astype(str) if model.has_rt_info(place) else None
        if text is None:
            raise InputError(passports.ALONE.format(self.path))
        where = f"{self.path} (metadata {METADATA_KEY})"
        return passports.from_dict(passports.decoded(text, where), where)

    def _source(self) -> Any:
        return whole(self.path) if self._cut is None else self._cut.model

    def _load(self, place: Device, settings: dict[str, Any]) -> Any:
        """The compiled model: on a CPU the one in the user's cache, where there is one."""
        name = openvino.name_of(place)
        kept = None
        if place.kind == "cpu":
            with foreign("OpenVINO", self.path, openvino.DOCTOR, IncompatibleError):
                cpu = self._core.get_property(name, "FULL_DEVICE_NAME"), openvino.supported(self._core, place)
            parts = (sha256(self.path), self._cut is None, __version__, self._version, cpu, self.numbers)
            kept = compiled_models.file_of(*parts)
            if (found := compiled_models.load(self._core, kept, name, settings)) is not None:
                return found
        with foreign("OpenVINO", self.path, passports.FIX):
            compiled = self._core.compile_model(self._core.read_model(self._source()), name, settings)
        if kept is not None:
            compiled_models.save(compiled, kept)
        return compiled


def _check_numbers(core: Any, device: Device, numbers: Numbers, path: Path) -> None:
    """Where a CPU has no bfloat16 OpenVINO would compute in float32 without a word."""
    if numbers != "bf16" or device.kind != "cpu":
        return
    found = openvino.supported(core, device)
    if "BF16" not in found:
        raise IncompatibleError(
            f"{path}: bfloat16, and this CPU has no instructions for it (OpenVINO finds {', '.join(found)}); "
            f"use {path.with_name(passports.MODEL_FILE)} in float32: engine='openvino:fp32'"
        )


def _settings(device: Device, threads: int | None, workers: int, numbers: Numbers) -> dict[str, Any]:
    """What the model is compiled with. float32 is asked for: OpenVINO's own choice may have fewer bits."""
    if device.kind == "npu":  # it has one precision
        return {"PERFORMANCE_HINT": "LATENCY"}
    if device.kind == "gpu":
        return {"INFERENCE_PRECISION_HINT": numbers, "PERFORMANCE_HINT": "LATENCY"}
    return {
        "INFERENCE_PRECISION_HINT": numbers,
        "INFERENCE_NUM_THREADS": workers * (threads_to_ask_for(threads) or 0),  # 0: its own default, the physical cores
        "NUM_STREAMS": workers,
        # Threads that are bound to processors stand still there while others, of the decoder or the mask head, run.
        "ENABLE_CPU_PINNING": False,
    }


def _specs(ports: Sequence[Any], known: Set[str]) -> dict[str, TensorSpec]:
    """Of each port under its names that are known, or else any: OpenVINO joins tensors that are the same, and then one
    has several.
    """
    return {name: _spec(port) for port in ports for name in (port.names & known or {port.any_name})}


def _spec(port: Any) -> TensorSpec:
    rank = port.partial_shape.rank
    sizes = [port.partial_shape[axis] for axis in range(rank.get_length())] if rank.is_static else []
    shape = tuple(size.get_length() if size.is_static else None for size in sizes)
    return TensorSpec((np.dtype(port.element_type.to_dtype()).name,), shape)
