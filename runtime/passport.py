"""The passport of a model: how to feed it, what is in it, what it was proven against, the hashes of its files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from stc.errors import IncompatibleError, InputError
from stc.files import sha256, write_text

SCHEMA = 1
FILE_NAME = "passport.json"
MODEL_FILE = "model.onnx"  # fp32: what a CPU runs, and the reference of all other files of a bundle
METADATA_KEY = "stc.passport"  # of the ONNX file


@dataclass(frozen=True)
class Passport:
    """What a runtime must know before it loads a model.

    Sizes are (H, W) pixels, colours BGR in 0..255, thresholds on the score 0..1 that a `Result` shows.
    """

    name: str
    classes: tuple[str, ...]
    input_size: tuple[int, int]
    padded_size: tuple[int, int]
    resize: str  # "pil-bilinear", "linear" or "area"
    border: tuple[int, int, int]
    max_detections: int
    embedding_dim: int  # 0: no tracking head, ids come from IoU and class cues
    mask_stride: int
    score_threshold: float  # the least score that the graph gives; a session can only raise it
    nms_threshold: float
    threshold_bound: float | None = None  # highest score that the graph's own threshold decides about; None: the least
    tracker: dict[str, Any] = field(default_factory=dict)  # fields of stc.runtime.tracker.TrackerConfig
    precision: dict[str, Any] = field(default_factory=dict)  # {"type": "fp32"|"fp16", "fp32_islands": [...]}
    checkpoint: dict[str, Any] = field(default_factory=dict)  # file name, sha256, layout, what was assumed
    model: dict[str, Any] = field(default_factory=dict)  # stc.model.config.ModelConfig
    op: dict[str, Any] = field(default_factory=dict)  # name, version, plugin (None: function body)
    engine: dict[str, Any] | None = None  # TensorRT flavour, version, targets; None: no engine was built
    tools: dict[str, str] = field(default_factory=dict)  # versions of what made the files
    agreement: dict[str, Any] = field(default_factory=dict)  # per file: agreement with PyTorch fp32
    flags: dict[str, Any] = field(default_factory=dict)  # how the export was called
    files: dict[str, str] = field(default_factory=dict)  # model file name -> sha256
    schema: int = SCHEMA

    @property
    def has_tracking_head(self) -> bool:
        return self.embedding_dim > 0

    def metadata(self) -> dict[str, Any]:
        """What the ONNX metadata holds: everything but the engine made of that file, and the files' hashes."""
        values = asdict(self)
        del values["engine"], values["files"]
        return values

    def to_json(self) -> str:
        """JSON text whose last field, `digest`, is the SHA-256 of the canonical JSON of all others."""
        values = asdict(self)
        return json.dumps({**values, "digest": _digest(values)}, indent=1)

    def write(self, folder: Path) -> None:
        write_text(folder / FILE_NAME, self.to_json() + "\n")


def from_dict(values: dict[str, Any], where: str) -> Passport:
    """A `Passport` from decoded JSON. Raises IncompatibleError for another schema, InputError for a malformed one."""
    if values.get("schema") != SCHEMA:
        raise IncompatibleError(
            f"{where}: passport schema {values.get('schema')!r}, this version of stc reads {SCHEMA}; "
            "re-export with: stc-export --ckpt FILE"
        )
    known = {f.name for f in fields(Passport)}
    fixed: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if k in known}
    try:
        return Passport(**fixed)
    except TypeError as error:
        raise InputError(
            f"{where}: not a complete passport ({error}); re-export with: stc-export --ckpt FILE"
        ) from error


def read(folder: Path) -> Passport:
    """Read and verify `folder/passport.json` against its own digest.

    Raises InputError when it is missing or not JSON, IncompatibleError when it was altered or has another schema.
    """
    path = folder / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{folder}: no {FILE_NAME}, so not a bundle; make one with: stc-export --ckpt FILE") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: unreadable ({error}); re-export with: stc-export --ckpt FILE") from error
    return parse(text, str(path))


def parse(text: str, where: str) -> Passport:
    """The passport that `text` (JSON of `to_json`) is, verified against its own digest. Raises as `read` does."""
    try:
        values = json.loads(text)
    except ValueError as error:
        raise InputError(f"{where}: unreadable ({error}); re-export with: stc-export --ckpt FILE") from error
    if not isinstance(values, dict):
        raise InputError(f"{where}: not a passport; re-export with: stc-export --ckpt FILE")
    digest = values.pop("digest", None)
    if digest != _digest(values):
        raise IncompatibleError(
            f"{where}: altered after export (digest differs); re-export with: stc-export --ckpt FILE"
        )
    return from_dict(values, where)


def verify_file(passport: Passport, path: Path) -> None:
    """Check one model file against the passport before it is loaded: integrity, not authenticity.

    Raises InputError when the file is missing, IncompatibleError when it is not listed or its hash differs.
    """
    if not path.is_file():
        raise InputError(f"{path}: missing; re-export with: stc-export --ckpt FILE")
    verify_hash(passport, path, sha256(path), "re-export with: stc-export --ckpt FILE")


def verify_hash(passport: Passport, path: Path, found: str, fix: str) -> None:
    """Check the SHA-256 `found` of a file's content. Raises IncompatibleError that ends with `fix`."""
    expected = passport.files.get(path.name)
    if expected is None:
        raise IncompatibleError(f"{path}: not listed in its passport; {fix}")
    if found != expected:
        raise IncompatibleError(f"{path}: sha256 {found[:12]}…, its passport says {expected[:12]}…; {fix}")


def _digest(values: dict[str, Any]) -> str:
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
