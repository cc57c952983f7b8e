"""Where people watch what `stc-track` finds while it runs: a page, a window."""

# ruff: noqa: T201

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stc.errors import InputError
from stc.signals import asked

if TYPE_CHECKING:
    from stc.runtime.drawing.style import Style
    from stc.runtime.serving.live_view import LiveView
    from stc.runtime.video.frame import Sink, Source

WINDOW = "a window"  # what a summary calls it


def check_window(inputs: Sequence[str]) -> None:
    """Raises InputError where there is no screen, and for several inputs."""
    from stc.runtime.serving import window

    window.check_display(os.environ)
    if len(inputs) > 1:
        raise InputError(f"{window.OPTION}: a window has one input, and here are {len(inputs)}; {window.INSTEAD}")


@contextmanager
def page(address: str | None) -> Iterator[LiveView | None]:
    """The page, or None where nobody asked for one; stderr says where it is.

    It is there before the model is, so that a port that is taken is told at once. Raises InputError.
    """
    if address is None:
        yield None
        return
    from stc.runtime.serving.live_view import live_view

    with live_view(address) as view:
        reach = "" if view.local else " (for everybody who reaches this machine)"
        print(f"live: {view.url}{reach}", file=sys.stderr)
        yield view


@contextmanager
def sinks(source: Source, view: LiveView | None, style: Style | None, *, show: bool) -> Iterator[tuple[Sink, ...]]:
    """What takes the frames of the only input. When the user closes the window, `source` ends; one picture stays until
    then. Raises InputError where no window opens, MissingDependencyError without an OpenCV that can.
    """
    on_page = () if view is None else (view.feed(source.name, source, style),)
    if not show:
        yield on_page
        return
    from stc.runtime.serving.window import window

    with window(source.name, source.close, style) as opened:
        yield (*on_page, opened.feed)
        if source.length == 1 and not asked():
            opened.wait()
