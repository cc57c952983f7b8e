"""The data of a training, checked before it starts: every problem of annotations and frames is told at once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from stc.errors import InputError
from stc.files import sha256
from stc.training.annotation_file import AnnotationFile
from stc.training.annotations import Clip, Dataset, Problems, Source
from stc.training.frame_files import locate_frames


def read_all(sources: Sequence[Source], *, exclude: frozenset[str] = frozenset(), split: str) -> Dataset:
    """One data set of all sources.

    exclude: names of clips (first folder of their file names) that are never read. split: pictures whose `split`
    field says something else are left out. Raises InputError that lists every unreadable or inconsistent annotation,
    every frame that is missing or of another shape, sources with different classes, an excluded name that no source
    has; and when nothing is left.
    """
    problems = Problems()
    classes: tuple[str, ...] = ()
    clips: list[Clip] = []
    absent = set(exclude)
    identity = 0
    for source in sources:
        file = AnnotationFile(source, exclude, split, identity, problems)
        if classes and file.classes and file.classes != classes:
            problems.add(
                source.annotations,
                f"classes {list(file.classes)} differ from {list(classes)} of the data before; give all sources the "
                "same `categories`",
            )
        classes = classes or file.classes
        clips += [locate_frames(clip, source.frames, problems) for clip in file.clips]
        absent -= file.excluded
        identity = file.next_identity
    if absent:
        problems.add("--exclude", f"no clip named {', '.join(sorted(absent))}; nothing would have been left out")
    if problems.found:
        raise InputError(problems.text())
    if not any(frame.objects for clip in clips for frame in clip.frames):
        raise InputError(f"no annotated object left to train on (split {split!r}); check --data, --split and --exclude")
    return Dataset(classes, tuple(clips), _fingerprint(sources, exclude, split))


def _fingerprint(sources: Sequence[Source], exclude: frozenset[str], split: str) -> str:
    parts = [f"{sha256(source.annotations)} {source.partial}" for source in sources]
    return hashlib.sha256("\n".join([*parts, *sorted(exclude), split]).encode()).hexdigest()
