"""One input on its way through a session: frames in, results into its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING

from stc.errors import StcError
from stc.runtime.metrics.histogram import Histogram
from stc.runtime.tracking.config import TrackerConfig, for_length
from stc.signals import Hold

if TYPE_CHECKING:
    from stc.runtime.result import Result
    from stc.runtime.session import Session
    from stc.runtime.track.outputs import Outputs
    from stc.runtime.video import Source
    from stc.runtime.video.frame import Writer


@dataclass
class Summary:
    """What came out so far; `seconds` since the start, up to the last frame.

    live: of the `tracks` that were confirmed, those that have not ended. stages: the seconds of each stage; where
    frames overlap, of those frames whose times were the newest when one came out.
    """

    frames: int = 0
    tracks: int = 0
    live: int = 0
    seconds: float = 0.0
    start: float = field(default_factory=perf_counter)
    stages: dict[str, Histogram] = field(default_factory=dict)
    _timings: Mapping[str, float] | None = None

    def add(self, result: Result, timings: Mapping[str, float]) -> None:
        """timings: `Stream.timings`, a new mapping for each frame that is done."""
        self.frames += 1
        born = sum(event.kind == "born" for event in result.events)
        self.tracks += born
        self.live += born - sum(event.kind == "ended" for event in result.events)
        if timings is not self._timings:
            self._timings = timings
            for stage, seconds in timings.items():
                self.stages.setdefault(stage, Histogram()).add(seconds)
        self.seconds = perf_counter() - self.start

    @property
    def fps(self) -> float:
        return self.frames / self.seconds if self.frames else 0.0


def track(
    source: Source,
    session: Session,
    config: TrackerConfig,
    outputs: Outputs,
    writers: Sequence[AbstractContextManager[Writer]],
    summary: Summary,
    advance: Callable[[], object] = lambda: None,
    *,
    alone: bool = True,
) -> StcError | OSError | KeyboardInterrupt | None:
    """Track all frames of `source` into `outputs` and count them in `summary`; `advance` is called after each.

    alone: no other input is tracked beside this one, so its own frames overlap (`ahead.results`).

    An error or Ctrl-C after the first frame is returned, and the files hold the frames so far, completed; before it, or
    when it is a bug, it is raised, and nothing is left. A file that cannot be completed is raised once the others are.
    A frame goes into all outputs or into none, unless a second Ctrl-C comes, or an output fails.
    """
    from stc.runtime.track.outputs import Files
    from stc.runtime.video.ahead import results
    from stc.runtime.zones import Zones

    zones = Zones(outputs.zones)
    stopped: StcError | OSError | KeyboardInterrupt | None = None
    try:
        with Files() as files:
            sinks = outputs.enter(writers, files)
            try:
                stream = session.stream(source.name, source.fps, for_length(config, source.length))
                with results(source, stream, overlap=alone) as found:
                    for frame, plain in found:
                        result = replace(plain, zones=zones.update(plain))
                        with Hold() as hold:
                            for sink in sinks:
                                sink(frame, result)
                            summary.add(result, stream.timings)
                        advance()
                        if hold.asked:
                            raise KeyboardInterrupt
            except (StcError, OSError, KeyboardInterrupt) as error:
                if summary.frames == 0:
                    raise
                stopped = error
    except StcError as error:
        if error is not stopped:  # the writer that failed on the way says so again
            raise
    return stopped
