"""From a verified model file to what runs it."""

from __future__ import annotations

import logging
from pathlib import Path

from stc.errors import Missing
from stc.runtime.backends import cut
from stc.runtime.backends.backend import Backend
from stc.runtime.backends.onnxruntime import OnnxRuntimeBackend
from stc.runtime.backends.openvino import OpenVinoBackend
from stc.runtime.backends.tensorrt.backend import TensorRtBackend
from stc.runtime.bundle import files as model_files
from stc.runtime.bundle.files import EngineFile, OnnxFile
from stc.runtime.bundle.passport import Passport
from stc.runtime.native import library
from stc.runtime.native.library import Library

logger = logging.getLogger(__name__)


def native_library(asked: bool, threads: int | None) -> Library | Missing:
    """The native CPU library where it is `asked` for and installed, else why it is not used."""
    found = library.find() if asked else Missing("native=False")
    return found.with_threads(threads) if isinstance(found, Library) else found


def load(
    file: OnnxFile | EngineFile, threads: int | None, native: Library | Missing, spin: bool = False, workers: int = 1
) -> tuple[Backend, Passport]:
    """What runs a verified file, and the passport that says how to feed it. Raises as `Session` does."""
    if isinstance(file, EngineFile):
        return TensorRtBackend(file), file.passport
    device = str(file.device)
    backend: OnnxRuntimeBackend | OpenVinoBackend
    if file.choice.engine == "openvino":
        if file.passport is None:
            cut.check(file.path)
        backend = OpenVinoBackend(
            file.path,
            device=device,
            threads=threads,
            workers=workers,
            native=native,
            numbers=file.choice.numbers,
            cut_record=file.cut,
        )
    else:
        backend = OnnxRuntimeBackend(
            file.path, device=device, threads=threads, native=native, cut_record=file.cut, spin=spin
        )
    return backend, file.passport or backend.embedded_passport()


def precision(path: Path, passport: Passport, backend: Backend) -> str:
    """Of which numbers the outputs are: "fp32", "fp16", … Warns where float32 may be computed in fewer bits."""
    found = model_files.precision(passport, path)
    if found == "fp32" and isinstance(backend, OpenVinoBackend) and backend.numbers == "bf16":
        return "bf16"
    if found != "fp32" or not isinstance(backend, OnnxRuntimeBackend) or not backend.tf32:
        return found
    logger.warning(
        "%s: cuDNN may compute its float32 convolutions in TF32, with the ten bits of float16, so it counts as float16;"
        " for float32 start the process with: NVIDIA_TF32_OVERRIDE=0",
        path,
    )
    return "fp16"
