"""One input on its way through a session: frames in, results into its files."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from time import perf_counter
from types import FrameType
from typing import TYPE_CHECKING

from stc.errors import StcError

if TYPE_CHECKING:
    from stc.runtime.result import Result
    from stc.runtime.session import Session
    from stc.runtime.track_outputs import Outputs
    from stc.runtime.tracker import TrackerConfig
    from stc.runtime.video import Source
    from stc.runtime.video.sinks import Writer


@dataclass
class Summary:
    """What came out so far; `seconds` since the start, up to the last frame."""

    frames: int = 0
    tracks: int = 0
    seconds: float = 0.0
    start: float = field(default_factory=perf_counter)

    def add(self, result: Result) -> None:
        self.frames += 1
        self.tracks += sum(event.kind == "born" for event in result.events)
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
) -> StcError | KeyboardInterrupt | None:
    """Track all frames of `source` into `outputs` and count them in `summary`; `advance` is called after each.

    An error or Ctrl-C after the first frame is returned, and the files hold the frames so far, completed; before it, or
    when it is a bug, it is raised, and nothing is left.
    """
    if source.length == 1:  # no second frame can confirm what the only one shows
        config = replace(config, confirm_hits=1)
    with ExitStack() as files:
        sinks = outputs.enter(writers, files)
        try:
            stream = session.stream(source.name, source.fps, config)
            for frame in source:
                result = stream(frame.image, frame.time)
                with _uninterrupted():
                    for sink in sinks:
                        sink(frame, result)
                    summary.add(result)
                advance()
        except (StcError, KeyboardInterrupt) as error:
            if summary.frames == 0:
                raise
            return error
    return None


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until the block ends, so that a frame goes into all outputs or into none."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread gets signals
        yield
        return
    pending = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal pending
        pending = True

    before = signal.signal(signal.SIGINT, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pending:
        raise KeyboardInterrupt
