"""The text of a Python config says what it says, and nothing in it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stc.model.checkpoint.configs.literals import Unknown, assignments, value

SIMPLE = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False) | st.text(max_size=8)
VALUES = st.recursive(
    SIMPLE.filter(lambda x: x not in (float("inf"), float("-inf"))),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=100)
@given(VALUES)
def test_what_python_prints_is_read_back(expected: Any) -> None:
    """The interpreter's own `repr` is the reference."""
    assert assignments(f"x = {expected!r}\n") == {"x": expected}


def test_dict_calls_names_and_unpacking() -> None:
    text = "norm = dict(std=[1., 2])\nsteps = [dict(type='N' 'orm', **norm), {'k': -3, 2: ()}]\nw = (norm)\n"
    assert assignments(text) == {
        "norm": {"std": [1.0, 2]},
        "steps": [{"type": "Norm", "std": [1.0, 2]}, {"k": -3, 2: ()}],
        "w": {"std": [1.0, 2]},
    }


def test_what_computes_is_unknown_and_spoils_nothing_else(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    text = (
        f"import os\nfrom os import mkdir\nevil = os.mkdir({str(mark)!r})\nmodel = dict(a=mkdir({str(mark)!r}), "
        "b=1 + 2, c=[f(g[1], h={}), 4], d=5)\nif True:\n    model = 3\ndef f():\n    d = 1\na.b = 3\nlast = 6\n"
    )
    found = assignments(text)
    assert isinstance(found["evil"], Unknown) and set(found) == {"evil", "model", "last"}
    assert isinstance(found["model"]["a"], Unknown) and isinstance(found["model"]["b"], Unknown)
    assert found["model"]["c"][1:] == [4] and found["model"]["d"] == 5
    assert not mark.exists()


@pytest.mark.parametrize(
    "text",
    [
        "x = (", "'''", "  x = 1\n y = 2", "x = " + "[" * 3000, "x = " + "[" * 100 + "]" * 100, "x = 1\n" * 50_000,
        "x = " + "{'a':" * 80 + "1" + "}" * 80,
    ],
    ids=["open", "open text", "indented", "nested, open", "nested", "long", "nested dictionaries"],
)  # fmt: skip
def test_what_is_no_text_of_a_config_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"no Python text|nests deeper|more than"):
        assignments(text)


@pytest.mark.parametrize(
    "text", ["-" * 20_000 + "1", "1+" * 20_000 + "1", "a" + ".b" * 20_000, "f" + "()" * 10_000, "b'1'", "f'{1}'", "9j"]
)
def test_long_chains_of_operations_are_unknown(text: str) -> None:
    """`ast` overflows its stack on some of these."""
    assert isinstance(assignments(f"x = {text}\n")["x"], Unknown)


def test_one_value() -> None:
    assert value("(800, 1333)") == (800, 1333)
    assert value("('a',)") == ("a",)
    for text in ("coco_2017", "os.getcwd()", "(", "1 2"):
        assert value(text) == text
