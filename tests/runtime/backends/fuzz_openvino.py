"""The files of `fuzz_onnx`, run by OpenVINO."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

from tests.runtime.backends import fuzz_onnx


def cases(folder: Path) -> Callable[[random.Random], object]:
    os.environ["XDG_CACHE_HOME"] = str(folder)  # of what it compiles
    return fuzz_onnx.cases(folder, "openvino")
