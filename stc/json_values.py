"""Single values of a JSON file that somebody else wrote: taken for what they mean, shown within bounds.

JSON has one kind of number, so writers in other languages put 100.0 where a whole number is meant.
"""

from __future__ import annotations

import math
from reprlib import Repr
from typing import Any

_SHORT = Repr()
_SHORT.maxlist = _SHORT.maxdict = 8
_SHORT.maxlevel = 3  # deep nesting, which the parser takes, would end in a RecursionError
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60


def shown(value: Any) -> str:
    """`value` for a message: at most about 60 characters, whatever it is and however deep."""
    text = _SHORT.repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def whole(value: Any) -> int | None:
    """The whole number that `value` is, 100 and 100.0 alike; None for anything else (a truth value, NaN, text)."""
    if type(value) is float and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def number(value: Any) -> float | None:
    """The finite number that `value` is; None for anything else, and for an integer beyond float64."""
    if type(value) not in (int, float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def text(value: Any) -> str | None:
    """`value` where it is text that can be a file's name and be printed: not empty, no NUL, no half of a surrogate."""
    if not isinstance(value, str) or not value or "\0" in value:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return None
    return value
