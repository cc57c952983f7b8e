"""Which TensorRT builds, with modules that only have a version in place of TensorRT."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from stc.errors import IncompatibleError, Missing, MissingDependencyError
from stc.export.engine.toolchain import Toolchain, choose


def install(monkeypatch: pytest.MonkeyPatch, **versions: str | None) -> None:
    for name, version in {"tensorrt": None, "tensorrt_rtx": None, **versions}.items():
        module: Any = None if version is None else ModuleType(name)
        if module is not None:
            module.__version__ = version
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ({"tensorrt": "10.3.0", "tensorrt_rtx": "1.7.1.116"}, "TensorRT 10.3.0"),
        ({"tensorrt": "11.4.0.106"}, "TensorRT 11.4.0.106"),
        ({"tensorrt_rtx": "1.7.1.116"}, "TensorRT-RTX 1.7.1.116"),
    ],
)
def test_auto_prefers_tensorrt_then_rtx(
    present: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, **present)
    found = choose("auto")
    assert isinstance(found, Toolchain)
    assert found.title == expected


def test_auto_without_any_says_what_would_build_one(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    found = choose("auto")
    assert isinstance(found, Missing)
    assert "pip install 'stc-trt[tensorrt]'" in found.reason
    assert "pip install 'stc-trt[rtx]'" in found.reason


@pytest.mark.parametrize("asked", ["tensorrt", "rtx"])
def test_the_one_asked_for_must_be_there(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    with pytest.raises(MissingDependencyError, match=rf"stc-trt\[{asked}\]"):
        choose(asked)


def test_none_is_nothing_even_where_tensorrt_is(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, tensorrt="11.4.0.106")
    assert isinstance(choose("none"), Missing)


@pytest.mark.parametrize("version", ["8.6.1", "10.2.0"])
def test_an_old_tensorrt_is_refused_not_passed_over(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, tensorrt=version, tensorrt_rtx="1.7.1.116")
    with pytest.raises(IncompatibleError, match=rf"TensorRT {version} is too old"):
        choose("auto")


@pytest.mark.parametrize(("version", "flags"), [("10.16.1.11", 1 << 3), ("11.0.0.114", 0)])
def test_only_tensorrt_10_is_told_to_keep_the_types(version: str, flags: int) -> None:
    module = SimpleNamespace(__version__=version, NetworkDefinitionCreationFlag=SimpleNamespace(STRONGLY_TYPED=3))
    assert Toolchain("tensorrt", module).network_flags == flags


def test_targets_are_those_of_the_installed_rtx(rtx: Toolchain) -> None:
    assert {"SM80", "SM86", "SM89", "SM120"} <= set(rtx.targets)
    assert not {"NONE", "CURRENT"} & set(rtx.targets)
