"""State dictionaries out of weight files of any common form, without running code that a file may carry."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from stc.errors import CheckpointError
from stc.model.checkpoint import pickles

# Where training frameworks keep the weights, in the order in which they are preferred.
ENTRIES = ("model", "state_dict", "model_state", "ema_state", "model_ema", "blobs")
MAX_ELEMENTS = 1 << 30  # 30 times R-101; more is a damaged or hostile header
NUMBERS = (
    *(torch.float32, torch.float16, torch.bfloat16, torch.float64),
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool),
)


@dataclass(frozen=True)
class StateFile:
    """What a weight file holds: tensors as stored (any dtype, CPU), and text metadata (`.safetensors` only)."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str] = field(default_factory=dict)
    entry: str = ""  # which of ENTRIES the tensors were under; "" for a bare state dictionary
    left_out: tuple[str, ...] = ()  # others of ENTRIES that the file holds as well


def read(path: Path) -> StateFile:
    """Read `.pth`, `.pt`, `.pkl` or `.safetensors`.

    Dictionaries are unwrapped (`ENTRIES`), a prefix `module.` that all names share is removed.
    Raises CheckpointError for a file that is missing, empty, not a weight file, truncated, or that wants to run code.
    """
    _refuse_what_is_no_weight_file(path)
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    content = _read_pickle(path) if path.suffix == ".pkl" else _read_torch(path)
    return _unwrap(path, content)


def _refuse_what_is_no_weight_file(path: Path) -> None:
    if path.is_dir():
        raise CheckpointError(f"{path}: a folder, not a weight file; give the file itself: --ckpt {path}/model.pth")
    try:
        with path.open("rb") as handle:
            start = handle.read(512)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}); check the path given to --ckpt"
        ) from error
    if not start:
        raise CheckpointError(f"{path}: empty (0 bytes); download or copy it again")
    if path.suffix not in (".pth", ".pt", ".pkl", ".safetensors"):
        raise CheckpointError(
            f"{path}: unknown suffix {path.suffix!r}; weight files are .pth, .pt, .pkl or .safetensors"
        )
    text = start.lstrip().lower()
    if text.startswith(b"version https://git-lfs"):
        raise CheckpointError(f"{path}: a Git LFS pointer, not the weights themselves; fetch them with: git lfs pull")
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise CheckpointError(f"{path}: a web page, not weights; the download failed, download the file itself again")


def _read_safetensors(path: Path) -> StateFile:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            metadata = dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError, RuntimeError, KeyError, AttributeError) as error:
        raise _damaged(path, error) from error
    return StateFile(_checked(path, tensors), metadata)


def _read_torch(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if refused := re.search(r"GLOBAL (\S+)", str(error)):
            raise _refused(path, refused[1]) from error
        raise _damaged(path, error) from error
    except Exception as error:  # damage in a pickle can surface as nearly anything
        raise _damaged(path, error) from error


def _read_pickle(path: Path) -> object:
    try:
        return pickles.load(path.read_bytes())
    except pickles.RefusedGlobalError as error:
        raise _refused(path, str(error)) from error
    except Exception as error:  # damage in a pickle can surface as nearly anything
        raise _damaged(path, error) from error


def _refused(path: Path, name: str) -> CheckpointError:
    return CheckpointError(
        f"{path}: refused, because loading it would call {name}, and weights need no code; "
        "ask its author for the weights alone, best as .safetensors (torch.save(model.state_dict(), ...) also reads)"
    )


def _damaged(path: Path, error: Exception) -> CheckpointError:
    text = str(error).strip()
    # PyTorch's own reason stands behind advice to load the file unsafely, which is not ours to give.
    inner = re.search(r"WeightsUnpickler error: (.*)", text)
    reason = (inner[1] if inner else text.partition("\n")[0])[:160]
    return CheckpointError(
        f"{path}: truncated, damaged or not a weight file ({type(error).__name__}: {reason}); download or copy it again"
    )


def _unwrap(path: Path, content: object) -> StateFile:
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path}: holds a {type(content).__name__}, not a dictionary of weights; save model.state_dict() instead"
        )
    present = [entry for entry in ENTRIES if isinstance(content.get(entry), Mapping)]
    entry, left_out = (present[0], tuple(present[1:])) if present else ("", ())
    state = content[entry] if entry else content
    tensors: dict[str, Tensor] = {}
    for name, value in state.items():
        array = value.value if isinstance(value, pickles.Array) else None
        # A copy in native byte order: torch shares memory with NumPy and wants it writable.
        tensor = value if array is None else torch.from_numpy(array.astype(array.dtype.newbyteorder("="), order="C"))
        if not isinstance(tensor, Tensor) or not isinstance(name, str):
            raise CheckpointError(
                f"{path}: entry {name!r} is a {type(value).__name__}, not a tensor, and no entry is one of "
                f"{', '.join(ENTRIES)}; save model.state_dict() instead"
            )
        tensors[name] = tensor.detach()
    return StateFile(_checked(path, tensors), entry=entry, left_out=left_out)


def _checked(path: Path, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Refuse what is no set of plain CPU tensors of a believable size; strip a common `module.`."""
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
