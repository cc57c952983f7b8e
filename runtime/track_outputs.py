"""Where `stc-track` writes: checked before anything runs, and opened when it does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from stc.errors import InputError

if TYPE_CHECKING:
    from stc.runtime.video import Source
    from stc.runtime.video.sinks import Sink, Writer


@dataclass(frozen=True)
class Outputs:
    """The files of one input, or, before `of_input`, the folders that take the files of several."""

    annotated: Path | None  # video, picture or folder
    json: Path | None
    jsonl: Path | None
    contact: Path | None

    @property
    def paths(self) -> list[Path]:
        return [path for path in (getattr(self, field.name) for field in fields(self)) if path is not None]

    def check(self, inputs: Sequence[str]) -> None:
        """Raises InputError for no output, for one given twice, and for one that is an input itself."""
        self._check_any()
        sources = {Path(spec).resolve() for spec in inputs}
        places = [path.resolve() for path in self.paths]
        for place, path in zip(places, self.paths, strict=True):
            if place in sources:
                raise InputError(f"{path}: is the input itself; choose another output")
            if places.count(place) > 1:
                raise InputError(f"{path}: given for two outputs; choose another for one")

    def check_folders(self) -> None:
        """As `check`, for folders: raises InputError for none, and for a path that one file is meant by."""
        self._check_any()
        for path in self.paths:
            if path.suffix and not path.is_dir():
                raise InputError(f"{path}: one file cannot hold several inputs; give a folder, such as: {path.stem}")

    def _check_any(self) -> None:
        if not self.paths:
            raise InputError(
                "no output asked for: give one or more of -o, --json, --jsonl, --contact; see: stc-track --help"
            )

    def of_input(self, name: str, *, picture: bool) -> Outputs:
        """The files of the input `name` in these folders; `picture`: it is a single one."""

        def inside(folder: Path | None, file: str) -> Path | None:
            return None if folder is None else folder / file

        return Outputs(
            inside(self.annotated, f"{name}.png" if picture else f"{name}.mp4"),
            inside(self.json, f"{name}.json"),
            inside(self.jsonl, f"{name}.jsonl"),
            inside(self.contact, f"{name}-contact.png"),
        )

    def writers(self, source: Source) -> list[AbstractContextManager[Writer]]:
        """What takes annotated pictures, checked against the source but not begun.

        Raises InputError for what cannot be written of it.
        """
        from stc.runtime.video.sinks import open_contact, open_writer

        if self.json is not None and source.live:
            lines = self.json.with_suffix(".jsonl")
            raise InputError(f"{source.name}: a live source has no end to write --json at; use: --jsonl {lines}")
        writers = []
        if self.annotated is not None:
            writers.append(open_writer(self.annotated, source))
        if self.contact is not None:
            writers.append(open_contact(self.contact))
        return writers

    def enter(self, writers: Sequence[AbstractContextManager[Writer]], files: ExitStack) -> list[Sink]:
        """Begin the files; they are completed, or removed after an error, when `files` ends."""
        from stc.runtime.video.jsonl import jsonl_sink
        from stc.runtime.video.sinks import drawing
        from stc.runtime.video.ytvis import ytvis_sink

        sinks = []
        if writers:
            sinks.append(files.enter_context(drawing([files.enter_context(writer) for writer in writers])))
        if self.json is not None:
            sinks.append(files.enter_context(ytvis_sink(self.json)))
        if self.jsonl is not None:
            sinks.append(files.enter_context(jsonl_sink(self.jsonl)))
        return sinks


def file_names(inputs: Sequence[str]) -> list[str]:
    """A name for the files of each input, all different: `clip` for `a/clip.mp4`, `cam-live` for `rtsp://cam/live`."""
    from stc.runtime.video.sources import redact

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
