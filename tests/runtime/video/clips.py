"""Small videos with a bright square that moves, results that describe it, and a session that finds it.

The session stands in for a model: it detects what is bright; tracker and masks after it are the real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from stc.runtime import Handle, Letterbox, Masks, Result, Tracker, TrackerConfig
from stc.runtime.overlap import Overlap
from stc.runtime.tracking.detections import Detections
from stc.runtime.tracking.tracker import TrackEvent
from stc.runtime.video import Frame, Image
from stc.runtime.video.frame import FileSource

CLASSES = ("person", "animal", "vehicle")
SIZE = (120, 160)  # height and width, unless a test asks for others
SIDE = 24  # of the square, pixels
# H.264 at its default quality: the mean error per channel stays far below the 200 levels between square and ground.
CODING_ERROR = 6


def square_picture(index: int, size: tuple[int, int] = SIZE) -> Image:
    """A dark gradient of (H, W) with a bright square at x = 10 + 3 * index."""
    height, width = size
    picture = np.repeat(np.linspace(0, 60, width, dtype=np.uint8)[None, :, None], height, axis=0).repeat(3, axis=2)
    x = 10 + 3 * index
    picture[30 : 30 + SIDE, x : x + SIDE] = (250, 240, 230)
    return picture


def encode(
    path: Path,
    times: Sequence[float],
    size: tuple[int, int] = SIZE,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    noise: bool = False,
) -> Path:
    """A video whose frame i is `square_picture(i)` (or noise, which fills bytes) shown at `times[i]` seconds."""
    random = np.random.default_rng(0)
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=30)
        stream.height, stream.width, stream.pix_fmt = *size, pixels
        stream.codec_context.time_base = Fraction(1, 1000)
        for index, time in enumerate(times):
            picture = random.integers(0, 255, (*size, 3), np.uint8) if noise else square_picture(index, size)
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def steady(count: int, fps: float = 30.0) -> list[float]:
    return [index / fps for index in range(count)]


def make_result(
    masks: np.ndarray,
    track_ids: Sequence[int],
    handles: Sequence[int],
    labels: Sequence[int] | None = None,
    scores: Sequence[float] | None = None,
    time: float = 0.0,
    events: tuple[Any, ...] = (),
) -> Result:
    """A result whose frame-size masks are exactly `masks` bool (n, H, W): stride 1, no scaling."""
    count, height, width = masks.shape
    boxes = np.zeros((count, 4), np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        ys, xs = np.nonzero(mask)
        if len(ys):
            box[:] = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
    letterbox = Letterbox.fit((height, width), (height, width), "linear", (0, 0, 0))
    return Result(
        boxes=boxes,
        scores=np.array([0.9] * count if scores is None else scores, np.float32),
        labels=np.array([0] * count if labels is None else labels, np.int64),
        track_ids=np.array(track_ids, np.int64),
        handles=np.array(handles, np.int64),
        ages=np.arange(count) / 2,
        voted=np.array([0] * count if labels is None else labels, np.int64),
        embeddings=np.zeros((count, 0), np.float32),
        masks=Masks(masks.astype(np.float32), letterbox, 1),
        classes=CLASSES,
        frame_size=(height, width),
        time=time,
        events=events,
    )


def rectangle(size: tuple[int, int], x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def box(x: int) -> np.ndarray:
    """A mask of 30 x 40 pixels."""
    return rectangle(SIZE, x, 20, x + 30, 60)


def two_tracks() -> list[Result]:
    """Handle 0 is confirmed as track 4 in the third frame and missing in the fourth; handle 1 never is."""
    born = (TrackEvent("born", 4, 0, 2 / 30),)
    return [
        make_result(np.stack([box(0), box(70)]), [-1, -1], [0, 1], labels=[0, 1], scores=[0.5, 0.9]),
        make_result(np.stack([box(2), box(120)]), [-1, -1], [0, -1], labels=[1, 1], scores=[0.6, 0.2]),
        make_result(np.stack([box(4)]), [4], [0], labels=[0], scores=[0.4], events=born),
        make_result(np.zeros((0, *SIZE), bool), [], []),
        make_result(np.stack([box(8)]), [4], [0], labels=[1], scores=[0.7]),
    ]


def make_frame(index: int, size: tuple[int, int] = SIZE) -> Frame:
    return Frame(square_picture(index, size), index / 30, index, "clip")


def make_source(
    length: int | None, fps: float = 30.0, read: Callable[[], Iterator[Frame]] = lambda: iter(())
) -> FileSource:
    return FileSource("clip", fps, None, length, read)


def left_over(folder: Path) -> list[str]:
    """Files and folders, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


class BrightSession:
    """Has the surface of `stc.runtime.Session` that a command uses; each bright region is a detection of class 0.

    A score of 0.5 lies below the tracker's `instant_score`, so a track takes three frames to be confirmed.
    """

    engine = "a stand-in"
    score = 0.5

    def __init__(self, model: str, **options: Any) -> None:
        self.model, self.options = model, options
        self.closed = False
        self.tracker_config = TrackerConfig()
        self.stream_configs: list[TrackerConfig] = []

    def stream(self, name: str, fps: float, tracker: TrackerConfig) -> BrightStream:
        self.stream_configs.append(tracker)
        return BrightStream(tracker)

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> BrightSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class BrightStream:
    in_flight = 3
    timings: dict[str, float] = {}  # noqa: RUF012

    def __init__(self, tracker: TrackerConfig) -> None:
        self._tracker = Tracker(tracker)
        self._overlap: Overlap[Result] = Overlap((lambda given: self(*given),), self.in_flight, "stc stream")

    def submit(self, frame: Image, time: float) -> Handle[Result]:
        return self._overlap.submit((frame, time))

    def settle(self) -> None:
        self._overlap.close()

    def __call__(self, frame: Image, time: float) -> Result:
        count, labels = cv2.connectedComponents((frame[:, :, 1] > 150).astype(np.uint8))
        masks = np.stack([labels == i for i in range(1, count)]) if count > 1 else np.zeros((0, *frame.shape[:2]), bool)
        found = make_result(masks, [-1] * len(masks), [-1] * len(masks), scores=[BrightSession.score] * len(masks))
        update = self._tracker.update(Detections(found.boxes, found.scores, found.labels, found.embeddings), time)
        return make_result(
            masks,
            update.track_ids.tolist(),
            update.handles.tolist(),
            scores=found.scores.tolist(),
            time=time,
            events=update.events,
        )
