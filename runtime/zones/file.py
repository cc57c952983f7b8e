"""Zones in a JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stc.annotations.file import read_json
from stc.errors import InputError
from stc.json_values import number, shown, text
from stc.runtime.zones.zone import Zone


def read_zones(path: Path) -> list[Zone]:
    """The zones of a JSON file: `{"door": {"line": [[x, y], [x, y]]}, "yard": {"polygon": [[x, y], …], "anchor":
    "center"}}`.

    Raises InputError where it cannot be read, for an unknown word, and as `Zone`.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path}: must be an object of zones by name; found {shown(content)}")
    return [_zone(path, name, entry) for name, entry in content.items()]


def _zone(path: Path, name: str, entry: Any) -> Zone:
    where = f"{path}: zone {shown(name)}"
    if text(name) is None:
        raise InputError(f"{where}: a name must be text that can be printed")
    if not isinstance(entry, dict) or len({"line", "polygon"} & set(entry)) != 1:
        raise InputError(f'{where}: must have "line" or "polygon"; found {shown(entry)}')
    if unknown := sorted(set(entry) - {"line", "polygon", "anchor"}):
        raise InputError(f"{where}: unknown {shown(unknown)}; known: line, polygon, anchor")
    points = entry.get("line", entry.get("polygon"))
    if not isinstance(points, list) or not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise InputError(f"{where}: points must be a list of [x, y]; found {shown(points)}")
    values = [(number(x), number(y)) for x, y in points]
    if any(x is None or y is None for x, y in values):
        raise InputError(f"{where}: coordinates must be finite numbers; found {shown(points)}")
    if ("line" in entry) != (len(points) == 2):
        raise InputError(f"{where}: a line has two points, a polygon three or more; found {len(points)}")
    return Zone(name, tuple((float(x), float(y)) for x, y in values if x is not None and y is not None),
                entry.get("anchor", "bottom"))  # fmt: skip
