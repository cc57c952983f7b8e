"""Tables and sentences of any width: what is shown is shown whole."""

from __future__ import annotations

import random
import re

import pytest
from rich.cells import cell_len

from stc.benchmarks.columns import Column, table, wrapped

NUMBER = re.compile(r"\d[\d,.]*\d|\d")
WIDTHS = range(16, 90, 3)
STAGES = [
    Column("stage", ["preprocess", "  of it mask_head", "end_to_end"]),
    Column("p50 ms", ["1.23", "0.009", "12,345"]),
    Column("p90 ms", ["1.31", "0.010", "12,399"], drop=2),
    Column("share", ["0.1%", "0.0%", "100.0%"], drop=1),
]


def words(random_: random.Random) -> str:
    """Sentences of words, numbers with units, paths and characters that are two cells wide."""
    pool = [
        "engine",
        "of",
        "a/long/path/of-a-model.onnx",
        "模型",
        "1,234.5 ms",
        "[19.1, 23.4]",
        "100.00%",
        "3.05e-06 px",
    ]
    return " ".join(random_.choice(pool) for _ in range(40))


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_longer_than_the_width_and_nothing_is_lost(width: int) -> None:
    for seed in range(20):
        text = words(random.Random(seed))
        lines = wrapped(text, width)
        assert max(map(cell_len, lines)) <= width
        assert "".join("".join(lines).split()) == "".join(text.split())
        for number in ("1,234.5 ms", "100.00%", "3.05e-06 px"):
            assert sum(line.count(number) for line in lines) == text.count(number), "a number parted from its unit"


@pytest.mark.parametrize("width", WIDTHS)
def test_a_table_of_any_width_shows_its_numbers_whole(width: int) -> None:
    known = {cell for column in STAGES[1:] for cell in column.cells}
    lines = table(STAGES, width)
    assert max(map(cell_len, lines)) <= width
    shown = [word for line in lines for word in line.split() if NUMBER.match(word)]
    assert set(shown) <= known and set(STAGES[1].cells) <= set(shown)


def test_columns_go_in_their_order_and_never_those_that_have_none() -> None:
    titles = [[column.title in table(STAGES, width)[0] for column in STAGES] for width in range(60, 24, -1)]
    assert titles == sorted(titles, reverse=True), "what went does not come back where it is narrower"
    assert [True, True, True, False] in titles and [True, True, False, False] in titles


def test_where_not_even_two_columns_fit_rows_are_lists() -> None:
    assert table(STAGES[:2], 16)[:3] == ["preprocess", "  p50 ms 1.23", "of it mask_head"]


def test_without_a_width_a_sentence_is_one_line() -> None:
    assert wrapped("one sentence " * 40, None) == ["one sentence " * 40]
