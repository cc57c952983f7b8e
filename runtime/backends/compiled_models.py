"""Models that OpenVINO has compiled, kept in the user's cache folder: it takes a third of the time to load one.

A file is named after all that decides its content, and begins with the SHA-256 of the rest: OpenVINO reads a damaged
one without a word. One that does not fit is compiled again. A cache that cannot be read or written is no error.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from stc.boundary import foreign
from stc.errors import StcError
from stc.files import write_bytes

logger = logging.getLogger(__name__)

_DIGEST = 32  # bytes


def folder() -> Path:
    """Models are code: they belong into the user's own folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "stc"  # noqa: PTH111  (never raises)


def file_of(*parts: object) -> Path:
    """Where the model is kept that `parts` determine: the ONNX file, OpenVINO's version, the CPU, the precision."""
    key = hashlib.sha256(repr(parts).encode()).hexdigest()
    return folder() / f"openvino-{key[:32]}.blob"


def load(core: Any, path: Path, device: str, settings: Mapping[str, Any]) -> Any | None:
    """The compiled model in `path`; None where there is none, or not one that OpenVINO takes."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
        logger.info("%s: damaged; compiled again", path)
        return None
    try:
        with foreign("OpenVINO", path, "compiled again"):
            return core.import_model(content[_DIGEST:], device, dict(settings))
    except StcError as error:
        logger.info("%s", error)
        return None


def save(compiled: Any, path: Path) -> None:
    """Keep a compiled model, where that can be done."""
    stream = BytesIO()
    try:
        with foreign("OpenVINO", path, "not kept"):
            compiled.export_model(stream)
        blob = stream.getvalue()
        write_bytes(path, hashlib.sha256(blob).digest() + blob)
    except (StcError, OSError) as error:
        logger.info("%s: not kept (%s)", path, error)
