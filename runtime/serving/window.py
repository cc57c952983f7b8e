"""A window that shows frames as they come. It belongs to a process of its own (`window_process`)."""

from __future__ import annotations

import logging
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import spawn
from pathlib import Path
from typing import TYPE_CHECKING

from stc.errors import InputError, MissingDependencyError
from stc.runtime.drawing.style import Style
from stc.runtime.serving.feed import FASTEST, Feed

if TYPE_CHECKING:
    from stc.runtime.video.frame import Image

log = logging.getLogger(__name__)

OPTION = "--show"
INSTEAD = "watch in a browser instead: --serve 8080"
OPENING = 60.0  # seconds for a window to be there
ASKING = 0.05  # seconds between two questions whether a key was pressed, where no frame comes
LEAVING = 1.0  # seconds for its process to go
LONGEST = 1920  # pixels of the longer side of what is shown

# What is sent: height and width, and the pixels; of size 0: only a question. What is answered: one of these, and after
# the last three a line that says more.
SIZE = struct.Struct("<II")
SHOWN, CLOSED, NO_OPENCV, NO_WINDOWS, NO_DISPLAY = b".", b"q", b"i", b"w", b"d"

# It imports what is imported here, whatever folder it runs in.
START = "import sys; sys.path[:] = sys.argv[2:]; from stc.runtime.serving.window_process import main; main(sys.argv[1])"


class Window:
    """A `Feed` on a screen: `feed` is the sink."""

    def __init__(self, title: str, closed: Callable[[], object], style: Style | None = None) -> None:
        """Open it. closed: called in a thread once the user has closed it, by q, Esc or the window's own button.
        style: of what is drawn.

        Raises InputError where there is no display, MissingDependencyError without an OpenCV that can.
        """
        check_display(os.environ)
        self.feed = Feed(title, style=style)
        self._closed = closed
        self._ending, self._ended = threading.Event(), threading.Event()
        # The interpreter that multiprocessing uses: who embeds Python sets it with multiprocessing.set_executable.
        command = [os.fsdecode(spawn.get_executable()), "-c", START, title]
        self._process = subprocess.Popen(
            [*command, *(path or str(Path.cwd()) for path in sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for the parent, which completes its files first
        )
        try:
            self._wait_until_open()
        except BaseException:
            self._reap()
            raise
        threading.Thread(target=self._show, name="stc window", daemon=True).start()

    def wait(self) -> None:
        """Until the user has closed it."""
        self._ended.wait()

    def close(self) -> None:
        """Closing twice is harmless."""
        self._ending.set()
        self.feed.end()
        self._ended.wait(LEAVING)
        self._reap()

    def _wait_until_open(self) -> None:
        watch = threading.Timer(OPENING, self._process.kill)
        watch.start()
        try:
            answer, said = self._read(1), ""
            if answer in (NO_OPENCV, NO_WINDOWS, NO_DISPLAY):
                said = self._read(1 << 10).decode(errors="replace").strip()
        finally:
            watch.cancel()
        if answer != SHOWN:
            raise _refusal(answer, said or _end(self._process))

    def _show(self) -> None:
        """One picture at a time, the newest: a window that is slow, or hangs, keeps nobody."""
        number = 0
        while not self._ending.is_set():
            newest = self.feed.after(number, ASKING)
            picture = None
            if newest is not None and newest.number > number:
                number, picture = newest.number, newest.drawn(LONGEST)
            try:
                self._send(picture)
                answer = self._read(1)
            except (OSError, ValueError):  # ValueError: closed, at the end
                answer = b""
            if answer != SHOWN:
                if answer == CLOSED:
                    self._closed()
                elif not self._ending.is_set():
                    log.warning("%s: the window has gone (%s); what is tracked goes on", OPTION, _end(self._process))
                break
            if picture is not None:
                self._ending.wait(1 / FASTEST)
        self._ended.set()

    def _send(self, picture: Image | None) -> None:
        assert self._process.stdin is not None
        height, width = (0, 0) if picture is None else picture.shape[:2]
        pixels = b"" if picture is None else picture.data.cast("B")
        for part in (memoryview(SIZE.pack(height, width)), memoryview(pixels)):
            sent = 0
            while sent < len(part):  # a pipe takes what it has room for
                sent += self._process.stdin.write(part[sent:]) or 0

    def _read(self, count: int) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.read(count) or b""

    def _reap(self) -> None:
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(LEAVING)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@contextmanager
def window(title: str, closed: Callable[[], object], style: Style | None = None) -> Iterator[Window]:
    """An open `Window`, closed at the end of the block. Raises as it does."""
    opened = Window(title, closed, style)
    try:
        yield opened
    finally:
        opened.close()


def check_display(environment: Mapping[str, str]) -> None:
    """Raises InputError where a Linux session has no screen: over ssh, in a container, in a service."""
    if sys.platform.startswith("linux") and not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        raise InputError(f"{OPTION}: no display here (DISPLAY is not set); {INSTEAD}")


def _refusal(answer: bytes, said: str) -> InputError | MissingDependencyError:
    install = "pip uninstall -y opencv-python-headless && pip install opencv-python"
    if answer == NO_OPENCV:
        return MissingDependencyError(f"{OPTION}: no OpenCV ({said}); fix: pip install opencv-python, or {INSTEAD}")
    if answer == NO_WINDOWS:
        return MissingDependencyError(f"{OPTION}: this OpenCV has no windows ({said}); fix: {install}, or {INSTEAD}")
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or "of this session"
    return InputError(f"{OPTION}: no window opens on the display {display} ({said}); {INSTEAD}")


def _end(process: subprocess.Popen[bytes]) -> str:
    """How it ended: a display that cannot be reached makes Qt abort."""
    try:
        code = process.wait(LEAVING)
    except subprocess.TimeoutExpired:
        return "it hangs"
    return f"its process ended: {signal.strsignal(-code) if code < 0 else f'exit code {code}'}"
