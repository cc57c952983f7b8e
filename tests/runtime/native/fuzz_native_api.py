"""The NumPy API of the runtime and the library behind it: arrays of any type, shape, layout and content.

What is accepted must be the same by the library and by NumPy: pixels away from the threshold, and all forms of a mask.
"""

from __future__ import annotations

import ctypes
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from stc.runtime import Detections, Letterbox, Masks, Session, Tracker, TrackerConfig
from stc.runtime.frames.yuv import YuvFrame
from stc.runtime.letterbox import RESIZE_RULES
from stc.runtime.masks.axis import composed_axis
from stc.runtime.native import filters
from stc.runtime.native.interface import FrameAxis, FrameMasks, Outlines, Resize, ResizeAxis
from stc.runtime.native.library import Library, find
from stc.runtime.native.mask_head import MaskHead
from stc.runtime.tracking.detections import select
from tests.runtime import tiny_model

NUMBERS = (0.0, 1.0, 0.5, -1.0, 1e-45, 1e38, float("nan"), float("inf"), float("-inf"))
SIZES = (0, 1, 2, 3, 7, 16, 33, 64)
HUGE = (-(2**31), -1, 0, 2**15, 2**31 - 1, 2**32 + 8, 2**62, True, 1.5, None, "8")


def cases(folder: Path) -> Callable[[random.Random], object]:
    library = find()
    assert isinstance(library, Library)
    session = Session(tiny_model.write_bundle(folder / "bundle"), threads=1)
    tried: list[Callable[[random.Random], None]] = [
        lambda r: _masks(r, library),
        lambda r: _mask_head(r, library),
        lambda r: _letterbox(r, library),
        lambda r: _resize(r, library),
        lambda r: _storage(r, library),
        lambda r: _frame(r, session),
        _select,
        _tracker,
    ]

    def case(r: random.Random) -> None:
        r.choice(tried)(r)

    return case


def _array(r: random.Random, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Random content with something odd in it, in one of the layouts that NumPy has."""
    numbers = np.random.default_rng(r.getrandbits(32))
    kind = np.dtype(dtype).kind
    found: NDArray[Any] = (numbers.random(shape) * (1 if kind == "f" else 200)).astype(dtype)
    if found.size and r.random() < 0.4:
        odd = r.choice(NUMBERS if kind == "f" else (0, 1, 100))
        found.reshape(-1)[r.randrange(found.size) :: r.choice((1, 7, 10**6))] = odd
    match r.randrange(8):
        case 0:
            return np.asfortranarray(found)
        case 1 if found.ndim:
            return found[::-1]
        case 2:
            return np.repeat(found, 2, axis=-1)[..., ::2] if found.ndim else found
        case 3:
            return np.frombuffer(b"\1" + found.tobytes(), found.dtype, offset=1).reshape(found.shape)
        case 4:
            return found.astype(found.dtype.newbyteorder())
    return found


def _odd(r: random.Random, array: Any, share: float = 0.25) -> Any:
    """Now and then another type or shape, or no array at all."""
    if r.random() > share:
        return array
    return r.choice(
        (
            lambda: array.astype(r.choice((np.float64, np.int32, np.bool_, np.complex64, object))),
            lambda: array[None],
            lambda: array[..., :-1],
            lambda: array.reshape(-1),
            array.tolist,
            lambda: np.zeros((0, *array.shape[1:]), array.dtype),
            lambda: np.broadcast_to(array[:1], array.shape) if array.ndim and len(array) else array,
            lambda: r.choice((None, "x", 7, object(), [[1], [1, 2]])),
        )
    )()


def _masks(r: random.Random, library: Library) -> None:
    rows, cols = r.choice(SIZES[1:]), r.choice(SIZES[1:])
    stride = r.choice((1, 4, 8)) if r.random() < 0.9 else r.choice((0, -4, 2**31))
    room = (rows * abs(stride), cols * abs(stride)) if r.random() < 0.9 else (5, 10_000)
    letterbox = Letterbox.fit((r.choice(SIZES), r.choice((*SIZES, 700))), room, "linear", (0, 0, 0))
    probabilities = _odd(r, _array(r, (r.choice((0, 1, 3)), rows, cols), r.choice((np.float32, np.float16))))
    forms = []
    for native in (library.with_threads(r.choice((1, 2, 10**9))), None):
        masks = Masks(probabilities, letterbox, stride, native)
        dense = masks.dense()
        assert dense.shape == (len(masks), *letterbox.frame_size)
        assert (
            np.unpackbits(masks.bits().view(np.uint8), axis=-1, bitorder="little")[..., : dense.shape[2]] == dense
        ).all()
        decoded = [coco.decode(rle).astype(bool) for rle in masks.rle()]
        assert all((one == other).all() for one, other in zip(decoded, dense, strict=True))
        assert masks.areas().tolist() == dense.sum((1, 2)).tolist()
        assert (pickle.loads(pickle.dumps(masks)).dense() == dense).all()
        for polygons, mask in zip(masks.polygons(), dense, strict=True):
            rles = coco.frPyObjects([polygon.ravel().tolist() for polygon in polygons], *mask.shape) if polygons else []
            assert (not polygons and not mask.any()) or (coco.decode(coco.merge(rles)).astype(bool) == mask).all()
        forms.append((masks, dense))
    (masks, one), (_, other) = forms
    if np.isfinite(masks.probabilities).all() and np.abs(masks.probabilities).max(initial=0) <= 1:
        # Rounding decides at the threshold alone, and no smooth mask has many pixels there.
        assert (one != other).mean() < 0.2 if one.size > 500 else True


def _mask_head(r: random.Random, library: Library) -> None:
    channels, layers = r.choice(((8, 3), (8, 3), (8, 2), (4, 3), (16, 3), (5, 3), (8, 1)))
    numbers = {"channels": channels, "layers": layers, "stride": 8, "upsample": r.choice((1, 2, 3))}
    if r.random() < 0.2:
        numbers[r.choice(list(numbers))] = r.choice(HUGE)
    head = MaskHead(**numbers)
    assert head.supported(library) in (True, False)
    dtype = r.choice((np.float32, np.float16))
    batch, instances, height, width = (r.choice((0, 1, 2)), r.choice((0, 1, 5)), r.choice(SIZES), r.choice(SIZES))
    parameters = MaskHead(channels, layers).parameters
    arrays = [
        _array(r, (batch, channels, height, width), dtype),
        _array(r, (batch, instances, parameters), dtype),
        _array(r, (batch, instances, 2), np.float32),
        _array(r, (batch, instances), np.float32),
        np.array([r.choice((0, 1, instances, -1, -(2**31), 2**31 - 1)) for _ in range(batch)], np.int32),
    ]
    index = r.randrange(8)
    if index < 5:
        arrays[index] = _odd(r, arrays[index], 0.5)
    masks = head(library.with_threads(r.choice((1, 2, 300))), *arrays)
    height, width = arrays[0].shape[2:]  # an odd one may be of another size, and valid
    assert masks.shape == (batch, instances, height * numbers["upsample"], width * numbers["upsample"])


def _letterbox(r: random.Random, library: Library) -> None:
    size = (r.choice(SIZES), r.choice(SIZES))
    frame = _odd(r, _array(r, (*size, r.choice((3, 3, 3, 4, 1))), np.uint8), 0.3)
    letterbox = Letterbox.fit(
        size, (r.choice(SIZES[1:]), r.choice(SIZES[1:])), r.choice((*RESIZE_RULES, "cubic")), (1, 2, 3)
    )
    if r.random() < 0.2:
        half = ((size[0] + 1) // 2, (size[1] + 1) // 2)
        planes = [_odd(r, _array(r, shape, np.uint8), 0.1) for shape in (size, half, half)]
        yuv = YuvFrame(*planes, r.choice(("bt601", "bt709", "x", None)), full_range=r.random() < 0.5)
        assert letterbox.apply(yuv, library).shape == letterbox.apply(yuv).shape
    one, other = letterbox.apply(frame, library), letterbox.apply(frame)
    assert one.shape == other.shape == (*letterbox.input_size, 3)
    assert np.abs(one.astype(int) - other).max() <= 1


def _resize(r: random.Random, library: Library) -> None:
    """The C function itself: any numbers in the axes, any order, views of any layout. It refuses, or it resizes."""
    source, size = (r.choice(SIZES[1:]), r.choice(SIZES[1:])), (r.choice(SIZES[1:]), r.choice(SIZES[1:]))
    picture = _array(r, (*source, r.choice((3, 4))), np.uint8)[..., r.choice((slice(0, 3), slice(2, None, -1)))]
    if r.random() < 0.2:
        picture = np.broadcast_to(picture[:, :, :1], picture.shape)
    target = np.full((*size, 3), 7, np.uint8)
    numbers: list[list[Any]] = [
        [array.copy() for array in axis] for axis in filters.axes(r.choice(RESIZE_RULES), source, size)
    ]
    for _ in range(r.choice((0, 0, 1, 3))):
        array = r.choice(r.choice(numbers))
        array.reshape(-1)[r.randrange(array.size)] = r.choice((0, 1, -1, 2**22, 2**22 + 1, 2**23, 2**31 - 1, -(2**31)))
    sizes = [list(weights.shape) for _, weights in numbers]
    if r.random() < 0.1:
        r.choice(sizes)[r.randrange(2)] = r.choice((0, -1, -(2**31)))
    axes = [
        ResizeAxis(first.ctypes.data, weights.ctypes.data, *shape)
        for (first, weights), shape in zip(numbers, sizes, strict=True)
    ]
    pitch = 3 * size[1] if r.random() < 0.9 else r.choice((0, -1, 3 * size[1] - 1, -(2**63)))
    order = r.choice((0, 1, 1, r.choice((2, -1, 2**31 - 1))))
    op = Resize(picture.ctypes.data, target.ctypes.data, *picture.strides, pitch, *source, order, *axes)
    status = library.handle.stc_cpu_resize(ctypes.byref(op), r.choice((1, 2, 300, 0, -1)))
    assert status in (0, -1)
    assert status == 0 or (target == 7).all()


def _storage(r: random.Random, library: Library) -> None:
    """Storages that are none are refused, and outlines that have no room are not written."""
    axis = composed_axis(4, 1, 4, r.choice((1, 7, 40)))
    frame = FrameAxis(axis.first.ctypes.data, axis.share.ctypes.data, len(axis))
    cells = _array(r, (2, 4, 4), np.float32).astype(np.float32, order="C")
    masks = FrameMasks(cells.ctypes.data, frame, frame, *cells.shape)
    pixels = np.zeros((2, len(axis), len(axis)), np.uint8)
    storage = r.choice((0, 1, 2, -1, 2**31 - 1, -(2**31)))
    status = library.handle.stc_cpu_dense_masks(
        ctypes.byref(masks), storage, pixels.ctypes.data, None, r.choice((1, 3))
    )
    assert status == (0 if storage in (0, 1) else -1) and pixels.max() <= 1
    rooms = r.choice((0, 1, 4, 1000)), r.choice((0, 1, 1000))
    corners, rings = np.full((rooms[0], 2), -1, np.int32), np.full((rooms[1], 3), -1, np.int64)
    found = Outlines(corners.ctypes.data, rings.ctypes.data, *rooms)
    status = library.handle.stc_cpu_outline_masks(ctypes.byref(masks), storage, ctypes.byref(found), r.choice((1, 3)))
    assert status in ((0, -4) if storage in (0, 1) else (-1,))
    assert (status == 0) == (found.corners <= rooms[0] and found.rings <= rooms[1] and storage in (0, 1))
    assert status == 0 or (corners == -1).all()


def _frame(r: random.Random, session: Session) -> None:
    frame = _odd(r, _array(r, (r.choice(SIZES), r.choice(SIZES), 3), np.uint8), 0.5)
    time = r.choice((None, None, 0, 0.5, *NUMBERS, "1", [1], 10**400, np.float32(2), np.datetime64("2026")))
    result = session.stream("s")(frame, time)
    result.masks.rle()
    session.infer(_odd(r, _array(r, (1, *session.passport.input_size, 3), np.uint8), 0.5))


def _select(r: random.Random) -> None:
    k = 6
    outputs = {
        "num_detections": np.array([r.choice((0, 3, k))], np.int32),
        "boxes": _array(r, (1, k, 4), np.float32) * 60,
        "scores": _array(r, (1, k), np.float32),
        "labels": np.array([[r.choice((0, 1, 2, 2, 0, -1, 3, 2**31 - 1)) for _ in range(k)]], np.int32),
        "embeddings": _array(r, (1, k, 5), np.float32),
        "masks": _array(r, (1, k, 16, 24), np.float16),
    }
    letterbox = Letterbox.fit((120, 200), (64, 96), "linear", (0, 0, 0))
    found, probabilities = select(outputs, 0, letterbox, 0.0, np.ones(3, np.bool_))
    assert len(found) == len(probabilities) <= k
    assert np.isfinite(found.scores).all() and np.isfinite(found.boxes).all()
    assert ((found.boxes[:, 2:] > found.boxes[:, :2]).all()) and (found.boxes >= 0).all()


def _tracker(r: random.Random) -> None:
    tracker = Tracker(TrackerConfig(rule=r.choice(("default", "crossvis", "masktrack", "qdtrack")), confirm_hits=1))
    for time in range(3):
        n = r.choice((0, 1, 4))
        corner = np.random.default_rng(r.getrandbits(32)).random((n, 2)).astype(np.float32) * 50
        detections = Detections(
            np.concatenate((corner, corner + 20), axis=1),
            np.linspace(1, 0.5, n, dtype=np.float32),
            np.zeros(n, np.int64),
            _array(r, (n, 5), np.float32),
        )
        update = tracker.update(detections, float(time))
        known = update.track_ids[update.track_ids > 0]
        assert len(set(known.tolist())) == len(known)
