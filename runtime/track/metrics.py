"""What `stc-track --metrics` tells of its inputs, while they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Literal, Protocol

from stc.runtime.metrics.exposition import Family, Sample
from stc.runtime.metrics.histogram import BOUNDS, Histogram

if TYPE_CHECKING:
    from stc.runtime.publishing.publisher import Publisher
    from stc.runtime.track.one import Summary
    from stc.runtime.video import Source, Stats


COUNTER: Literal["counter"] = "counter"
GAUGE: Literal["gauge"] = "gauge"


class Input(Protocol):
    """What is asked of an input; `shown` is its name without credentials."""

    @property
    def shown(self) -> str: ...

    @property
    def summary(self) -> Summary: ...

    @property
    def stats(self) -> Stats: ...


@dataclass(frozen=True)
class Opened:
    """The only input of a command, which is open."""

    source: Source
    summary: Summary

    @property
    def shown(self) -> str:
        return self.source.name

    @property
    def stats(self) -> Stats:
        return self.source.stats


def of_inputs(inputs: Sequence[Input]) -> list[Family]:
    """Of each input by `source`, its name, and `input`, its place from 1: two cameras may be shown by one name."""
    labels = [{"input": str(number), "source": one.shown} for number, one in enumerate(inputs, 1)]

    def family(name: str, kind: Literal["counter", "gauge"], text: str, value: Callable[[Input], float]) -> Family:
        pairs = zip(inputs, labels, strict=True)
        return Family(name, kind, text, tuple(Sample(value(one), of_one) for one, of_one in pairs))

    now = perf_counter()
    stages = tuple(s for one, of_one in zip(inputs, labels, strict=True) for s in _stages(one.summary, of_one))
    return [
        family("stc_frames_total", "counter", "Frames that were tracked and written.", lambda i: i.summary.frames),
        family("stc_frames_received_total", "counter", "Frames that were decoded.", lambda i: i.stats.received),
        family(
            "stc_frames_dropped_total", "counter", "Frames of a live source that newer ones replaced, unused.",
            lambda i: i.stats.dropped,
        ),
        family(
            "stc_decode_errors_total", "counter", "Packets and damaged frames that gave no picture.",
            lambda i: i.stats.decode_errors,
        ),
        family("stc_gaps_total", "counter", "Times that video is missing.", lambda i: i.stats.gaps),
        family("stc_reconnects_total", "counter", "Connections after the first.", lambda i: i.stats.reconnects),
        family("stc_tracks_begun_total", "counter", "Tracks that were confirmed.", lambda i: i.summary.tracks),
        family("stc_tracks_live", "gauge", "Tracks that are confirmed and not ended.", lambda i: i.summary.live),
        family(
            "stc_since_last_frame_seconds", "gauge", "Since the last frame was written; before the first, since start.",
            lambda i: now - i.summary.start - i.summary.seconds,
        ),
        Family(
            "stc_stage_seconds", "histogram", "What a frame took in each stage; a sample where frames overlap.", stages
        ),
    ]  # fmt: skip


def of_publisher(publisher: Publisher | None) -> list[Family]:
    if publisher is None:
        return []
    labels = {"broker": publisher.shown}
    return [
        Family(f"stc_messages_{name}", kind, text, (Sample(value, labels),))
        for name, kind, text, value in (
            ("delivered_total", COUNTER, "Messages that the broker has confirmed.", publisher.delivered),
            ("dropped_total", COUNTER, "Messages that were given up, the spool being full.", publisher.dropped),
            ("waiting", GAUGE, "Messages that the broker has not confirmed yet.", publisher.waiting),
        )
    ]


def _stages(summary: Summary, labels: dict[str, str]) -> Iterator[Sample]:
    for stage, times in tuple(summary.stages.items()):
        yield from _samples(times, {**labels, "stage": stage})


def _samples(times: Histogram, labels: dict[str, str]) -> Iterator[Sample]:
    counts, total = times.snapshot()
    for bound, count in zip((*map(repr, BOUNDS), "+Inf"), counts, strict=True):
        yield Sample(count, {**labels, "le": bound}, "_bucket")
    yield Sample(total, labels, "_sum")
    yield Sample(counts[-1], labels, "_count")
