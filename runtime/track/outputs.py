"""Where `stc-track` writes: checked before anything runs, and opened when it does."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from stc.errors import InputError, StcError
from stc.files import check_folder, check_output, is_stdout

if TYPE_CHECKING:
    from stc.runtime.drawing.style import Style
    from stc.runtime.publishing.publisher import Publisher
    from stc.runtime.video import Source
    from stc.runtime.video.frame import Sink, Writer
    from stc.runtime.video.sinks.lines import Rotation
    from stc.runtime.zones import Zone

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Outputs:
    """The files of one input, or, before `of_input`, the folders that take the files of several.

    append, rotation: of the JSON lines. overwrite: replace what stc would otherwise keep or refuse to touch. video_id:
    of the input among several, from 1. zones: counted in each input. derived: stc chose the names, so that what bears
    one may be somebody else's. publisher: takes the JSON lines of all inputs. screens: where frames are watched as they
    come, for a summary; sinks: what takes the frames of this input there. style: of what is drawn; None: as `Style()`.
    """

    annotated: Path | None = None  # video, picture or folder
    json: Path | None = None
    jsonl: Path | None = None
    contact: Path | None = None
    append: bool = False
    rotation: Rotation | None = None
    overwrite: bool = False
    video_id: int = 1
    zones: tuple[Zone, ...] = ()
    derived: bool = False
    publisher: Publisher | None = None
    screens: tuple[str, ...] = ()
    sinks: tuple[Sink, ...] = ()
    style: Style | None = None

    @property
    def places(self) -> tuple[Path | None, Path | None, Path | None, Path | None]:
        return self.annotated, self.json, self.jsonl, self.contact

    @property
    def paths(self) -> list[Path]:
        return [path for path in self.places if path is not None]

    @property
    def shown(self) -> list[str]:
        """Where results go, for a summary."""
        published = [] if self.publisher is None else [self.publisher.shown]
        return [*map(str, self.paths), *published, *self.screens]

    @property
    def files(self) -> list[Path]:
        """The paths that are one file each, and not a folder of pictures."""
        return [path for path in self.paths if path is not self._pictures]

    @property
    def _pictures(self) -> Path | None:
        """The folder that takes a picture per frame."""
        from stc.runtime.video.sinks.sinks import takes_pictures

        path = self.annotated
        return path if path is not None and not self.derived and takes_pictures(path) else None

    def check(self, inputs: Sequence[str]) -> None:
        """Raises InputError, before any work, for an output that cannot be written, or that would destroy something.

        That is one given twice, one that is an input or lies among its pictures, and a video or picture (or any file
        whose name stc chose) that somebody else wrote.
        """
        from stc.runtime.video.sinks import made

        self._check_any()
        self._check_stdout()
        for path in self.paths:
            if sum(_same(path, other) for other in self.paths) > 1:
                raise InputError(f"{path}: given for two outputs; choose another for one")
            for spec in inputs:
                _check_input(path, Path(spec), pictures=path is self._pictures)
        for path in self.files:
            check_output(path)
        if self._pictures is not None:
            made.check_folder(self._pictures, overwrite=self.overwrite, beside=self.files)
            check_folder(self._pictures)
        self._check_foreign()

    def check_folders(self) -> None:
        """As `check`, for folders: raises InputError for none, and for a path that one file is meant by."""
        self._check_any()
        for path in self.paths:
            if is_stdout(path):
                raise InputError(f"{path}: one stream cannot hold several inputs; give a folder, such as: out")
            if path.suffix and not path.is_dir():
                raise InputError(f"{path}: one file cannot hold several inputs; give a folder, such as: {path.stem}")

    def _check_any(self) -> None:
        if not self.shown:
            raise InputError(
                "no output asked for: give one or more of -o, --json, --jsonl, --contact; see: stc-track --help"
            )
        if self.jsonl is None and (self.append or self.rotation is not None):
            raise InputError("--append and --rotate are for JSON lines; give --jsonl FILE too")
        if self.zones and not (self.jsonl or self.annotated or self.contact or self.publisher or self.screens):
            raise InputError("--zones are told in JSON lines and drawn into pictures; give --jsonl FILE or -o OUT too")

    def _check_stdout(self) -> None:
        """A video needs a file to go back in, and a folder is no stream."""
        from stc.runtime.video.sinks.lines import is_regular

        for option, path in (("-o", self.annotated), ("--contact", self.contact)):
            if is_stdout(path):
                raise InputError(f"{option} {path}: cannot be a stream; give a file (results as they come: --jsonl -)")
        if self.rotation is not None and self.jsonl is not None and not is_regular(self.jsonl):
            raise InputError(f"--rotate: {self.jsonl} is no file that could be renamed; leave one of them out")

    def _check_foreign(self) -> None:
        """Videos and pictures that stc did not write may be the only copy; JSON lines are kept in any case."""
        from stc.runtime.video.sinks.made import is_ours, shown

        if self.overwrite:
            return
        replaced = [path for path in (self.annotated, self.contact, self.json if self.derived else None) if path]
        full = [path for path in replaced if path.is_file() and path.stat().st_size]
        if foreign := [str(path) for path in full if not is_ours(path)]:
            raise InputError(
                f"{shown(foreign)}: would be replaced, and stc did not write it; choose another name or folder, or "
                "insist with --overwrite"
            )

    def of_input(self, name: str, number: int = 1, *, picture: bool) -> Outputs:
        """The files of the input `name` in these folders; `picture`: it is a single one; `number`: its place."""

        def inside(folder: Path | None, file: str) -> Path | None:
            return None if folder is None else folder / file

        return replace(
            self,
            annotated=inside(self.annotated, f"{name}.png" if picture else f"{name}.mp4"),
            json=inside(self.json, f"{name}.json"),
            jsonl=inside(self.jsonl, f"{name}.jsonl"),
            contact=inside(self.contact, f"{name}-contact.png"),
            video_id=number,
            derived=True,
        )

    def writers(self, source: Source) -> list[AbstractContextManager[Writer]]:
        """What takes annotated pictures, checked against the source but not begun.

        Raises InputError for what cannot be written of it.
        """
        from stc.runtime.video.sinks.sinks import open_contact, open_writer

        if self.json is not None and source.live:
            lines = self.json if is_stdout(self.json) else self.json.with_suffix(".jsonl")
            raise InputError(f"{source.name}: a live source has no end to write --json at; use: --jsonl {lines}")
        writers = []
        if self.annotated is not None:
            writers.append(open_writer(self.annotated, source, overwrite=self.overwrite, beside=self.files))
        if self.contact is not None:
            writers.append(open_contact(self.contact))
        return writers

    def enter(self, writers: Sequence[AbstractContextManager[Writer]], files: Files) -> list[Sink]:
        """Begin the files; they are completed, or removed after an error, when `files` ends."""
        from stc.runtime.video.sinks.jsonl import jsonl_sink, line
        from stc.runtime.video.sinks.sinks import drawing
        from stc.runtime.video.sinks.ytvis import ytvis_sink

        sinks = []
        if writers:
            sinks.append(files.enter(drawing([files.enter(writer) for writer in writers], style=self.style)))
        if self.json is not None:
            sinks.append(files.enter(ytvis_sink(self.json, self.video_id)))
        if self.jsonl is not None:
            lines = jsonl_sink(self.jsonl, append=self.append, overwrite=self.overwrite, rotation=self.rotation)
            sinks.append(files.enter(lines))
        if (publisher := self.publisher) is not None:
            sinks.append(lambda frame, result: publisher.send(line(frame, result)))
        return [*sinks, *self.sinks]


class Files:
    """Context managers that end one by one, the last one first: what one cannot complete, the others can."""

    def __init__(self) -> None:
        self._entered: list[AbstractContextManager[object]] = []

    def enter(self, context: AbstractContextManager[T]) -> T:
        value = context.__enter__()
        self._entered.append(context)
        return value

    def __enter__(self) -> Files:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raises the first thing that went wrong. A second Ctrl-C, or a bug, ends those that are left by an error."""
        problems: list[BaseException] = []
        completing = error is None
        while self._entered:
            try:
                self._entered.pop().__exit__(kind, error, trace)
            except (StcError, OSError) as found:  # noqa: PERF203
                problems += [found] if found not in problems else []
            except BaseException as found:
                kind, error, trace, problems = type(found), found, found.__traceback__, [found]
                completing = True
        for problem in problems[1:]:
            log.warning("%s", problem)
        if problems and completing:
            raise problems[0]


def _check_input(path: Path, spec: Path, *, pictures: bool) -> None:
    """Raise InputError for an output that would change the input `spec`."""
    from stc.runtime.video.frame import PICTURE_SUFFIXES

    if is_stdout(path):
        return
    if _same(path, spec):
        raise InputError(f"{path}: is the input itself; choose another output")
    if pictures and spec.is_file() and _same(path, spec.resolve().parent):
        raise InputError(f"{path}: is the folder of {spec}; choose another for the pictures")
    if spec.is_dir() and path.suffix.lower() in PICTURE_SUFFIXES and _same(path.parent, spec):
        raise InputError(f"{path}: would be one of the input's own pictures; choose another folder")


def _same(a: Path, b: Path) -> bool:
    """Also by links, soft and hard."""
    try:
        return (is_stdout(a) and is_stdout(b)) or a.samefile(b)
    except OSError:
        return a.resolve() == b.resolve()


def file_names(inputs: Sequence[str]) -> list[str]:
    """A name for the files of each input, all different: `clip` for `a/clip.mp4`, `cam-live` for `rtsp://cam/live`."""
    from stc.runtime.video.shown import redact

    names: list[str] = []
    for spec in inputs:
        if "://" in spec:
            address = redact(spec).split("://", 1)[1].removeprefix("***@").partition("?")[0]
            name = re.sub(r"[^A-Za-z0-9._]+", "-", address).strip("-.")
        elif spec.isdecimal():
            name = f"video{spec}"
        else:
            path = Path(spec).resolve()
            name = path.name if path.is_dir() else path.stem
        number, unique = 2, name
        while unique in names:
            unique, number = f"{name}-{number}", number + 1
        names.append(unique)
    return names
