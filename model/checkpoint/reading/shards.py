"""Weights that are stored in several files: what they are called, and how to join them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

from stc.errors import CheckpointError

INDEX = ".index.json"  # names each entry's file under "weight_map"
MAX_INDEX = 64 << 20  # bytes
_LOAD = {
    ".safetensors": "from safetensors.torch import load_file as load, save_file as save",
    ".bin": "from torch import load, save",
}


def is_index(path: Path, start: bytes) -> bool:
    """Whether the file, whose first bytes are `start`, is the index of shards."""
    if not start.lstrip().startswith(b"{") or path.stat().st_size > MAX_INDEX:
        return False
    try:
        content: Any = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and isinstance(content.get("weight_map"), dict)


def part(path: Path) -> str:
    """ "1 of 2" when the name of `path` says that it is a shard, else ""."""
    match = re.search(r"-0*(\d+)-of-0*(\d+)\.\w+$", path.name)
    return f"{match[1]} of {match[2]}" if match and int(match[2]) > 1 else ""


def error(path: Path, what: str) -> CheckpointError:
    """The error for `path` (an index, a shard or a folder of them; `what` says which): the command that joins them."""
    folder = path if path.is_dir() else path.parent
    suffix = next((suffix for suffix in _LOAD if any(folder.glob(f"*-of-*{suffix}"))), ".safetensors")
    whole = folder / f"joined{suffix}"
    code = (
        f"{_LOAD[suffix]}; from pathlib import Path; files = Path({str(folder)!r}).glob('*-of-*{suffix}'); "
        f"save({{k: v for file in files for k, v in load(file).items()}}, {str(whole)!r})"
    )
    return CheckpointError(
        f"{path}: {what}; join the shards with: python -c {shlex.quote(code)}, and give --ckpt {whole}"
    )
