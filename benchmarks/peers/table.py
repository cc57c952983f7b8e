"""Each side in its best engine at each number of objects, their ratio, and what was promised of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.peers.turn import Contender, Turn
from stc.benchmarks.timing.intervals import Interval, percentile, ratio

Clock = Literal["wall", "cpu"]
Key = tuple[str, str]  # side and name of a contender
# Largest ratio of our time to the peer's, by objects. Other numbers are shown and promised nothing.
LIMITS: Mapping[int, float] = {0: 1.0, 1: 1.0, 2: 1.0, 20: 0.6, 50: 0.4}


@dataclass(frozen=True)
class Row:
    """Best of ours and of the peer's engines by median, seconds with 95 % intervals; ratio with 99 %."""

    objects: int
    ours: str
    ours_seconds: Interval
    peer: str
    peer_seconds: Interval
    ratio: Interval
    limit: float | None

    @property
    def verdict(self) -> str:
        if self.limit is None:
            return "no target"
        return "pass" if self.ratio.value <= self.limit else "MISSED"


def key(contender: Contender) -> Key:
    return contender.side, contender.name


def samples(turns: Sequence[Turn], clock: Clock) -> list[NDArray[Any]]:
    return [np.array(turn.wall if clock == "wall" else turn.cpu) for turn in turns]


def rows(measured: Mapping[int, Mapping[Key, Sequence[Turn]]], clock: Clock) -> list[Row]:
    """measured: by objects and contender its turns, in the order of the rounds."""
    found = []
    for objects, by_contender in measured.items():
        times = {who: samples(turns, clock) for who, turns in by_contender.items()}
        medians = {who: float(np.median(np.concatenate(turns))) for who, turns in times.items()}
        ours, peer = (
            min((who for who in times if who[0] == side), key=medians.__getitem__) for side in ("ours", "peer")
        )
        found.append(
            Row(
                objects,
                ours[1],
                percentile(times[ours], 50),
                peer[1],
                percentile(times[peer], 50),
                ratio(times[ours], times[peer]),
                LIMITS.get(objects),
            )
        )
    return found


def lines(found: Sequence[Row]) -> list[str]:
    """The table of the best ones, in Markdown."""
    said = [
        "| objects | ours, best | ms | peer, best | ms | ours / peer | target | |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in found:
        limit = "" if row.limit is None else f"<= {row.limit:.1f}"
        times = _ms(row.ours_seconds), _ms(row.peer_seconds)
        cells = row.objects, row.ours, times[0], row.peer, times[1], row.ratio.shown(""), limit, row.verdict
        said.append(f"| {' | '.join(map(str, cells))} |")
    return said


def all_lines(measured: Mapping[int, Mapping[Key, Sequence[Turn]]], clock: Clock) -> list[str]:
    """Medians in ms of every engine at every number of objects, in Markdown."""
    said = [
        f"| ms | {' | '.join(f'{objects} objects' for objects in measured)} |",
        "| --- " * (len(measured) + 1) + "|",
    ]
    for who in next(iter(measured.values())):
        times = (np.concatenate(samples(by[who], clock)) for by in measured.values())
        said.append(f"| {' '.join(who)} | {' | '.join(f'{1e3 * np.median(time):.1f}' for time in times)} |")
    return said


def _ms(seconds: Interval) -> str:
    return Interval(*(1e3 * number for number in (seconds.value, seconds.low, seconds.high))).shown("")
