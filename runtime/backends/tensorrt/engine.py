"""From the bytes of a plan to TensorRT's engine object, for TensorRT 10, 11 and RTX alike, and what TensorRT says."""

from __future__ import annotations

import logging
from collections import deque
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from stc.errors import IncompatibleError
from stc.runtime.backends.tensorrt.bindings import EngineTensor, Size
from stc.runtime.bundle.contract import INPUT
from stc.runtime.machine import plugin as plugin_library
from stc.runtime.machine.flavour import FLAVOURS, FlavourName
from stc.runtime.machine.plugin import Plugin

_SHOWN = 6
_LENGTH = 400
_KEPT = 100

logger = logging.getLogger(__name__)


@cache
def collector(module: Any) -> Any:
    """The one `ILogger` of a TensorRT module: TensorRT keeps the first logger of a process and ignores later ones.

    What TensorRT says goes to `logging`; errors stay until somebody asks: `errors()`, `reason()`, or `clear()`.
    """

    class Collector(module.ILogger):  # type: ignore[misc]  # TensorRT calls back into an object of its own class
        def __init__(self) -> None:
            super().__init__()
            self._errors: deque[str] = deque(maxlen=_KEPT)

        def log(self, severity: Any, message: str) -> None:
            """Called by TensorRT, from any of its threads."""
            level = {"VERBOSE": logging.DEBUG, "INFO": logging.DEBUG}
            logger.log(level.get(severity.name, logging.INFO), "TensorRT: %s", message)
            if severity.name in {"ERROR", "INTERNAL_ERROR"}:
                self._errors.append(" ".join(message.split())[:_LENGTH])

        def clear(self) -> None:
            self._errors.clear()

        def errors(self) -> str:
            """The first errors since this was last asked, on one line, without repetition."""
            distinct = list(dict.fromkeys(self._errors.copy()))
            self.clear()
            hidden = len(distinct) - _SHOWN
            return "; ".join([*distinct[:_SHOWN], *([f"and {hidden} messages more"] if hidden > 0 else [])])

        def reason(self) -> str:
            """`errors()` in a sentence that needs one."""
            return self.errors() or "TensorRT gave no reason"

    return Collector()


def import_tensorrt(name: FlavourName) -> Any:
    """The Python module. Raises IncompatibleError where it does not load."""
    flavour = FLAVOURS[name]
    try:
        return import_module(flavour.module)
    except (ImportError, OSError, RuntimeError) as error:  # a library of it is missing or does not fit
        raise IncompatibleError(
            f"{flavour.title} is installed and does not load ({error}); see: stc-doctor; "
            f"fix: pip install --force-reinstall 'stc-trt[{name}]'"
        ) from error


def deserialize(trt: Any, log: Any, plan: bytes, plugin: Plugin | None, path: Path, flavour: FlavourName) -> Any:
    """The engine. Code that a plan may carry for the host stays disallowed.

    Raises IncompatibleError when TensorRT refuses the plan or the plugin library.
    """
    runtime = trt.Runtime(log)
    runtime.engine_host_code_allowed = False
    if plugin is not None:
        registry = trt.get_plugin_registry()
        plugin_library.load(plugin, registry)
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise IncompatibleError(
            f"{path}: {FLAVOURS[flavour].title} {trt.__version__} refuses this plan, which is damaged, truncated or "
            f"built by another TensorRT ({log.reason()}); rebuild it with: stc-export --onnx FILE --trt {flavour}"
        )
    return engine


def describe(trt: Any, engine: Any) -> tuple[list[EngineTensor], tuple[int, int], tuple[Size, Size] | None]:
    """Its tensors, and the least and largest batch and input (H, W) of its first profile; None: of one size."""
    tensors = []
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        is_input = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
        tensors.append(
            EngineTensor(name, is_input, engine.get_tensor_dtype(name).name, tuple(engine.get_tensor_shape(name)))
        )
    if not any(tensor.name == INPUT and tensor.is_input for tensor in tensors):
        return tensors, (1, 1), None
    least, _, largest = engine.get_tensor_profile_shape(INPUT, 0)
    free = any(tensor.name == INPUT and -1 in tensor.shape[1:3] for tensor in tensors)
    sizes = ((least[1], least[2]), (largest[1], largest[2])) if free else None
    return tensors, (least[0], largest[0]), sizes
