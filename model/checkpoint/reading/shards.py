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
MAX_SHARDS = 1000
_SHARD = re.compile(r"-(\d+)-of-(\d+)\.\w+$")
_LOAD = {
    ".safetensors": "from safetensors.torch import load_file as load, save_file as save",
    ".bin": "from torch import load, save",
}


def is_index(path: Path, start: bytes) -> bool:
    """Whether the file, whose first bytes are `start`, is the index of shards."""
    return start.lstrip().startswith(b"{") and _places(path) is not None


def _places(index: Path) -> dict[str, Any] | None:
    """The file of every entry, as an index has it; None where it is no index."""
    try:
        content: Any = None if index.stat().st_size > MAX_INDEX else json.loads(index.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    places = content.get("weight_map") if isinstance(content, dict) else None
    return places if isinstance(places, dict) else None


def part(path: Path) -> str:
    """ "1 of 2" when the name of `path` says that it is a shard, else ""."""
    match = _SHARD.search(path.name)
    return f"{int(match[1])} of {int(match[2])}" if match and int(match[2]) > 1 else ""


def _missing(folder: Path) -> list[str]:
    """Names of shards that are not in `folder`, though its other shards' numbers or an index there speak of them."""
    named: set[str] = set()
    for shard in folder.glob("*-of-*.*"):
        if match := _SHARD.search(shard.name):
            before, after, digits = shard.name[: match.start(1)], shard.name[match.end(1) :], len(match[1])
            named.update(
                f"{before}{number:0{digits}}{after}" for number in range(1, min(int(match[2]), MAX_SHARDS) + 1)
            )
    for index in folder.glob(f"*{INDEX}"):
        named.update(name for name in (_places(index) or {}).values() if isinstance(name, str) and _SHARD.search(name))
    return sorted(name for name in named if not (folder / Path(name).name).is_file())


def error(path: Path, what: str) -> CheckpointError:
    """The error for `path` (an index, a shard or a folder of them; `what` says which): the shards that are missing, or
    the command that joins all."""
    folder = path if path.is_dir() else path.parent
    if missing := _missing(folder):
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        return CheckpointError(f"{path}: {what}; {len(missing)} of the files are missing: copy into {folder}: {shown}")
    suffix = next((suffix for suffix in _LOAD if any(folder.glob(f"*-of-*{suffix}"))), ".safetensors")
    whole = folder / f"joined{suffix}"
    code = (
        f"{_LOAD[suffix]}; from pathlib import Path; files = Path({str(folder)!r}).glob('*-of-*{suffix}'); "
        f"save({{k: v for file in files for k, v in load(file).items()}}, {str(whole)!r})"
    )
    return CheckpointError(
        f"{path}: {what}; join the shards with: python -c {shlex.quote(code)}, and give --ckpt {whole}"
    )
