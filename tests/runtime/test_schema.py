"""Values from files are held against types and ranges, and what differs is said in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pytest

from stc.runtime import schema


class Nameless:
    def __repr__(self) -> str:
        raise RuntimeError


GOOD: list[tuple[schema.Kind, list[Any]]] = [
    (schema.integer(1, 9), [1, 9, np.int32(5)]),
    (schema.number(0, 1), [0, 1, 0.5, np.float32(0.5), True * 0.5]),
    (schema.number(0), [0, 1e308, math.inf]),
    (schema.number(0, 1, above=True), [1e-300, 1]),
    (schema.text(3), ["", "abc"]),
    (schema.flag(), [True, False]),
    (schema.choice("a", "b"), ["a", "b"]),
    (schema.file_name(), ["model.onnx", "..x", "a b"]),
    (schema.sha256(), ["0f" * 32]),
    (schema.optional(schema.flag()), [None, True]),
    (schema.items(schema.flag(), 1, 2), [[True], (True, False)]),
    (schema.mapping(schema.flag(), 1), [{}, {"x": True}]),
    (schema.record({"x": schema.flag()}, ("x",)), [{"x": True}, {"x": True, "unknown": 1}]),
    (schema.record({"x": schema.flag()}, ("x",), or_empty=True), [{}]),
]
BAD: list[tuple[schema.Kind, list[Any]]] = [
    (schema.integer(1, 9), [0, 10, 5.0, True, "5", None, [5], 10**5000, math.nan, Nameless()]),
    (schema.number(0, 1), [-1e-9, 1.1, math.nan, math.inf, True, "1", None, 10**400]),
    (schema.number(0), [-math.inf, 10**400, math.nan]),
    (schema.number(0, 1, above=True), [0, 0.0, 1.1]),
    (schema.text(3), ["abcd", 1, None, b"abc"]),
    (schema.flag(), [0, 1, None, "true"]),
    (schema.choice("a", "b"), ["c", 1, None, [], {}]),
    (schema.file_name(), ["", ".", "..", "a/b", "a\\b", "a\0", "x" * 300, 1]),
    (schema.sha256(), ["", "0" * 63, "g" * 64, "A" * 64, 0]),
    (schema.optional(schema.flag()), [0]),
    (schema.items(schema.flag(), 1, 2), [[], [True] * 3, [1], "ab", None, {0: True}]),
    (schema.mapping(schema.flag(), 1), [[], {"x": 1}, {1: True}, {"x": True, "y": True}]),
    (schema.record({"x": schema.flag()}, ("x",)), [{}, {"x": 0}, [], None]),
    (schema.record({"x": schema.flag()}, ("x",), or_empty=True), [{"y": 1}]),
]


@pytest.mark.parametrize(("kind", "values"), GOOD)
def test_what_fits_has_no_problem(kind: schema.Kind, values: list[Any]) -> None:
    for value in values:
        assert list(kind(value, "field")) == []


@pytest.mark.parametrize(("kind", "values"), BAD)
def test_what_does_not_fit_is_named_with_its_place_in_one_short_line(kind: schema.Kind, values: list[Any]) -> None:
    for value in values:
        (problem,) = kind(value, "field")
        assert problem.startswith("field") and len(problem) < 200 and "\n" not in problem


def test_a_problem_says_where_what_is_wanted_and_what_was_found() -> None:
    table = {"size": schema.items(schema.integer(1, 9), 2, 2), "by": schema.record({"name": schema.text(5)})}
    assert schema.problems({"size": [1, "2"], "by": {"name": 3}, "other": object()}, table, "top.") == [
        "top.size[1]: must be an integer from 1 to 9; got '2'",
        "top.by.name: must be text of at most 5 letters; got 3",
    ]


def test_a_sentence_shows_five_problems_and_counts_the_others() -> None:
    assert schema.sentence(["a", "b"]) == "a; b"
    assert schema.sentence([str(number) for number in range(9)]) == "0; 1; 2; 3; 4 and 4 more"


@dataclass(frozen=True)
class Recorded:
    count: Annotated[int, schema.integer(1, 9)]
    kind: Literal["a", "b"] = "a"
    fast: bool = False
    size: Annotated[tuple[int, int], schema.items(schema.integer(1, 9), 2, 2)] | None = None
    note: str = ""


def test_what_fields_must_be_is_read_off_their_annotations() -> None:
    table = schema.table(Recorded)
    assert table.keys() == {"count", "kind", "fast", "size"}  # a note may be anything
    assert schema.problems({"count": 1, "kind": "b", "fast": True, "size": None, "note": 3}, table) == []
    assert schema.problems({"size": [1, 2]}, table) == []
    wrong = schema.problems({"count": 10, "kind": "c", "fast": 1, "size": [0, 1]}, table, "x.")
    assert [problem.split(":")[0] for problem in wrong] == ["x.count", "x.kind", "x.fast", "x.size[0]"]


def test_fields_of_a_later_version_are_left_out() -> None:
    known = schema.known(Recorded, {"count": 1, "size": [1, 2], "later": 5})
    assert Recorded(**known) == Recorded(1, size=(1, 2))
