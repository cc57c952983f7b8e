"""The TensorRT plugin library: found and fingerprinted, not loaded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from stc.files import sha256
from stc.runtime.native import Missing

FILE = Path(__file__).with_name("libstc_tensorrt.so")
VARIABLE = "STC_TENSORRT_PLUGIN"


@dataclass(frozen=True)
class Plugin:
    """The library file and its SHA-256."""

    path: Path
    sha256: str


def find() -> Plugin | Missing:
    """The file that the environment variable STC_TENSORRT_PLUGIN names, else the one that was installed with stc."""
    asked = os.environ.get(VARIABLE)
    path = Path(asked) if asked else FILE
    if not path.is_file():
        source = f"{VARIABLE} names {path}, which is no file" if asked else f"{path.name} is not installed"
        return Missing(f"{source}; build the plugin and name it with: {VARIABLE}=FILE")
    return Plugin(path, sha256(path))
