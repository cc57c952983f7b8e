"""Single JSON values: taken for what they mean, and shown in a message within bounds, whatever they are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from stc.json_values import number, shown, text, whole

HUGE = 10**400  # beyond float64


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *[(7, 7), (7.0, 7), (-3.0, -3), (2**70, 2**70)],
        *[(7.5, None), (True, None), ("7", None), (None, None), ([7], None), (float("nan"), None)],
        (float("inf"), None),
    ],
)
def test_whole_numbers_may_be_written_as_floats(value: Any, expected: int | None) -> None:
    found = whole(value)
    assert found == expected and type(found) in (int, type(None))


@pytest.mark.parametrize(
    ("value", "expected"),
    [(7, 7.0), (0.5, 0.5), (True, None), ("7", None), (HUGE, None), (float("nan"), None), (float("-inf"), None)],
)
def test_numbers_are_finite(value: Any, expected: float | None) -> None:
    assert number(value) == expected


@pytest.mark.parametrize(
    ("value", "passes"), [("caf\u00e9", True), ("", False), ("a\0b", False), ("\ud800", False), (3, False)]
)
def test_text_can_be_printed_and_can_name_a_file(value: Any, passes: bool) -> None:
    assert text(value) == (value if passes else None)


def test_nothing_is_too_long_or_too_deep_to_be_shown() -> None:
    deep = json.loads("[" * 900 + "]" * 900)
    for value in (deep, "x" * 10**6, list(range(10**6)), {str(i): deep for i in range(1000)}, HUGE, "\ud800"):
        assert len(shown(value)) <= 60
    assert shown([6, 9]) == "[6, 9]" and shown("zz") == "'zz'"
