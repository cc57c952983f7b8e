"""The page with live video in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stc.runtime.serving import live_view as module
from stc.runtime.serving.live_view import live_view
from stc.runtime.video import Image, Stats
from stc.runtime.zones import Zone, Zones
from tests.runtime.serving.browser import Browser, browser, found
from tests.runtime.serving.http_client import decoded, until
from tests.runtime.video.clips import SIZE, box, make_frame, make_result

HOSTILE = "<img src=x onerror=document.title='mine'>"
FOUND = make_result(np.stack([box(20), box(80)]), [1, 2], [0, 1], labels=[0, 2])
TEXT = "(document.body?.innerText ?? '')"
PICTURE = "document.querySelector('img')"
SHOWN = f"{PICTURE}?.naturalWidth === {SIZE[1]}"


SCREEN_ERROR = 8  # grey levels on average: of the JPEG, and of being scaled to the screen and back


class Camera:
    state = "live"
    stats = Stats(received=9, dropped=3, gaps=1)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    program = found()
    if program is None:
        pytest.skip("no Chromium; to run this: apt-get install --no-install-recommends chromium")
    monkeypatch.setattr(module, "TICK", 0.1)
    with browser(program, tmp_path / "profile") as page:
        yield page


def is_shown(page: Browser, expected: Image) -> bool:
    """Whether it is on the screen, where the picture belongs."""
    x, y, width, height = page.value(f"(r => [r.x, r.y, r.width, r.height])({PICTURE}.getBoundingClientRect())")
    rows = np.linspace(y, y + height - 1, SIZE[0]).round().astype(int)
    columns = np.linspace(x, x + width - 1, SIZE[1]).round().astype(int)
    picture = decoded(page.screenshot())[rows][:, columns].astype(int)
    return bool(np.abs(picture - expected).mean() < SCREEN_ERROR)


@pytest.mark.slow
def test_it_shows_video_counts_and_health_and_goes_on_with_the_next_run(page: Browser) -> None:
    zones = Zones([Zone("yard", ((0, 0), (160, 0), (160, 120), (0, 120)))])
    with live_view("0") as view:
        page.open(view.url, 390, 844)
        page.until(f"{TEXT}.includes('Waiting for the first frame')")
        camera = Camera()
        feed = view.feed(HOSTILE, camera)
        feed(make_frame(0), replace(FOUND, zones=zones.update(FOUND)))
        page.until(f"{TEXT}.includes('1 frame of 160 × 120')")
        page.until(SHOWN)
        last = replace(FOUND, zones=zones.update(FOUND))
        feed(make_frame(1), last)
        page.until(f"{TEXT}.includes('2 frames of 160 × 120')")
        text = page.value(TEXT)
        numbers = ("person\t1", "vehicle\t1", "all\t2", "yard\t2\t0\t2")
        for told in (HOSTILE, "live", "3 frames dropped", "1 gap", *numbers):
            assert told in text, f"{told!r} in {text}"
        assert page.value("document.documentElement.scrollWidth") <= 390, "nothing runs off a telephone"
        camera.state = "reconnecting"
        page.until(f"{TEXT}.includes('reconnecting')")
        # The picture of the last frame is on the screen: its square, that nothing is drawn over, is where it moved to.
        until(lambda: is_shown(page, last.draw(make_frame(1))))
        assert not is_shown(page, last.draw(make_frame(9)))
    page.until(f"{TEXT}.includes('The run has ended')")
    assert page.value(SHOWN), "the last picture stays"
    with live_view(view.url.split("/")[2]) as again:
        again.feed("gate")(make_frame(0), FOUND)
        page.until(f"{TEXT}.includes('1 frame of 160 × 120') && {SHOWN}")
        assert HOSTILE not in page.value(TEXT), "the page goes on with the new run"
    assert page.value("document.title") == "stc-track, live" and not [m for m in page.messages if "Refused" in m]


@pytest.mark.slow
def test_of_many_inputs_each_is_seen(page: Browser) -> None:
    """More than a browser keeps connections for."""
    with live_view("0") as view:
        feeds = [view.feed(f"camera {number}") for number in range(1, 9)]
        for feed in feeds:
            feed(make_frame(0), FOUND)
        page.open(view.url, 1280, 900)
        page.until("document.querySelectorAll('article').length === 8")
        page.until("[...document.querySelectorAll('img')].every(i => i.naturalWidth === 160 && i.complete)")
        for feed in feeds:
            feed(make_frame(1), FOUND)
        page.until("[...document.querySelectorAll('img')].every(i => i.src.endsWith('-2') && i.complete)")
