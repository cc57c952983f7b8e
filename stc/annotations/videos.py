"""Annotated videos in memory, whichever format their file has.

One track is one object through one video: a mask per frame, None where it is not seen. A picture of a COCO file is a
video of one frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stc.annotations.masks import Masks
from stc.errors import InputError

OCCLUSION_LEVELS = ("no_occlusion", "slight_occlusion", "severe_occlusion")


@dataclass(frozen=True)
class Track:
    """One object. `area`: mean over the frames that show it, in pixels, as annotated (of the masks without `areas`).

    `boxed`: only the box is annotated, and the mask is the whole of it.
    """

    category: int
    masks: Masks
    area: float
    crowd: bool
    occlusion: tuple[str | None, ...] | None  # OVIS: one of OCCLUSION_LEVELS per frame; None: no such data
    boxed: bool = False


@dataclass(frozen=True)
class Video:
    """`files` relative to the frames folder, in order; `size` is (H, W) of all of them.

    `incomplete`: categories of which objects may be left unannotated (`complete_categories` in the file names the
    others; LVIS's `not_exhaustive_category_ids` names them).
    """

    id: int
    name: str  # folder of the first frame; of a picture its file
    size: tuple[int, int]
    files: tuple[str, ...]
    tracks: tuple[Track, ...]
    picture: bool = False  # of a COCO file
    incomplete: frozenset[int] = frozenset()


@dataclass(frozen=True)
class VideoAnnotations:
    """`categories` name by id, in order of the ids; `videos` in order of theirs; `left_out` names of others."""

    categories: dict[int, str]
    videos: tuple[Video, ...]
    left_out: frozenset[str] = frozenset()

    @property
    def has_occlusion(self) -> bool:
        return any(track.occlusion is not None for video in self.videos for track in video.tracks)

    def only(self, names: Sequence[str]) -> VideoAnnotations:
        """The videos with these names. Raises InputError when there is none of a name."""
        known = [video.name for video in self.videos]
        if missing := sorted(set(names) - set(known)):
            raise InputError(f"no clips named {', '.join(missing)} in the annotations; there are {', '.join(known)}")
        return replace(self, videos=tuple(video for video in self.videos if video.name in names))
