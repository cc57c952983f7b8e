"""The TensorRT plugin library of `stc::DynamicMaskHead`: found, fingerprinted, loaded once."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stc.errors import IncompatibleError, Missing
from stc.files import sha256

FILE = Path(__file__).parents[1] / "libstc_tensorrt.so"
VARIABLE = "STC_TENSORRT_PLUGIN"
_BUILT_WITH = rb"stc: CUDART_VERSION=(\d{4,6})\0"  # of stc_cuda_built_with() in plugins/cuda/stc_cuda.h


@dataclass(frozen=True)
class Plugin:
    """A library file, its SHA-256, and the major version of the CUDA that it was built with; None: it does not say.

    Nothing of it has been loaded.
    """

    path: Path
    sha256: str
    cuda: int | None = None


def read(path: Path) -> Plugin:
    """What the file says. Raises OSError where it cannot be read."""
    content = path.read_bytes()
    version = re.search(_BUILT_WITH, content)
    return Plugin(path, hashlib.sha256(content).hexdigest(), int(version[1]) // 1000 if version else None)


def find() -> Plugin | Missing:
    """The file that the environment variable STC_TENSORRT_PLUGIN names, else the one beside this package."""
    given = os.environ.get(VARIABLE)
    path = Path(given) if given else FILE
    try:
        return read(path)
    except OSError as error:
        if given:
            return Missing(f"{VARIABLE}={given}: {error.strerror or error}")
        return Missing(f"{FILE.name} is not installed; in a checkout, with nvcc: make plugin")


loaded: dict[str, Any] = {}  # sha256 -> TensorRT's handle; a library stays until the process ends
_lock = threading.Lock()


def load(plugin: Plugin, registry: Any) -> None:
    """Register the library's creators in a TensorRT plugin registry, once per process.

    Raises IncompatibleError when the file changed since it was fingerprinted, when TensorRT refuses it, or when another
    version of it is already loaded: the registry holds one plugin per name.
    """
    with _lock:
        if plugin.sha256 in loaded:
            return
        if loaded:
            raise IncompatibleError(
                f"{plugin.path}: this process has loaded another version of the plugin; run each engine in a process "
                "of its own"
            )
        if (found := sha256(plugin.path)) != plugin.sha256:
            raise IncompatibleError(f"{plugin.path}: changed while it was loaded (sha256 {found[:12]}…); try again")
        handle = registry.load_library(str(plugin.path))
        if handle is None:
            raise IncompatibleError(
                f"{plugin.path}: TensorRT cannot load it; it must be built on this system, against the major version "
                "of TensorRT that is installed here; fix: make plugin, in a checkout of stc"
            )
        loaded[plugin.sha256] = handle
