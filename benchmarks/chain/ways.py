"""Ways from a 1080p frame to ids and COCO RLE masks at frame size, which a measurement lets take turns."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.chain.stand_in import PASSPORT, StandIn
from stc.runtime.frames.yuv import YuvFrame
from stc.runtime.letterbox import AnyFrame
from stc.runtime.native.library import Library
from stc.runtime.overlap import Handle
from stc.runtime.result import Result
from stc.runtime.session import IN_FLIGHT, Session

SIZE = (1080, 1920)  # (H, W)
DIFFERENT = 32  # pictures, 0.2 GB
Picture = NDArray[np.uint8]
_NOTHING = np.zeros((1, *PASSPORT.input_size, 3), np.uint8)
Frames = Callable[[], Iterator[AnyFrame]]


class Chain:
    """One stream on a session, so that no way meets the state of another; each way gives the masks of its last frame.
    It ends with its session.
    """

    def __init__(self, session: Session, in_flight: int = 1) -> None:
        self.session = session
        self.stream = session.stream(in_flight=in_flight)

    @classmethod
    def around(cls, objects: int, seconds: float, library: Library, in_flight: int = 1) -> Chain:
        """Around a stand-in that waits `seconds`; library: of one thread, for resizing and masks."""
        session = Session.from_backend(StandIn(objects, seconds), PASSPORT, "the stand-in")
        session.native = library
        return cls(session, in_flight)

    def serial(self, frames: Frames) -> list[Any]:
        masks: list[Any] = []
        for frame in frames():
            masks = self.stream(frame).masks.rle()
        return masks

    def overlapped(self, frames: Frames) -> list[Any]:
        waiting: deque[Handle[Result]] = deque()
        masks: list[Any] = []
        for frame in frames():
            waiting.append(self.stream.submit(frame))
            if len(waiting) > IN_FLIGHT:
                masks = waiting.popleft().result().masks.rle()
        while waiting:
            masks = waiting.popleft().result().masks.rle()
        return masks

    def before(self, frames: Frames) -> list[Any]:
        """As before the round: OpenCV resizes, all masks become float32 at once, nothing overlaps."""
        masks: list[Any] = []
        for frame in frames():
            assert isinstance(frame, np.ndarray)
            letterbox = PASSPORT.letterbox(SIZE)
            outputs = self.session.infer(letterbox.apply(frame)[None])
            valid = slice(0, int(outputs["num_detections"][0]))
            outputs = outputs | {"masks": outputs["masks"][:, valid].astype(np.float32)}
            masks = self.stream.finish(outputs, 0, letterbox).masks.rle()
        return masks

    def close(self) -> None:
        self.stream.close()


def alone(engine: StandIn, frames: int) -> None:
    """The engine alone, frame after frame: how long it really waits. Nothing overlapped can be faster."""
    for _ in range(frames):
        engine.run(_NOTHING)


def pictures(count: int) -> list[Picture]:
    """Frames BGR as cameras give them: smooth, with grain, and moving; `DIFFERENT` ones, again and again."""
    random = np.random.default_rng(0)
    height, width = SIZE
    coarse = random.integers(40, 216, (height // 40, width // 40, 3), np.uint8)
    smooth = np.kron(coarse, np.ones((40, 40, 1), np.uint8))
    grain = random.integers(0, 8, (height, width, 3), np.uint8)
    different = min(count, DIFFERENT)
    moved = [np.ascontiguousarray(np.roll(smooth + grain, 7 * number, axis=1)) for number in range(different)]
    return [moved[number % different] for number in range(count)]


def encode(path: Path, frames: Sequence[Picture]) -> None:
    """As H.264, yuv420p."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "superfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        container.mux(stream.encode(None))


def decoded(path: Path, *, planes: bool) -> Iterator[AnyFrame]:
    """The frames of a video, decoded by one thread; planes: as the decoder gives them, else converted to BGR."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        for frame in container.decode(stream):
            yield of_planes(frame) if planes else np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)


def of_planes(frame: Any) -> YuvFrame:
    """A frame of PyAV in yuv420p, uncopied."""
    y, u, v = (
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frame.planes
    )
    return YuvFrame(y, u, v)
