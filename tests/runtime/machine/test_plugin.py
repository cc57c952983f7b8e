"""Loading the plugin library: once, unchanged, and only one version per process."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from stc.errors import IncompatibleError
from stc.files import sha256
from stc.runtime.machine import plugin
from stc.runtime.machine.plugin import Plugin


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(plugin, "loaded", {})
    return []


def library(path: Path, content: bytes) -> Plugin:
    path.write_bytes(content)
    return Plugin(path, sha256(path))


@pytest.mark.parametrize(
    ("content", "cuda"),
    [
        (b"\x7fELF...stc: CUDART_VERSION=13000\0...", 13),
        (b"stc: CUDART_VERSION=12060\0", 12),
        (b"stc: CUDART_VERSION=\0", None),
        (b"stc: CUDART_VERSION=13000", None),  # no text of C
        (b"", None),
    ],
)
def test_a_library_is_asked_for_its_cuda_without_being_loaded(tmp_path: Path, content: bytes, cuda: int | None) -> None:
    path = tmp_path / "a.so"
    path.write_bytes(content)
    assert plugin.read(path) == Plugin(path, sha256(path), cuda)


def test_a_library_is_loaded_once(tmp_path: Path, loaded: list[str]) -> None:
    registry = SimpleNamespace(load_library=lambda path: loaded.append(path) or object())
    found = library(tmp_path / "a.so", b"a")
    plugin.load(found, registry)
    plugin.load(found, registry)
    assert loaded == [str(tmp_path / "a.so")]
    with pytest.raises(IncompatibleError, match="another version of the plugin"):
        plugin.load(library(tmp_path / "b.so", b"b"), registry)
    assert len(loaded) == 1


def test_a_library_that_changed_since_it_was_checked_is_not_loaded(tmp_path: Path, loaded: list[str]) -> None:
    found = library(tmp_path / "a.so", b"a")
    found.path.write_bytes(b"changed")
    with pytest.raises(IncompatibleError, match="changed"):
        plugin.load(found, SimpleNamespace(load_library=loaded.append))
    assert loaded == []


def test_a_refused_library_can_be_tried_again(tmp_path: Path, loaded: list[str]) -> None:
    found = library(tmp_path / "a.so", b"a")
    with pytest.raises(IncompatibleError, match="cannot load it"):
        plugin.load(found, SimpleNamespace(load_library=lambda path: None))
    plugin.load(found, SimpleNamespace(load_library=lambda path: loaded.append(path) or object()))
    assert loaded
