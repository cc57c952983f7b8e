"""What stands in for compiled code is found last, is never silent when called, and suppresses as torchvision does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module

import pytest

from stc.benchmarks.originals import stand_ins


@pytest.fixture
def installed() -> Iterator[None]:
    modules, finders = dict(sys.modules), list(sys.meta_path)
    stand_ins.install()
    yield
    sys.meta_path[:] = finders
    for name in set(sys.modules) - set(modules):
        del sys.modules[name]


@pytest.mark.usefixtures("installed")
def test_a_stand_in_has_everything_and_does_nothing_silently() -> None:
    color = import_module("skimage.color")
    with pytest.raises(NotImplementedError, match=r"skimage\.color\.rgb2lab stands in for compiled code"):
        color.rgb2lab(None)


@pytest.mark.usefixtures("installed")
def test_what_nobody_needs_stays_missing() -> None:
    with pytest.raises(ModuleNotFoundError):
        import_module("no_such_module_of_theirs")


@pytest.mark.usefixtures("installed")
def test_what_is_installed_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_ins, "NAMES", {"colorsys"})
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    assert import_module("colorsys").rgb_to_hsv(1, 0, 0) == (0, 1, 1)
