"""Seeded mutations of valid content, of bytes and of JSON values, for the fuzzers."""

from __future__ import annotations

import json
import random
from copy import deepcopy
from typing import Any

EXTREMES = (0, 1, -1, 7, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 10**30)
ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        "",
        "x",
        "3",
        "a" * 5000,
        "../../x",
        "\x00",
        "\ud800",
        [],
        {},
        [[]],
        {"x": 1},
        [None],
        [1, "2"],
    ),
    *(*EXTREMES, -7, -(2**31), 10**400, 0.5, -0.0, 1e-320, 1e300, float("nan"), float("inf"), float("-inf")),
)


def damaged(r: random.Random, content: bytes) -> bytes:
    """`content` cut off, flipped, overwritten, shortened, repeated or with an extreme number in it, once or more."""
    data = bytearray(content)
    for _ in range(r.choice((1, 1, 2, 5))):
        at = r.randrange(len(data) + 1)
        end = min(len(data), at + r.choice((1, 4, 16, 200)))
        match r.randrange(8):
            case 0:
                del data[at:]
            case 1 | 2:
                for _ in range(r.choice((1, 8))):
                    if data:
                        data[r.randrange(len(data))] ^= 1 << r.randrange(8)
            case 3:
                data[at:end] = r.choice((b"\x00", b"\xff", b"P", r.randbytes(1))) * (end - at)
            case 4:
                data[at:end] = r.randbytes(end - at)
            case 5:
                del data[at:end]
            case 6:
                data[at:at] = data[at:end] * r.choice((1, 50))
            case 7:
                width = r.choice((4, 8))
                number = r.choice(EXTREMES) % (1 << 8 * width)
                data[at : at + width] = number.to_bytes(width, r.choice(("little", "big")))
    return bytes(data)


def odd_json(r: random.Random, value: Any, times: int = 0) -> Any:
    """A copy of a JSON value with one to three of its parts odd: of another type or size, missing, doubled or foreign.

    `value` itself stays as it is.
    """
    changed = json.loads(json.dumps(value))
    for _ in range(times or r.choice((1, 1, 1, 2, 3))):
        places = _places(changed)
        if not places:
            return deepcopy(r.choice(ODD))
        holder, key = r.choice(places)
        old = holder[key]
        match r.randrange(10):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[r.choice(("foreign", "", "__class__", key + "x"))] = old
            case 1 | 2 if isinstance(old, int | float) and abs(old) < 1e300:
                holder[key] = r.choice((-old, old + 1, old - 1, old * 1000, float(old), str(old), [old]))
            case 3 if isinstance(old, list):
                holder[key] = r.choice((old[:-1], old * 2, [*old, None], old[::-1], tuple(old), {"0": old}))
            case 4 if isinstance(old, str):
                holder[key] = r.choice((old + "x", old.upper(), old[:-1], [old], {old: old}, old * 1000))
            case _:
                holder[key] = deepcopy(r.choice(ODD))
    return changed


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) within a JSON value."""
    found: list[tuple[Any, Any]] = []
    left = [value]
    while left:
        here = left.pop()
        if isinstance(here, dict | list):
            keys = list(here) if isinstance(here, dict) else list(range(len(here)))
            found += [(here, key) for key in keys]
            left += [here[key] for key in keys]
    return found
