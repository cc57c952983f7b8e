"""The passport of a model: how to feed it, what is in it, what it was proven against, the hashes of its files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from stc.boundary import reason
from stc.errors import IncompatibleError, InputError
from stc.files import sha256, write_text
from stc.runtime import schema
from stc.runtime.bundle import cut_record, engine_record
from stc.runtime.letterbox import RESIZE_RULES, Letterbox, sizes_in_words
from stc.runtime.tracking import config as tracker_config

SCHEMA = 1
FILE_NAME = "passport.json"
MODEL_FILE = "model.onnx"  # fp32: what a CPU runs, and the reference of all other files of a bundle
METADATA_KEY = "stc.passport"  # of the ONNX file
MAX_BYTES = 16 << 20
ELSEWHERE = ", openvino "  # in the name of a verdict on a file in another engine (`engines.record_of`)
FIX = "re-export with: stc-export --ckpt FILE"
ALONE = (
    "{}: no passport.json beside it and none in its metadata, so not a model of stc-export; "
    "make one with: stc-export --ckpt FILE"
)

# What the fields of a passport from a file must be before anything uses it. Sizes are bounded so that a frame and a
# memory of tracks are; what only reports show may be anything.
_WORDS = schema.text(1000)
_ANYTHING = schema.mapping(schema.anything())
Pixels = Annotated[tuple[int, int], schema.items(schema.integer(1, 8192), 2, 2)]
Share = Annotated[float, schema.number(0, 1)]
Values = dict[str, Any]
_PRECISION = schema.record(
    {"type": _WORDS, "fp32_islands": schema.mapping(_WORDS), "files": schema.mapping(_WORDS)},
    required=("fp32_islands",),
    or_empty=True,
)
_CHECKPOINT = schema.record(
    {
        **dict.fromkeys(("file", "sha256", "layout", "decode_rule"), _WORDS),
        **dict.fromkeys(("assumed", "read"), schema.mapping(_WORDS)),
    },
    required=("file", "sha256", "layout", "assumed"),
    or_empty=True,
)
_ENGINE = schema.record(engine_record.FIELDS, engine_record.REQUIRED)
_FLAGS = schema.record({"batch": schema.optional(schema.items(schema.integer(1, 1 << 16), 3, 3))})


@dataclass(frozen=True)
class Passport:
    """What a runtime must know before it loads a model.

    Sizes are (H, W) pixels, colours BGR in 0..255, thresholds on the score 0..1 that a `Result` shows.
    """

    name: Annotated[str, schema.file_name()]
    classes: Annotated[tuple[str, ...], schema.items(_WORDS, 1, 10_000)]
    input_size: Pixels  # with `shortest_edge` only that of frames of this shape
    padded_size: Pixels  # of the input inside the graph
    resize: Annotated[str, schema.choice(*RESIZE_RULES)]
    border: Annotated[tuple[int, int, int], schema.items(schema.integer(0, 255), 3, 3)]
    max_detections: Annotated[int, schema.integer(1, 100_000)]
    embedding_dim: Annotated[int, schema.integer(0, 4096)]  # 0: no tracking head, ids come from IoU and class cues
    mask_stride: Annotated[int, schema.integer(1, 1024)]
    score_threshold: Share  # the least score that the graph gives; a session can only raise it
    nms_threshold: Share
    appearance_dim: Annotated[int, schema.integer(0, 1 << 14)] = 0  # 0: no vector of what an object looks like
    # (shorter side, most for the longer): the graph takes any size, and each frame keeps its shape. None: letterboxed.
    shortest_edge: Pixels | None = None
    divisor: Annotated[int, schema.integer(1, 1024)] = 32  # the graph pads to sides of multiples of it
    threshold_bound: Share | None = None  # highest score that the graph's own threshold decides about; None: the least
    # "group": it averages over the letterbox border too; "batch"; "": exported before it was noted
    head_norm: Annotated[str, schema.choice("", "group", "batch")] = ""
    # Fields of stc.runtime.tracking.config.TrackerConfig.
    tracker: Annotated[Values, schema.record(tracker_config.FIELDS)] = field(default_factory=dict)
    # Its type, why which islands are fp32, each file's type.
    precision: Annotated[Values, _PRECISION] = field(default_factory=dict)
    # File name, sha256, layout, what was assumed and read.
    checkpoint: Annotated[Values, _CHECKPOINT] = field(default_factory=dict)
    model: Annotated[Values, _ANYTHING] = field(default_factory=dict)  # stc.model.config.ModelConfig reads it
    op: Annotated[Values, _ANYTHING] = field(default_factory=dict)  # name and version
    engine: Annotated[Values, _ENGINE] | None = None  # TensorRT flavour, version, targets; None: no engine was built
    # Versions of what made the files.
    tools: Annotated[dict[str, str], schema.mapping(_WORDS)] = field(default_factory=dict)
    # Per file: agreement with PyTorch fp32.
    agreement: Annotated[Values, schema.mapping(schema.record({"verdict": _WORDS}))] = field(default_factory=dict)
    flags: Annotated[Values, _FLAGS] = field(default_factory=dict)  # how the export was called
    # Model file name -> CutRecord of its graph without the mask head.
    cuts: Annotated[Values, schema.mapping(schema.record(cut_record.FIELDS, cut_record.REQUIRED))] = field(
        default_factory=dict
    )
    # Model file name -> sha256.
    files: Annotated[dict[str, str], schema.mapping(schema.sha256())] = field(default_factory=dict)
    schema: int = SCHEMA

    @property
    def has_tracking_head(self) -> bool:
        return self.embedding_dim > 0

    def letterbox(self, frame_size: tuple[int, int]) -> Letterbox:
        """How frames of this size (H, W) become the model's input. Raises InputError for an empty frame."""
        return Letterbox.fit(frame_size, self.input_size, self.resize, self.border, self.shortest_edge)

    def mask_cells(self, input_size: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of the masks of an input of this size (H, W)."""
        if self.shortest_edge is None:
            height, width = self.padded_size
        else:
            height, width = (-(-side // self.divisor) * self.divisor for side in input_size)
        return height // self.mask_stride, width // self.mask_stride

    @property
    def sizes_in_words(self) -> str:
        """What becomes of frames."""
        words = sizes_in_words(self.input_size, self.shortest_edge)
        return words if self.shortest_edge is None else f"any shape: {words}"

    def metadata(self) -> dict[str, Any]:
        """What the ONNX metadata holds: everything but what was made of that file, and the files' hashes."""
        values = asdict(self)
        del values["engine"], values["cuts"], values["files"]
        values["agreement"] = {name: verdict for name, verdict in values["agreement"].items() if ELSEWHERE not in name}
        return values

    def to_json(self) -> str:
        """JSON text whose last field, `digest`, is the SHA-256 of the canonical JSON of all others."""
        values = asdict(self)
        return json.dumps({**values, "digest": _digest(values)}, indent=1)

    def write(self, folder: Path) -> None:
        write_text(folder / FILE_NAME, self.to_json() + "\n")


FIELDS = schema.table(Passport)


def from_dict(values: dict[str, Any], where: str) -> Passport:
    """A `Passport` from decoded JSON; fields that this version does not know are left out.

    Raises InputError when one is missing, IncompatibleError for another schema and for fields of another type or out of
    range.
    """
    if values.get("schema") != SCHEMA:
        raise IncompatibleError(
            f"{where}: passport schema {schema.shown(values.get('schema'))}, this version of stc reads {SCHEMA}; {FIX}"
        )
    if wrong := schema.problems(values, FIELDS) or _contradictions(values):
        raise IncompatibleError(f"{where}: a passport that cannot be used ({schema.sentence(wrong)}); {FIX}")
    try:
        return Passport(**schema.known(Passport, values))
    except TypeError as error:
        raise InputError(f"{where}: not a complete passport ({error}); {FIX}") from error


def _contradictions(values: dict[str, Any]) -> list[str]:
    """Of fields that are each in range."""
    size, padded, stride = (values.get(name) for name in ("input_size", "padded_size", "mask_stride"))
    edges, divisor = values.get("shortest_edge"), values.get("divisor")
    wrong = []
    if edges and edges[0] > edges[1]:
        wrong.append(f"shortest_edge: must rise; got {tuple(edges)}")
    if divisor and stride and divisor % stride:
        wrong.append(f"mask_stride: must divide divisor {divisor}; got {stride}")
    if size and padded and any(inner > outer for inner, outer in zip(size, padded, strict=True)):
        wrong.append(f"padded_size: must be at least input_size {tuple(size)}; got {tuple(padded)}")
    if padded and stride and stride > min(padded):
        wrong.append(f"mask_stride: must be at most padded_size {tuple(padded)}; got {stride}")
    return wrong


def read(folder: Path) -> Passport:
    """Read and verify `folder/passport.json` against its own digest.

    Raises InputError when it is missing or not JSON, IncompatibleError when it was altered or has another schema.
    """
    path = folder / FILE_NAME
    try:
        if path.exists() and (not path.is_file() or path.stat().st_size > MAX_BYTES):
            raise InputError(f"{path}: not a file of at most {MAX_BYTES >> 20} MiB, so not a passport; {FIX}")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{folder}: no {FILE_NAME}, so not a bundle; make one with: stc-export --ckpt FILE") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: unreadable ({reason(error)}); {FIX}") from error
    return parse(text, str(path))


def parse(text: str, where: str) -> Passport:
    """The passport that `text` (JSON of `to_json`) is, verified against its own digest. Raises as `read` does."""
    values = decoded(text, where)
    digest = values.pop("digest", None)
    if digest != _digest(values):
        raise IncompatibleError(f"{where}: altered after export (digest differs); {FIX}")
    return from_dict(values, where)


def decoded(text: str, where: str) -> dict[str, Any]:
    """The fields that JSON `text` holds. Raises InputError for what is no JSON, or no object."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:  # RecursionError: nested too deeply
        raise InputError(f"{where}: unreadable (not JSON: {reason(error)}); {FIX}") from error
    if not isinstance(values, dict):
        raise InputError(f"{where}: not a passport; {FIX}")
    return values


def verify_file(passport: Passport, path: Path) -> None:
    """Check one model file against the passport before it is loaded: integrity, not authenticity.

    Raises InputError when the file is missing, IncompatibleError when it is not listed or its hash differs.
    """
    if not path.is_file():
        raise InputError(f"{path}: missing; {FIX}")
    verify_hash(passport, path, sha256(path), FIX)


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
