"""COCO's text of any runs, also of those that no picture has: the library's own encoder cuts them to 32 bits."""

from __future__ import annotations

from collections.abc import Sequence


def compressed(runs: Sequence[int]) -> str:
    letters = []
    for index, run in enumerate(runs):
        value = run - (runs[index - 2] if index > 2 else 0)
        while True:
            group, value = value & 0x1F, value >> 5
            more = value != (-1 if group & 0x10 else 0)
            letters.append(chr(48 + group + (0x20 if more else 0)))
            if not more:
                break
    return "".join(letters)


def wrapping(pixels: int) -> list[int]:
    """Runs of 2^64 + `pixels`, each step of which fits seven groups: a sum of 64 bits says that they fill the picture,
    and pycocotools never comes to an end."""
    heights = [k * (2**34 - 1) for k in [*range(1, 2**15 + 1), *range(2**15 - 1, -1, -1)]]
    runs = [0, *(run for height in heights for run in (height, 0))]
    runs[-1] = 2**64 + pixels - sum(runs)
    return runs
