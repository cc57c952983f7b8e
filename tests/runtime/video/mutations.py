"""Damage to files of any format: what disks, networks and strangers do to them."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
HEADER = 600  # bytes at both ends of a file, where most fields are


def mutated(content: bytes, others: Sequence[bytes], r: random.Random) -> bytes:
    """`content` with one to four changes; `others` lend their parts."""
    data = bytearray(content)
    for _ in range(r.choice((1, 1, 1, 2, 4))):
        if not data:
            break
        _change(data, others, r)
    return bytes(data)


def _change(data: bytearray, others: Sequence[bytes], r: random.Random) -> None:
    start = _place(len(data), r)
    end = min(len(data), start + int(2 ** r.uniform(0, 10)))
    kind = r.randrange(9)
    if kind == 0:
        data[start] ^= 1 << r.randrange(8)
    elif kind == 1:
        data[start:end] = r.randbytes(end - start)
    elif kind == 2:
        data[start:end] = bytes(end - start)
    elif kind == 3:
        value = struct.pack(r.choice(("<I", ">I")), r.choice(EXTREMES))[: r.choice((1, 2, 4))]
        data[start : start + len(value)] = value
    elif kind == 4:
        del data[start:]
    elif kind == 5:
        del data[start:end]
    elif kind == 6:
        data[start:start] = data[start:end] * r.choice((1, 1, 50))
    elif kind == 7:
        other = r.choice(others)
        begin = _place(len(other), r)
        data[start:end] = other[begin : begin + end - start]
    else:
        letters = [i for i in range(start, max(start, end - 4)) if data[i : i + 4].isalpha()]
        if letters:  # the name of a box, chunk or codec
            place = r.choice(letters)
            data[place : place + 4] = bytes(r.sample(range(97, 123), 4))


def _place(length: int, r: random.Random) -> int:
    where = r.random()
    if where < 0.4:
        return r.randrange(min(length, HEADER))
    if where < 0.6:
        return r.randrange(max(0, length - HEADER), length)
    return r.randrange(length)
