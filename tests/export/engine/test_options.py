"""Options that do not fit are refused before anything is built, with what to do instead."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stc.errors import IncompatibleError, InputError, StcError
from stc.export.engine.options import RTX_TARGETS, EngineOptions, parse_targets, resolve
from stc.export.engine.toolchain import Toolchain
from stc.export.sizes import Batch, parse

LEVELS = SimpleNamespace(__members__={"NONE": 0, "AMPERE_PLUS": 1})
CAPABILITIES = SimpleNamespace(__members__=dict.fromkeys(["NONE", "CURRENT", "SM80", "SM86", "SM89", "SM120"]))
RTX = Toolchain("rtx", SimpleNamespace(__version__="1.7.1", ComputeCapability=CAPABILITIES))


def tensorrt(version: str) -> Toolchain:
    return Toolchain("tensorrt", SimpleNamespace(__version__=version, HardwareCompatibilityLevel=LEVELS))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"plugin": "library"}, "has no plugins"),
        ({"plugin": "embed"}, "has no plugins"),
        ({"timing_cache": Path("cache")}, "--timing-cache"),
        ({"hw_compat": "ampere_plus"}, "--target"),
        ({"targets": ("SM90",)}, "SM80, SM86, SM89, SM120"),
    ],
)
def test_what_rtx_lacks_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve(EngineOptions(**options), RTX)


@pytest.mark.parametrize(
    ("options", "version", "error", "message"),
    [
        ({"targets": ("SM89",)}, "11.4.0", InputError, "--trt rtx"),
        ({"plugin": "embed"}, "10.8.0", IncompatibleError, "10.9 or newer"),
        ({"hw_compat": "same_compute_capability"}, "10.3.0", IncompatibleError, "it has none, ampere_plus"),
    ],
)
def test_what_a_tensorrt_lacks_is_refused(
    options: dict[str, Any], version: str, error: type[StcError], message: str
) -> None:
    with pytest.raises(error, match=message):
        resolve(EngineOptions(**options), tensorrt(version))


def test_auto_is_the_library_for_tensorrt_and_nothing_for_rtx() -> None:
    assert resolve(EngineOptions(), tensorrt("10.3.0")).plugin == "library"
    assert resolve(EngineOptions(plugin="embed"), tensorrt("10.9.0")).plugin == "embed"
    assert resolve(EngineOptions(), RTX).plugin == "none"


def test_rtx_builds_for_a_stated_set_of_gpus() -> None:
    assert resolve(EngineOptions(), RTX).targets == RTX_TARGETS
    assert resolve(EngineOptions(targets=("SM89",)), RTX).targets == ("SM89",)


@pytest.mark.parametrize("texts", [["SM89,sm_120", "86"], ["86", "89", "120,86"]])
def test_targets_are_read_in_any_spelling(texts: list[str]) -> None:
    assert parse_targets(texts) == ("SM86", "SM89", "SM120")


@pytest.mark.parametrize("text", ["8.9", "ampere", "", "SM", "89;90"])
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--target"):
        parse_targets([text])


@pytest.mark.parametrize(
    "options",
    [{"workspace": 0.0}, {"workspace": -1.0}, {"workspace": float("nan")}, {"opt_level": 6}, {"opt_level": -1}],
)
def test_values_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="must be"):
        EngineOptions(**options)


def test_asked_names_what_only_an_engine_has() -> None:
    assert EngineOptions(batch=Batch(4, 4, 4)).asked() == []
    options = EngineOptions(plugin="none", targets=("SM86",), workspace=1, opt_level=0, timing_cache=Path("x"))
    assert options.asked() == ["--plugin none", "--target", "--workspace", "--opt-level", "--timing-cache"]


@pytest.mark.parametrize(("text", "expected"), [("4", Batch(4, 4, 4)), ("1:4:8", Batch(1, 4, 8))])
def test_batch_is_a_number_or_a_range(text: str, expected: Batch) -> None:
    assert parse(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize("text", ["0", "4:2:8", "1:2", "", "-1", "1:2:257", "a", "1:2:3:4", "99999"])
def test_other_batches_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--batch"):
        parse(text)
