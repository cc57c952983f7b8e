"""Tests use the product as others do: by its public names, so that a rename inside breaks no test."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {"_exit": "of the module os: the way a worker ends itself"}
PATCHES = {"setattr", "getattr", "delattr", "hasattr", "patch"}


def private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def reaches(source: str) -> Iterator[str]:
    """What of others a test names that is private: attributes, imports, and names in strings that are patched."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                pass
            case ast.Attribute(attr=name) if private(name):
                yield name
            case ast.ImportFrom(module=str(module), names=names) if module.startswith(("stc", "tests")):
                yield from (alias.name for alias in names if private(alias.name))
            case ast.Call(func=ast.Attribute(attr=called) | ast.Name(id=called), args=arguments) if called in PATCHES:
                strings = [a.value for a in arguments[:2] if isinstance(a, ast.Constant) and isinstance(a.value, str)]
                yield from (text for text in strings if any(private(part) for part in text.split(".")))


@pytest.mark.parametrize(
    "source",
    [
        "session._backend",
        "session._backend.run()",
        "from stc.runtime.tracking.rules import _greedy",
        "monkeypatch.setattr(module, '_load', None)",
        "monkeypatch.setattr('stc.export.main._work', None)",
        "getattr(stream, '_tracker')",
    ],
)
def test_a_reach_is_seen(source: str) -> None:
    assert list(reaches(source))


@pytest.mark.parametrize(
    "source", ["self._each(frame)", "module.__version__", "from stc.export import main", "import _thread", "a.b._c__"]
)
def test_what_is_ones_own_or_public_is_none(source: str) -> None:
    assert not list(reaches(source))


def test_no_test_reaches_for_what_is_private() -> None:
    found = {
        (str(path.relative_to(ROOT)), name)
        for path in (ROOT / "tests").rglob("*.py")
        for name in reaches(path.read_text(encoding="utf-8"))
    }
    assert {(path, name) for path, name in found if name not in ALLOWED} == set()
    assert {name for _, name in found} == set(ALLOWED)
