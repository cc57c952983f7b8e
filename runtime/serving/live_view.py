"""The page with live video: annotated frames as they come, counts, and whether all is well."""

from __future__ import annotations

import json
import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from time import monotonic

from stc.runtime.drawing.style import Style
from stc.runtime.serving.feed import FASTEST, Feed, Watched
from stc.runtime.serving.health import health
from stc.runtime.serving.server import Handler, serving

OPTION = "--serve"
VIEWERS = 32  # streams and pages at once; to more it is said
TICK = 1.0  # seconds between two reports to a page
RETRY = 1000  # milliseconds after which a page that was left asks again
AGAIN = 5.0  # seconds after which a picture is sent again where no other came: who has left is found so
SOON = 0.1  # as AGAIN, for the first picture
LEAVING = 1.0  # seconds at the end for the last report to those who watch; who takes nothing is left behind
BACKLOG = 1 << 18  # bytes under way to a viewer: of a slow one, frames are left out rather than old ones shown
BOUNDARY = "next-picture"
STREAM = f"multipart/x-mixed-replace; boundary={BOUNDARY}"


class LiveView:
    """What is shown. Made by `live_view`; `feed` gives a sink for each input, in the order of the page.

    url: where. local: only this machine reaches it. over: set at the end.
    """

    def __init__(self) -> None:
        self.url, self.local = "", True
        self.feeds: list[Feed] = []
        self.over = threading.Event()
        self._run = secrets.token_hex(4)  # tells a page that the command was started again
        self._viewers, self._change = 0, threading.Condition()

    def feed(self, name: str, watched: Watched | None = None, style: Style | None = None) -> Feed:
        """A sink whose frames the page shows. name: fit for everybody to see. watched: a `Source`, to tell its health.
        style: of what is drawn.

        The sink keeps the last frame: its array must not be written to after.
        """
        self.feeds.append(Feed(name, watched, style))
        return self.feeds[-1]

    def report(self) -> str:
        """JSON: `run`, which is another one each time, whether it has `ended`, and the `inputs` (`health`)."""
        told = {"run": self._run, "ended": self.over.is_set(), "inputs": [health(feed) for feed in list(self.feeds)]}
        return json.dumps(told, allow_nan=False)

    @contextmanager
    def watching(self) -> Iterator[bool]:
        """A viewer who stays; False where there are too many."""
        with self._change:
            welcome = self._viewers < VIEWERS
            self._viewers += welcome
        try:
            yield welcome
        finally:
            with self._change:
                self._viewers -= welcome
                self._change.notify_all()

    def end(self) -> None:
        """Tell those who watch, and wait for them a moment."""
        self.over.set()
        for feed in self.feeds:
            feed.end()
        with self._change:
            self._change.wait_for(lambda: self._viewers == 0, LEAVING)


@contextmanager
def live_view(address: str) -> Iterator[LiveView]:
    """A page at `address`, `[HOST:]PORT` (without HOST: for this machine alone; port 0: a free one), until the end of
    the block. Its `url` is where.

        with live_view("8080") as view:
            show = view.feed("gate")
            for frame, result in session.track(url):
                show(frame, result)

    Raises InputError where the address is none, or taken.
    """
    view = LiveView()

    class Viewer(_Viewer):
        shown = view

    with serving(OPTION, address, Viewer) as server:
        view.url, view.local = f"{server.url}/", server.local
        try:
            yield view
        finally:
            view.end()


class _Viewer(Handler):
    shown: LiveView

    def answer(self, path: str) -> None:
        if path == "/":
            self.send(files("stc.runtime.serving").joinpath("page.html").read_bytes(), "text/html; charset=utf-8")
        elif path == "/status.json":
            self.send(self.shown.report().encode(), "application/json")
        elif path == "/events":
            self._stay(self._tell)
        elif match := re.fullmatch(r"/(?:stream/([1-9][0-9]{0,3})\.mjpg|frame/([1-9][0-9]{0,3})\.jpg)", path):
            self._picture(int(match[1] or match[2]), alone=match[1] is None)
        else:
            self.send_error(404, explain="see / and /status.json")

    def _picture(self, number: int, *, alone: bool) -> None:
        feeds = self.shown.feeds
        if number > len(feeds):
            self.send_error(404, "no such input", "see /status.json")
        elif (now := (feed := feeds[number - 1]).now) is None:
            self.send_error(503, "no frame has come yet", "see /status.json")
        elif alone:
            self.send(feed.jpeg(now)[1], "image/jpeg")
        else:
            self._stay(lambda: self._stream(feed))

    def _stay(self, answer: Callable[[], None]) -> None:
        with self.shown.watching() as welcome:
            if welcome:
                answer()
            else:
                self.send_error(503, "too many viewers", f"{VIEWERS} watch already: close a page")

    def _tell(self) -> None:
        """A report now, one each second, and one at the end."""
        self.begin("text/event-stream")
        if not self.wants_body:
            return
        self.wfile.write(f"retry: {RETRY}\n\n".encode())
        over = False
        while True:
            self.wfile.write(f"data: {self.shown.report()}\n\n".encode())
            if over:
                return
            over = self.shown.over.wait(TICK)

    def _stream(self, feed: Feed) -> None:
        """Each picture with the boundary behind it: until that comes, a browser does not show it. Chromium shows the
        first one with the second, so it is soon sent again.
        """
        self.begin(STREAM)
        if not self.wants_body:
            return
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BACKLOG)
        self.wfile.write(f"--{BOUNDARY}\r\n".encode())
        number, sent, over = 0, 0, False
        while not over:
            begin, over = monotonic(), self.shown.over.is_set()
            newest = feed.after(number, SOON if sent == 1 else AGAIN)
            if newest is None or (over and newest.number == number):
                continue
            number, content = feed.jpeg(newest)
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n\r\n"
            self.wfile.write(b"".join((head.encode(), content, f"\r\n--{BOUNDARY}\r\n".encode())))
            sent += 1
            self.shown.over.wait(max(0.0, begin + 1 / FASTEST - monotonic()))
