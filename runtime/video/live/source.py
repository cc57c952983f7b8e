"""Cameras and network streams: read by a process that is killed when it hangs, and connected again when it is lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from time import monotonic

from stc.errors import InputError
from stc.runtime.video.frame import Concealed, Damaged, Frame, Gap, Image, Source, State, Stats
from stc.runtime.video.live.connection import Connection
from stc.runtime.video.live.handover import DropPolicy, Handover
from stc.runtime.video.live.lifecycle import Lifecycle, ReconnectPolicy
from stc.runtime.video.live.wire import Ended, Lost, Message, Opened, Picture, Silent, Task
from stc.runtime.video.timeline import Clock, Timeline

log = logging.getLogger(__name__)

FPS = 30.0  # until the first connection tells
GLANCE = 0.5  # seconds after which a wait looks whether the source was closed
CLOSING = 2.0  # seconds within which `close` returns
AGAIN = {"fpsprobesize": "0"}  # FFmpeg spends a second on measuring the rate, which is known from the first connection


class LiveSource(Source):
    """A thread keeps the connection and hands frames over; made by `open_source`.

    A recording on a server comes this way too: it never drops, ends, and is not connected again.
    """

    def __init__(self, name: str, task: Task, policy: DropPolicy, capacity: int, reconnect: ReconnectPolicy) -> None:
        """Connect to `task` and return once video is found; the time is limited by `reconnect`.

        Raises InputError when the first connection fails, unless `reconnect.retry_first`: then this returns at once.
        """
        self.name, self.fps, self.size, self.length, self.live = name, FPS / task.every, None, None, True
        self._task = task
        self._handover = Handover(policy, capacity)
        self._lifecycle = Lifecycle(reconnect, monotonic())
        self._timeline = Timeline(FPS)
        self._clock: Clock[Image | None] | None = None  # of a recording
        self._index = 0  # of the next frame
        self._received = self._decode_errors = self._concealed = self._gaps = 0
        self._pending: tuple[Gap, ...] = ()  # before the next frame that is handed over
        self._connection: Connection | None = None
        self._closed = threading.Event()
        self._found = threading.Event()  # video, or that there is none
        self._over = threading.Event()  # the thread; one is not joined where Ctrl-C may come (a bug before Python 3.13)
        threading.Thread(target=self._run, name=f"stc source {name}", daemon=True).start()
        if not reconnect.retry_first:
            self._wait_for_video()

    @property
    def state(self) -> State:
        return self._lifecycle.state

    @property
    def stats(self) -> Stats:
        return Stats(
            self._received,
            self._handover.dropped,
            self._decode_errors,
            self._lifecycle.reconnects,
            self._gaps,
            concealed=self._concealed,
        )

    def __iter__(self) -> Iterator[Frame]:
        """The frames from now on, once. Raises InputError when the source has failed, or ends without any."""
        while (frame := self._handover.get()) is not None:
            yield frame
        if self._closed.is_set():
            return
        if self.state == "failed":
            raise InputError(
                f"{self.name}: lost after {self._received} frames ({self._lifecycle.failure}); start the command again"
            )
        if self._received == 0:
            raise InputError(f"{self.name}: ended before its first frame; check that it sends video")

    def close(self) -> None:
        self._closed.set()
        self._handover.close()
        if self._connection is not None:
            self._connection.kill()
        self._over.wait(CLOSING)

    def _wait_for_video(self) -> None:
        try:
            self._found.wait()
        except BaseException:
            self.close()
            raise
        if self.state == "failed":
            hidden = ", with what *** hides" if "***" in self.name else ""
            raise InputError(
                f"{self.name}: cannot be opened as video ({self._lifecycle.failure}); "
                f"check that it plays{hidden}: ffplay {self.name}"
            )

    def _run(self) -> None:
        try:
            while not self._closed.is_set():
                reason = self._read()
                if reason is None or self._closed.is_set():
                    break
                if not self._reconnect(reason):
                    break
            if self._clock is not None:
                self._hand_over_all(self._clock.rest())
        except Exception as error:  # a bug; its text may hold the address
            self._lifecycle.fail(f"{type(error).__name__} in the reading thread")
            raise
        finally:
            self._lifecycle.end()
            self._found.set()
            self._handover.finish()
            self._over.set()

    def _reconnect(self, reason: str) -> bool:
        """Wait for the next attempt; False when there is none."""
        first = self.state != "reconnecting"
        delay = self._lifecycle.lost(monotonic(), reason)
        if delay is None:
            return False
        self._timeline.broken(reason)
        log.log(
            logging.WARNING if first else logging.DEBUG,
            "%s: lost after %d frames (%s); connecting again in %.1f s", self.name, self._received, reason, delay,
        )  # fmt: skip
        self._closed.wait(delay)
        return True

    def _read(self) -> str | None:
        """Read one connection to its end: why it was lost, or None when the source is closed or has ended."""
        self._lifecycle.connecting(monotonic())
        options = {**self._task.options, **(AGAIN if self._found.is_set() else {})}
        try:
            connection = Connection(replace(self._task, options=options, offset=self._index))
        except OSError as error:
            return f"no reader process can be started: {error.strerror}"
        with connection:
            self._connection = connection
            while not self._closed.is_set():
                try:
                    message = connection.receive(min(self._lifecycle.patience_ends, monotonic() + GLANCE))
                except Silent:
                    if (reason := self._lifecycle.quiet(monotonic())) is not None:
                        return reason
                    continue
                except EOFError as error:
                    return str(error)
                if isinstance(message, Lost):
                    return message.reason
                if isinstance(message, Ended):
                    return None
                self._take(message)
        return None

    def _take(self, message: Message) -> None:
        now = monotonic()
        match message:
            case Opened(fps, size, stated, software):
                self._lifecycle.opened(now, recording=stated)
                if software and not self._found.is_set():
                    from stc.runtime.video.hardware import told

                    log.warning("%s", told(self.name, str(self._task.hwaccel), software))
                self._describe(fps, size, stated)
            case Damaged():
                self._decode_errors += 1
            case Concealed():
                self._concealed += 1
            case Picture(stamp, image):
                if self.state == "reconnecting":
                    log.warning("%s: connected again", self.name)
                self._lifecycle.frame(now)
                if self._clock is None:
                    frame_time, gap = self._timeline.place(stamp, now)
                    self._hand_over(frame_time, image, gap)
                else:
                    self._hand_over_all(self._clock.place(stamp, image))

    def _hand_over_all(self, placed: list[tuple[float, Image | None]]) -> None:
        for frame_time, image in placed:
            self._hand_over(frame_time, image, None)

    def _hand_over(self, frame_time: float, image: Image | None, gap: Gap | None) -> None:
        """image: None for a frame that `every` leaves out."""
        if gap is not None:
            self._gaps += 1
            self._pending += (gap,)
        if image is not None:
            if self._received == 0:
                self.size = image.shape[1], image.shape[0]  # only a frame tells how it is turned
            self._received += 1
            gaps, self._pending = self._pending, ()
            self._handover.put(Frame(image, frame_time, self._index, self.name, gaps))
            self._lifecycle.ready(monotonic())
        self._index += 1

    def _describe(self, fps: float, size: tuple[int, int] | None, stated: bool) -> None:
        if self._found.is_set():
            return
        self._timeline.fps = fps
        self.fps, self.size, self.live = fps / self._task.every, size, not stated
        if stated:
            self._clock = Clock(1 / fps)
            self._handover.never_drop()
        self._found.set()
