"""Zones from a file: what is read, and that everything else is refused by its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stc.errors import InputError
from stc.runtime.zones import Zone, read_zones


def test_lines_and_areas_are_read(tmp_path: Path) -> None:
    path = tmp_path / "zones.json"
    path.write_text(
        json.dumps(
            {
                "door": {"line": [[0, 100], [600, 100.5]]},
                "yard": {"polygon": [[0, 0], [9, 0], [9, 9]], "anchor": "center"},
            }
        )
    )
    assert read_zones(path) == [
        Zone("door", ((0.0, 100.0), (600.0, 100.5))),
        Zone("yard", ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0)), "center"),
    ]


LINE = [[0, 0], [1, 1]]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([], "object of zones"),
        ({}, "object of zones"),
        ({"a": 1}, '"line" or "polygon"'),
        ({"a": {}}, '"line" or "polygon"'),
        ({"a": {"line": LINE, "polygon": LINE}}, '"line" or "polygon"'),
        ({"a": {"line": LINE, "anchr": "center"}}, "anchr"),
        ({"a": {"line": LINE, "anchor": "feet"}}, "known: bottom, center, corners"),
        ({"a": {"line": LINE, "anchor": ["bottom"]}}, "known: bottom, center, corners"),
        ({"a": {"line": [[0, 0]]}}, "two points"),
        ({"a": {"line": [[0, 0], [1, 1], [2, 2]]}}, "two points"),
        ({"a": {"polygon": LINE}}, "three or more"),
        ({"a": {"line": [[0, 0], [0, 0]]}}, "are one"),
        ({"a": {"polygon": [[0, 0], [1, 1], [0, 0]]}}, "are one"),
        ({"a": {"line": "0,0,1,1"}}, r"list of \[x, y\]"),
        ({"a": {"line": [[0, 0], [1]]}}, r"list of \[x, y\]"),
        ({"a": {"line": [[0, "0"], [1, 1]]}}, "finite numbers"),
        ({"a": {"line": [[0, True], [1, 1]]}}, "finite numbers"),
        ({"a": {"line": [[0, 1e999], [1, 1]]}}, "finite numbers"),
        ({"a": {"polygon": [[i, i * i] for i in range(2000)]}}, "2000 points"),
        ({"": {"line": LINE}}, "name"),
    ],
)
def test_what_is_no_zone_is_refused(content: Any, told: str, tmp_path: Path) -> None:
    path = tmp_path / "zones.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=told):
        read_zones(path)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    for content in (None, "{", "[" * 100_000):
        path = tmp_path / "zones.json"
        if content is not None:
            path.write_text(content)
        with pytest.raises(InputError, match=r"zones\.json"):
            read_zones(path)
