"""The data of a training, checked before it starts: every problem of annotations and frames is told at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import count

from stc.annotations import masks
from stc.annotations.file import read_annotations
from stc.annotations.videos import Track, Video, VideoAnnotations
from stc.errors import InputError, Problems
from stc.files import sha256
from stc.training.data.annotations import Clip, Dataset, Frame, Instance, Source
from stc.training.data.frame_files import locate_frames


def read_all(sources: Sequence[Source], *, exclude: frozenset[str] = frozenset(), split: str) -> Dataset:
    """One data set of all sources.

    exclude: names of clips (folder of their frames; of a picture its file name) that are never read. split: pictures
    whose `split` field says something else are left out. Raises InputError that lists every unreadable or inconsistent
    annotation, every frame that is missing or of another shape, sources with different classes, an excluded name that
    no source has; and when nothing is left.
    """
    problems = Problems("the data")
    classes: tuple[str, ...] = ()
    clips: list[Clip] = []
    absent = set(exclude)
    identities = count()
    for source in sources:
        try:
            read = read_annotations(
                source.annotations, exclude=exclude, split=split, problems=problems.of(source.annotations), boxes=True
            )
        except InputError as error:
            problems.found.append(str(error))
            continue
        names = tuple(read.categories.values())
        if classes and names != classes:
            problems.add(
                source.annotations,
                f"classes {list(names)} differ from {list(classes)} of the data before; give all sources the same "
                "`categories`",
            )
        classes = classes or names
        clips += [locate_frames(clip, source.frames, problems) for clip in _clips(read, source, identities)]
        absent -= read.left_out
    if absent:
        problems.add("--exclude", f"no clip named {', '.join(sorted(absent))}; nothing would have been left out")
    problems.check("nothing was trained")
    if not any(frame.objects for clip in clips for frame in clip.frames):
        raise InputError(f"no annotated object left to train on (split {split!r}); check --data, --split and --exclude")
    return Dataset(classes, tuple(clips), _fingerprint(sources, exclude, split))


def _clips(read: VideoAnnotations, source: Source, identities: count[int]) -> list[Clip]:
    labels = {category: label for label, category in enumerate(read.categories)}
    return [_clip(video, labels, source, identities) for video in read.videos]


def _clip(video: Video, labels: dict[int, int], source: Source, identities: count[int]) -> Clip:
    numbered = [(next(identities), track) for track in video.tracks if track.category in labels]
    frames = (
        Frame(source.frames / file, video.size, tuple(_instances(numbered, labels, index)))
        for index, file in enumerate(video.files)
    )
    incomplete = frozenset(labels[category] for category in video.incomplete)
    return Clip(video.name, tuple(frames), source.partial, incomplete)


def _instances(numbered: Sequence[tuple[int, Track]], labels: dict[int, int], frame: int) -> list[Instance]:
    """The objects that are seen in a frame."""
    found = []
    for identity, track in numbered:
        if track.masks and (rle := track.masks[frame]) is not None:
            x, y, width, height = masks.box(rle)
            box = x, y, x + width, y + height
            area = float(masks.areas([rle])[0])
            found.append(Instance(identity, labels[track.category], rle, box, area, track.crowd, track.boxed))
    return found


def _fingerprint(sources: Sequence[Source], exclude: frozenset[str], split: str) -> str:
    parts = [f"{sha256(source.annotations)} {source.partial}" for source in sources]
    return hashlib.sha256("\n".join([*parts, *sorted(exclude), split]).encode()).hexdigest()
