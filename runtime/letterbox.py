"""From a frame of any size to the exact picture that the graph takes, and boxes back again.

A model takes either one size, which frames are letterboxed into, or any, and each frame keeps its shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime.frames.yuv import YuvFrame
from stc.runtime.native.library import Library
from stc.runtime.native.resize import resize, resize_yuv

Resize = Literal["pil-bilinear", "linear", "area"]
RESIZE_RULES: tuple[Resize, ...] = get_args(Resize)
AnyFrame = NDArray[np.uint8] | YuvFrame  # an array is (H, W, 3) BGR


@dataclass(frozen=True)
class Letterbox:
    """How one frame size fits one input size: scaled to fit, top-left, the rest filled with the border colour.

    A model that takes any size leaves no rest: its input is the resized picture.

    Sizes are (H, W) in pixels, `border` is BGR in 0..255. `resize` is part of the model: "pil-bilinear" is Pillow's
    antialiased bilinear (what detectron2 checkpoints were trained with), "linear" and "area" are OpenCV's.
    """

    frame_size: tuple[int, int]
    input_size: tuple[int, int]
    resized_size: tuple[int, int]
    resize: str
    border: tuple[int, int, int]

    @classmethod
    def fit(
        cls,
        frame_size: tuple[int, int],
        input_size: tuple[int, int],
        resize: str,
        border: tuple[int, int, int],
        shortest_edge: tuple[int, int] | None = None,
    ) -> Letterbox:
        """The letterbox with the largest picture that fits; sizes round as detectron2 does, `int(x + 0.5)`, at least 1.

        shortest_edge: of a model that takes any size, the shorter side in pixels and the most for the longer one; the
        input is then `shortest_edge_size`, whatever `input_size` is. Raises InputError for an empty frame or an unknown
        resize rule.
        """
        height, width = frame_size
        if height < 1 or width < 1:
            raise InputError(f"a frame must have at least one pixel; got {height}x{width}")
        if resize not in RESIZE_RULES:
            raise InputError(f"unknown resize rule {resize!r}; known: {', '.join(RESIZE_RULES)}")
        if shortest_edge is not None:
            size = shortest_edge_size((height, width), shortest_edge, resize)
            return cls((height, width), size, size, resize, border)
        return cls((height, width), input_size, resized_size(frame_size, input_size), resize, border)

    @property
    def border_size(self) -> tuple[int, int]:
        """Rows and columns of the input that the picture leaves to the border."""
        (height, width), (resized_h, resized_w) = self.input_size, self.resized_size
        return height - resized_h, width - resized_w

    @property
    def size_without(self) -> tuple[int, int]:
        """The input size (H, W) of the frame's shape whose shorter and longer side do not exceed this input's.

        Each side is at least 32, the least that an export takes.
        """
        (height, width), (short, long) = self.frame_size, sorted(self.input_size)
        fitting = resized_size(self.frame_size, (short, long) if height <= width else (long, short))
        return max(fitting[0], 32), max(fitting[1], 32)

    def apply(self, frame: AnyFrame, native: Library | None = None) -> NDArray[np.uint8]:
        """The input picture: uint8 (H, W, 3) BGR, contiguous, from a frame uint8 (H0, W0, 3) BGR or in YUV.

        `native` resizes where it is given (`native/resize.py`).
        Raises InputError when the frame is no such array or has another size than `frame_size`.
        """
        if (size := check_frame(frame)) != self.frame_size:
            raise InputError(f"frame of {size[0]}x{size[1]} given to a letterbox for {self.frame_size}")
        height, width = self.resized_size
        picture = np.empty((*self.input_size, 3), np.uint8)
        if native and isinstance(frame, YuvFrame):
            resize_yuv(native, frame, picture[:height, :width], self.resize)
        else:
            bgr = frame.bgr() if isinstance(frame, YuvFrame) else frame
            resize_frame(bgr, self.resized_size, self.resize, native, into=picture[:height, :width])
        picture[height:] = self.border
        picture[:height, width:] = self.border
        return picture

    def to_frame(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes (n, 4) xyxy from input pixels to frame pixels, clipped to the frame, float32."""
        (height, width), (resized_h, resized_w) = self.frame_size, self.resized_size
        limit = np.array([width, height] * 2, np.float32)
        resized = np.array([resized_w, resized_h] * 2, np.float32)
        # Multiply, then divide: the picture's edge is exactly the frame's, and a box in the border comes out empty.
        scaled: NDArray[np.float32] = np.clip(boxes * limit / resized, 0, limit, dtype=np.float32)
        return scaled


def resized_size(frame_size: tuple[int, int], input_size: tuple[int, int]) -> tuple[int, int]:
    """The largest (H, W) of a frame's shape that fits the input, rounded as detectron2 does, at least 1."""
    (height, width), (room_h, room_w) = frame_size, input_size
    scale = min(room_h / height, room_w / width)
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def shortest_edge_size(frame_size: tuple[int, int], edges: tuple[int, int], resize: str) -> tuple[int, int]:
    """(H, W) of a frame whose shorter side becomes `edges[0]`, unless the longer one would exceed `edges[1]`.

    Rounded as the code that resizes so does it: detectron2 (`ResizeShortestEdge`, "pil-bilinear") scales to the shorter
    side first and then, where that is too long, once more; mmcv (`rescale_size`, the others) by the lesser of both
    scales. A side can differ by a pixel. At least 1.
    """
    height, width = frame_size
    short, long = edges
    if resize == "pil-bilinear":
        scale = short / min(height, width)
        scaled_h, scaled_w = (short, scale * width) if height < width else (scale * height, short)
        if max(scaled_h, scaled_w) > long:
            scale = long / max(scaled_h, scaled_w)
            scaled_h, scaled_w = scaled_h * scale, scaled_w * scale
    else:
        scale = min(long / max(height, width), short / min(height, width))
        scaled_h, scaled_w = height * scale, width * scale
    return max(1, int(scaled_h + 0.5)), max(1, int(scaled_w + 0.5))


def sizes_in_words(input_size: tuple[int, int], edges: tuple[int, int] | None) -> str:
    """What becomes of frames. edges: of a model that takes any size, as in `shortest_edge_size`."""
    return "{}x{}".format(*input_size) if edges is None else "shorter side {}, longer at most {}".format(*edges)


def check_frame(frame: Any) -> tuple[int, int]:
    """The (H, W) of a frame. Raises InputError unless it is a uint8 (H, W, 3) array with at least one pixel, or YUV."""
    if isinstance(frame, YuvFrame):
        return frame.size
    if not isinstance(frame, np.ndarray):
        raise InputError(
            f"a frame must be a NumPy array uint8 (H, W, 3) BGR; got {type(frame).__name__}; {_advice_on(frame)}"
        )
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or 0 in frame.shape:
        raise InputError(
            f"a frame must be uint8 (H, W, 3) BGR; got {frame.dtype} {frame.shape}; {_advice(frame.dtype, frame.shape)}"
        )
    return frame.shape[0], frame.shape[1]


def _advice_on(thing: Any) -> str:
    """What makes a frame of what is no array."""
    kind = f"{type(thing).__module__}.{type(thing).__qualname__}"
    if isinstance(thing, (str, bytes)) or hasattr(thing, "__fspath__"):
        return "open it with: stc.runtime.video.open_source(path)"
    if kind.startswith("PIL."):
        return "convert it with: numpy.asarray(picture.convert('RGB'))[:, :, ::-1]"
    if kind.startswith("torch."):
        return "convert it with: tensor.cpu().numpy(), channels last"
    if isinstance(thing, (list, tuple)):
        return "give one frame at a time, or one per stream to session.step()"
    return "convert it with: numpy.asarray(frame)"


def _advice(dtype: np.dtype[Any], shape: tuple[int, ...]) -> str:
    """What to do about an array: no pixels before wrong numbers, wrong numbers before wrong channels."""
    channels = {2: 1, 3: shape[-1]}.get(len(shape))
    cases = (
        (0 in shape, "it has no pixels: the camera or decoder that gave it has failed"),
        (dtype.kind == "f", "levels are whole, 0..255: (255 * frame).astype(numpy.uint8) where they are 0..1"),
        (dtype == np.uint16, "levels are 0..255: (frame >> 8).astype(numpy.uint8) where all 16 bits are used"),
        (dtype != np.uint8, "levels are 0..255: frame.astype(numpy.uint8) where they are in this range"),
        (channels == 1, "convert it with: cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)"),
        (channels == 4, "convert it with: cv2.cvtColor(frame, cv2.COLOR_BGRA2BGR), or COLOR_RGBA2BGR"),
        (channels is not None and shape[0] == 3, "channels come last: frame.transpose(1, 2, 0)"),
        (len(shape) == 4, "give one frame at a time, or one per stream to session.step()"),
    )
    return next((advice for applies, advice in cases if applies), "blue, green and red for each pixel")


def resize_frame(
    frame: NDArray[np.uint8],
    size: tuple[int, int],
    rule: str,
    native: Library | None = None,
    *,
    into: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """`frame`, uint8 (H0, W0, 3), at `size` (H, W) by one of `RESIZE_RULES`: `into`, uint8 (H, W, 3), if it is given.

    The one function that all pictures of a model go through, at inference, in training and in proofs. `native` does it
    where it is given, else Pillow or OpenCV, which take grey pictures (H0, W0) too: within one grey level, "linear" to
    the bit (`native/resize.py`): code bases that resize so do it with OpenCV, and a level moves boxes by up to 0.3 px.
    """
    target = np.empty((*size, *frame.shape[2:]), np.uint8) if into is None else into
    if frame.shape[:2] == size:
        target[:] = frame
    elif native and frame.shape[2:] == (3,):
        resize(native, frame, target, rule)
    elif rule == "pil-bilinear":
        from PIL import Image

        # Pillow treats the channels alike, so the BGR array may pass for an RGB picture.
        target[:] = np.asarray(Image.fromarray(frame).resize(size[::-1], Image.Resampling.BILINEAR))
    else:
        from stc.opencv import cv2

        method = cv2.INTER_AREA if rule == "area" else cv2.INTER_LINEAR
        target[:] = cv2.resize(np.ascontiguousarray(frame), size[::-1], interpolation=method)
    return target
