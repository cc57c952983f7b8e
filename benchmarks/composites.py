"""Real objects that cross: cut-outs of annotated clips, moving over a blurred frame, as a real model sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.crossings import Moment
from stc.benchmarks.evaluation.frames import find_frames
from stc.errors import InputError
from stc.runtime.detections import select
from stc.runtime.preprocess import Letterbox
from stc.runtime.session import Session
from stc.video_annotations import Track, Video, VideoAnnotations

Array = NDArray[Any]
FPS, LENGTH, COPIES = 25.0, 150, 2
TAKES = 40  # frames of a clip
GAPS, GAP_SECONDS = 2, (0.4, 1.6)  # the camera says nothing, the objects go on


@dataclass(frozen=True)
class Clip:
    """One object, frame by frame: its rectangle of the picture, uint8 (h, w, 3), and its mask, bool (h, w).

    scenery: a frame of the clip, blurred until nothing is recognisable in it.
    """

    pieces: tuple[tuple[Array, Array], ...]
    scenery: Array


def read_clips(annotations: VideoAnnotations, frames: Path) -> list[Clip]:
    """The largest object of each video. Raises InputError when frames are missing, or no video has an object."""
    import cv2

    clips = []
    found = find_frames(annotations, frames, FPS)
    for video in annotations.videos:
        if not video.tracks:
            continue
        track = max(video.tracks, key=lambda track: track.area)
        pictures = [frame.image for frame in islice(found[video.id](), TAKES)]
        pieces = tuple(_pieces(video, track, pictures))
        if pieces:
            clips.append(Clip(pieces, cv2.GaussianBlur(pictures[0], (0, 0), video.size[0] / 12)))
    if not clips:
        raise InputError("no annotated object in these clips, so there is nothing to compose scenes of")
    return clips


def _pieces(video: Video, track: Track, pictures: Sequence[Array]) -> Iterator[tuple[Array, Array]]:
    from pycocotools import mask as coco

    for picture, rle in zip(pictures, track.masks, strict=False):
        mask = np.zeros(video.size, np.bool_) if rle is None else coco.decode(rle).astype(np.bool_)
        if mask.any():
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
            yield picture[window].copy(), mask[window]


@dataclass
class _Actor:
    clip: Clip
    mirrored: bool
    offset: int  # its first frame of the clip
    height: float  # of its first piece, pixels
    position: Array  # of the centre, x and y
    velocity: Array

    def piece(self, number: int) -> tuple[Array, Array]:
        """Picture and mask at its size; the clip runs forwards and backwards."""
        import cv2

        pieces = self.clip.pieces
        turn = (self.offset + number) % max(1, 2 * len(pieces) - 2)
        picture, mask = pieces[min(turn, 2 * len(pieces) - 2 - turn)]
        scale = self.height / len(pieces[0][1])
        size = max(1, round(scale * mask.shape[1])), max(1, round(scale * mask.shape[0]))
        shown = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        opaque = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        return (shown[:, ::-1], opaque[:, ::-1]) if self.mirrored else (shown, opaque)


def scene(seed: int, clips: Sequence[Clip], session: Session) -> Iterator[Moment]:
    """Every object twice, the copy mirrored and at another place of its clip; the same for the same seed."""
    rng = np.random.default_rng(seed)
    height, width = session.passport.input_size
    letterbox = Letterbox.fit((height, width), (height, width), session.passport.resize, session.passport.border)
    scenery = _fitted(clips[int(rng.integers(len(clips)))].scenery, (height, width))
    actors = [_actor(rng, clip, copy, (height, width)) for clip in clips for copy in range(COPIES)]
    actors = [actors[index] for index in rng.permutation(len(actors))]  # the last is in front
    pauses = dict(zip(rng.integers(30, LENGTH - 20, GAPS).tolist(), rng.uniform(*GAP_SECONDS, GAPS), strict=True))
    time = 0.0
    for number in range(LENGTH):
        steps = 1 + round(pauses.get(number, 0.0) * FPS)
        time += steps / FPS
        for actor in actors:
            _move(actor, steps, (height, width))
        picture, owner = _compose(scenery, actors, number)
        outputs = session.infer(np.repeat(picture[None], session.batches[0], axis=0))
        found, masks = select(outputs, 0, letterbox, session.score_threshold, session.wanted)
        visible = _cells(owner, len(actors), masks.shape[1:], session.passport.mask_stride)
        yield Moment(time, visible, replace(found, masks=masks))


def _actor(rng: np.random.Generator, clip: Clip, copy: int, size: tuple[int, int]) -> _Actor:
    height, width = size
    return _Actor(
        clip,
        mirrored=copy % 2 == 1,
        offset=int(rng.integers(len(clip.pieces))),
        height=float(rng.uniform(0.35, 0.6)) * height,
        position=rng.uniform((0.15 * width, 0.3 * height), (0.85 * width, 0.7 * height)),
        velocity=np.array([rng.choice([-1, 1]) * rng.uniform(0.004, 0.012) * width, rng.uniform(-0.5, 0.5)]),
    )


def _move(actor: _Actor, steps: int, size: tuple[int, int]) -> None:
    for _ in range(steps):
        actor.position = actor.position + actor.velocity
        for axis, (share, end) in enumerate(((0.1, size[1]), (0.25, size[0]))):
            if not share * end < actor.position[axis] < (1 - share) * end:
                actor.velocity[axis] = abs(actor.velocity[axis]) * (1 if actor.position[axis] < end / 2 else -1)


def _compose(scenery: Array, actors: Sequence[_Actor], number: int) -> tuple[Array, Array]:
    """The picture, and who is seen at each pixel (-1: nobody)."""
    height, width = scenery.shape[:2]
    picture, owner = scenery.copy(), np.full((height, width), -1)
    for index, actor in enumerate(actors):
        shown, opaque = actor.piece(number)
        top, left = (round(float(c) - n / 2) for c, n in zip(actor.position[::-1], opaque.shape, strict=True))
        rows, columns = opaque.nonzero()
        inside = (rows + top >= 0) & (rows + top < height) & (columns + left >= 0) & (columns + left < width)
        rows, columns = rows[inside], columns[inside]
        picture[rows + top, columns + left] = shown[rows, columns]
        owner[rows + top, columns + left] = index
    return picture, owner


def _cells(owner: Array, count: int, grid: tuple[int, ...], stride: int) -> Array:
    """Masks (count, *grid): the cells of which an object has more than a half."""
    padded = np.full((grid[0] * stride, grid[1] * stride), -1)
    padded[: owner.shape[0], : owner.shape[1]] = owner
    each = padded.reshape(grid[0], stride, grid[1], stride) == np.arange(count)[:, None, None, None, None]
    return np.asarray(each.mean(axis=(2, 4)) > 0.5)


def _fitted(picture: Array, size: tuple[int, int]) -> Array:
    import cv2

    return np.asarray(cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA))
