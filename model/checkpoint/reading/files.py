"""State dictionaries out of weight files of any common form, without running code that a file may carry."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stc.errors import CheckpointError
from stc.model.checkpoint.reading import other_files, pickles, shards, torch_files
from stc.model.checkpoint.reading.stand_ins import Array, Foreign
from stc.model.checkpoint.reading.torch_files import View

# Where training frameworks keep the weights, in the order in which they are preferred.
ENTRIES = (
    *("model", "state_dict", "model_state", "model_state_dict", "module", "net", "network", "weights", "params"),
    *("ema_state", "ema_state_dict", "model_ema", "ema_model", "ema", "params_ema", "blobs"),
)
MAX_NESTING = 4  # of such entries
MAX_ELEMENTS = 1 << 30  # 30 times R-101; more is a damaged or hostile header
SAVE_INSTEAD = "save model.state_dict() instead"
NUMBERS = (
    *(torch.float32, torch.float16, torch.bfloat16, torch.float64),
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool),
)


@dataclass(frozen=True)
class StateFile:
    """What a weight file holds: tensors as stored (any dtype, CPU), and text metadata (`.safetensors` only)."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str] = field(default_factory=dict)
    entry: str = ""  # which entries the tensors were under, joined by dots; "" for a bare state dictionary
    left_out: tuple[str, ...] = ()  # others of ENTRIES that the file holds as well
    meta: dict[Any, Any] = field(default_factory=dict)  # what mmengine keeps beside the weights
    from_caffe2: bool = False  # it says so: detectron2 marks what it converted from Caffe2's backbones


def read(path: Path) -> StateFile:
    """Read a weight file of any form, which its content tells and not its name.

    Forms: torch.save's (both), plain pickles of NumPy arrays, safetensors, and a tar archive that holds one of them.
    Dictionaries are unwrapped (`ENTRIES`, or the only one that holds tensors), a prefix `module.` that all names share
    is removed.
    Raises CheckpointError for a file that is missing, empty, not a weight file, truncated, or that wants to run code.
    """
    start = _start(path)
    other_files.refuse(path, start)
    try:
        if start[257:262] == b"ustar":
            with _member(path) as content:
                return _read_form(content, path)
        return _read_form(path, path)
    except CheckpointError:
        raise
    except Exception as error:  # damage can surface as nearly anything
        raise _damaged(path, error) from error


def _read_form(content: Path, path: Path) -> StateFile:
    """`content` is the file to read, `path` what a user calls it."""
    start = _start(content)
    if shards.is_index(content, start):
        raise shards.error(path, "the index of weights that are stored in several files, not the weights")
    if start.startswith(b"PK"):
        other_files.refuse_archive(path, torch_files.names(content))
        with torch_files.archived(content) as file:
            return _unwrap(path, file.content, file.tensor)
    # Its first 8 bytes are the length of the JSON that follows.
    if path.suffix == ".safetensors" or (start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 1 << 32):
        return _read_safetensors(content, path)
    return _read_pickle(content, path)


@contextmanager
def _member(path: Path) -> Iterator[Path]:
    """The one file in a tar archive, as a file of its own."""
    with tarfile.open(path, "r:") as archive, tempfile.NamedTemporaryFile(suffix=".pth") as copy:
        members = [member for member in archive if member.isreg()]
        if len(members) != 1:
            raise CheckpointError(
                f"{path}: a tar archive of {len(members)} files; unpack it with: tar -xf {path}, and give one of them"
            )
        source = archive.extractfile(members[0])
        assert source is not None
        shutil.copyfileobj(source, copy)
        copy.flush()
        yield Path(copy.name)


def _start(path: Path) -> bytes:
    """The first 512 bytes of `path`."""
    if path.is_dir():
        raise other_files.folder(path)
    if path.exists() and not path.is_file():
        raise CheckpointError(f"{path}: no regular file; check the path given to --ckpt")
    try:
        with path.open("rb") as handle:
            return handle.read(512)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}); check the path given to --ckpt"
        ) from error


def _read_safetensors(content: Path, path: Path) -> StateFile:
    from safetensors import safe_open

    with safe_open(content, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        metadata = dict(file.metadata() or {})
    return StateFile(_checked(path, tensors), metadata)


def _read_pickle(content: Path, path: Path) -> StateFile:
    with pickles.mapped(content) as file:
        first = pickles.load(file)
        if torch_files.is_older_form(first):
            older = torch_files.older_form(file)
            return _unwrap(path, older.content, older.tensor)
        return _unwrap(path, first, _no_views)


def _no_views(view: View) -> Tensor:
    raise AssertionError(f"{view} in a plain pickle")


def _refused(path: Path, name: object, *, whole: bool = False) -> CheckpointError:
    """whole: the file is one object of that name, such as a pickled module."""
    if whole:
        return CheckpointError(
            f"{path}: refused, because loading it would call {name!s:.100}: a whole object was saved and not its "
            f"weights; load it where it was made, and {SAVE_INSTEAD}"
        )
    return CheckpointError(
        f"{path}: refused, because loading it would call {name!s:.100}, and weights need no code; "
        "ask its author for the weights alone, best as .safetensors (torch.save(model.state_dict(), ...) also reads)"
    )


def _damaged(path: Path, error: Exception) -> CheckpointError:
    reason = str(error).strip().partition("\n")[0][:160]
    return CheckpointError(
        f"{path}: truncated, damaged or not a weight file ({type(error).__name__}: {reason}); download or copy it again"
    )


def _unwrap(path: Path, content: object, read_view: Callable[[View], Tensor]) -> StateFile:
    if isinstance(content, Foreign):
        raise _refused(path, content, whole=True)
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds a {_kind(content)}, not a dictionary of weights; {SAVE_INSTEAD}")
    state = content
    entries: list[str] = []
    left_out: tuple[str, ...] = ()
    while len(entries) < MAX_NESTING and (present := _present(state)):
        unused = [f"{name} (None)" for name in ENTRIES if name in state and state[name] is None]
        left_out = left_out or (*present[1:], *unused)
        entries.append(present[0])
        state = state[present[0]]
    entry = ".".join(entries)
    if entries[-1:] == ["blobs"]:  # Caffe2: a list of names among the arrays
        state.pop("weight_order", None)
    tensors: dict[str, Tensor] = {}
    arrays = _ArrayReader(path)
    for name, value in state.items():
        if isinstance(value, Foreign):
            raise _refused(path, value)
        if not isinstance(name, str):
            raise CheckpointError(f"{path}: entry {name!r:.100} has no text for a name; {SAVE_INSTEAD}")
        if not isinstance(value, View | Array):
            if len(found := _networks(state)) > 1:
                raise CheckpointError(
                    f"{path}: weights in {len(found)} entries, none of which says that it is the model "
                    f"({', '.join(f'{name:.100}' for name in found[:3])}{', ...' * (len(found) > 3)}); "
                    "save the one to export alone with torch.save"
                )
            raise CheckpointError(
                f"{path}: entry {name[:100]!r} is a {_kind(value)}, not a tensor, and no entry is one of "
                f"{', '.join(ENTRIES)}; {SAVE_INSTEAD}"
            )
        tensors[name] = read_view(value) if isinstance(value, View) else arrays.read(name, value)
    from_caffe2 = content.get("__author__") == "Caffe2" or entries[-1:] == ["blobs"]
    meta = content["meta"] if entries and isinstance(content.get("meta"), dict) else {}
    return StateFile(_checked(path, tensors), entry=entry, left_out=left_out, meta=meta, from_caffe2=from_caffe2)


def _present(content: dict[Any, Any]) -> list[str]:
    """Those of ENTRIES that hold something, else those that at least are dictionaries."""
    entries = [entry for entry in ENTRIES if isinstance(content.get(entry), dict)]
    if entries:
        return [entry for entry in entries if content[entry]] or entries
    found = _networks(content)
    alone = not any(isinstance(value, View | Array) for value in content.values())
    return found if alone and len(found) == 1 else []


def _networks(content: dict[Any, Any]) -> list[str]:
    """The entries that are dictionaries of tensors or lead to one, whatever they are called."""
    return [name for name, value in content.items() if isinstance(name, str) and _leads_to_tensors(value, MAX_NESTING)]


def _leads_to_tensors(value: object, nesting: int) -> bool:
    if not isinstance(value, dict) or not nesting:
        return False
    if any(isinstance(name, str) and isinstance(inner, View | Array) for name, inner in value.items()):
        return True
    entries = (inner for name, inner in value.items() if name in ENTRIES)
    return any(_leads_to_tensors(inner, nesting - 1) for inner in entries)


class _ArrayReader:
    """Pickled arrays as tensors, of no more bytes than the file: views of the same would fill the memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left = path.stat().st_size
        self.known: dict[int, Tensor] = {}  # by identity: tied weights are one array

    def read(self, name: str, array: Array) -> Tensor:
        if id(array) not in self.known:
            self.left -= len(array.content)
            if self.left < 0:
                raise ValueError("arrays of more bytes than the file has")
            value = array.value
            if value is None:
                raise CheckpointError(f"{self.path}: entry {name[:100]!r} is an array of no numbers; {SAVE_INSTEAD}")
            # A copy in native byte order: torch shares memory with NumPy and wants it writable.
            self.known[id(array)] = torch.from_numpy(value.astype(value.dtype.newbyteorder("="), order="C"))
        return self.known[id(array)]


def _kind(value: object) -> str:
    return "Tensor" if isinstance(value, View) else type(value).__name__


def _checked(path: Path, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Refuse anything but plain CPU tensors of a believable size; strip a common `module.`."""
    if not tensors:
        raise CheckpointError(f"{path}: holds no tensor; save model.state_dict() instead")
    for name, tensor in tensors.items():
        if tensor.dtype not in NUMBERS or tensor.layout != torch.strided or tensor.device.type != "cpu":
            raise CheckpointError(
                f"{path}: {name} is a {tensor.layout} tensor of {tensor.dtype} on {tensor.device}; "
                "save plain float tensors instead (a quantised or sparse model cannot be exported)"
            )
    elements = sum(tensor.numel() for tensor in tensors.values())
    if elements > MAX_ELEMENTS:
        raise CheckpointError(
            f"{path}: {elements:,} numbers, more than any STC model has ({MAX_ELEMENTS:,}); wrong file?"
        )
    prefix = "module."
    if all(name.startswith(prefix) for name in tensors):
        return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors
