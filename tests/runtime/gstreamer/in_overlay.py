"""`stcoverlay` draws to the pixel what the result of the frame draws."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from stc.runtime import Session, Style
from stc.runtime.drawing.draw import annotate
from stc.runtime.drawing.trails import Trails
from tests.runtime.gstreamer.streams import FPS, raw, walk, walks

if TYPE_CHECKING:
    from tests.runtime.gstreamer.pipelines import Pipelines


@pytest.mark.parametrize("format", ["BGR", "RGB"])
@pytest.mark.parametrize(
    ("settings", "style"),
    [
        ("", Style()),
        ("alpha=0.8 thickness=1 labels=false boxes=true", Style(0.8, 1, labels=False, boxes=True)),
        ("trails=2", Style(trails=2)),
    ],
    ids=["default", "styled", "trails"],
)
def test_it_draws_what_the_result_draws(
    settings: str, style: Style, format: str, pipelines: Pipelines, bundle: Path, session: Session
) -> None:
    """Behind a conversion, through which what was found goes along; frames in between show what was found last."""
    description = (
        f"appsrc name=in format=time ! stctrack model={bundle} threads=1 every=2 ! videoconvert ! "
        f"video/x-raw,format={format} ! stcoverlay {settings} ! appsink name=out sync=false"
    )
    with pipelines.started(description) as pipeline:
        pipeline.push(walks(5), raw("BGR"))
        pipeline.end()
        drawn = [pipeline.pull() for _ in range(5)]
    stream, trails = session.stream(), Trails(style.trails)
    for step, picture in enumerate(drawn):
        if step % 2 == 0:
            result = stream(walk(step), step / FPS)
            paths = trails.update(result)
        expected = annotate(walk(step), result, style, paths)
        if not style.trails:
            np.testing.assert_array_equal(expected, result.draw(walk(step), style))
        assert picture is not None and (expected != walk(step)).any()
        np.testing.assert_array_equal(picture if format == "BGR" else picture[..., ::-1], expected)


def test_frames_that_nobody_looked_at_stay_as_they_are(pipelines: Pipelines) -> None:
    with pipelines.started("appsrc name=in format=time ! stcoverlay ! appsink name=out sync=false") as pipeline:
        pipeline.push(walks(2), raw("BGR"))
        pipeline.end()
        for step in range(2):
            np.testing.assert_array_equal(pipeline.pull(), walk(step))


def test_what_was_found_before_a_seek_is_not_drawn_behind_it(pipelines: Pipelines, bundle: Path) -> None:
    """The tee's other branch still has its frames as they were: drawing takes pixels of its own."""
    description = (
        f"appsrc name=in format=time ! stctrack model={bundle} threads=1 every=100 ! tee name=t "
        "t. ! queue ! stcoverlay name=draw ! appsink name=out sync=false  t. ! queue ! appsink name=plain sync=false"
    )
    with pipelines.started(description) as pipeline:
        pipeline.push(walks(2), raw("BGR"))
        for step in range(2):
            picture, plain = pipeline.pull(), pipeline.pull("plain")
            assert picture is not None and (picture != walk(step)).any()
            np.testing.assert_array_equal(plain, walk(step))
        pipeline.flush("draw")
        pipeline.push(walks(3)[2:], raw("BGR"))
        np.testing.assert_array_equal(pipeline.pull(), walk(2))
