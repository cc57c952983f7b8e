"""One result file for all videos of a data set, as challenge servers take it, from a run that may be interrupted.

Each finished video is a file of its own in a folder beside the result; a run with the same model, data and settings
goes on behind them. The result is written from them once all are there, and the folder then goes.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO

from stc.annotations.file import FIX
from stc.annotations.videos import Video, VideoAnnotations
from stc.benchmarks.evaluation.results import Prediction, prediction_of
from stc.boundary import foreign
from stc.errors import InputError, Problems
from stc.files import atomic_path, is_stdout, write_text

SUFFIXES = (".json", ".zip")
INSIDE = "results.json"  # of a zip: the name that CodaLab's programs open
RUN = "run.json"  # in the folder: what its videos were computed with


class Submission:
    """The result file at `path` and the folder of its finished videos."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        """settings: all that the results depend on, as JSON values; finished videos of others are computed again.

        Raises InputError for another suffix than `.json` and `.zip`, and for a folder that is not of a run.
        """
        check_name(path)
        self.path = path
        self.folder = path.with_name(f"{path.name}.videos")
        self._settings = json.dumps(settings, sort_keys=True, indent=1) + "\n"
        self._begin()

    def finished(self, video: Video, annotations: VideoAnnotations) -> list[Prediction] | None:
        """The tracks of a video that an earlier run finished; None: it must be run."""
        part = self._part(video)
        if not part.is_file():
            return None
        problems = Problems(str(part))
        with foreign("JSON", part, f"remove it: rm {part}"):
            entries = [json.loads(line) for line in part.read_text(encoding="utf-8").splitlines()]
        found = [prediction_of(e, video, annotations.categories, f"[{i}]", problems) for i, e in enumerate(entries)]
        problems.check(FIX)
        return found

    def add(self, video: Video, predictions: Sequence[Prediction]) -> None:
        """`video` is finished: its tracks, one a line."""
        write_text(self._part(video), "".join(f"{json.dumps(_entry(video, found))}\n" for found in predictions))

    def write(self, videos: Sequence[Video]) -> None:
        """The result of `videos`, all finished, in their order; then the folder goes. Equal runs give equal bytes."""
        with atomic_path(self.path) as temporary:
            if self.path.suffix.lower() == ".zip":
                # A fixed date, so that equal results are equal files.
                member = zipfile.ZipInfo(INSIDE, (1980, 1, 1, 0, 0, 0))
                member.compress_type = zipfile.ZIP_DEFLATED
                with zipfile.ZipFile(temporary, "w") as archive, archive.open(member, "w", force_zip64=True) as file:
                    self._join(videos, file)  # type: ignore[arg-type]
            else:
                with temporary.open("wb") as file:
                    self._join(videos, file)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _begin(self) -> None:
        run = self.folder / RUN
        if self.folder.exists():
            ours = self.folder.is_dir() and all(entry.name == RUN or _is_part(entry) for entry in self.folder.iterdir())
            if not ours:
                raise InputError(
                    f"{self.folder}: a run keeps its finished videos there, but something else is; move it away, or "
                    "name another result file"
                )
            if run.is_file() and run.read_text(encoding="utf-8", errors="replace") == self._settings:
                return
            shutil.rmtree(self.folder)  # another model or setting: nothing of it may be in this result
        self.folder.mkdir(parents=True)
        write_text(run, self._settings)

    def _part(self, video: Video) -> Path:
        return self.folder / f"{video.id}.jsonl"

    def _join(self, videos: Sequence[Video], file: BinaryIO) -> None:
        text = TextIOWrapper(file, encoding="utf-8", write_through=True)
        separator = "[\n"
        for line in self._lines(videos):
            text.write(separator + line)
            separator = ",\n"
        text.write("\n]\n" if separator == ",\n" else "[]\n")
        text.detach()

    def _lines(self, videos: Sequence[Video]) -> Iterator[str]:
        for video in videos:
            with self._part(video).open(encoding="utf-8") as part:
                for line in part:
                    yield line.rstrip("\n")


def check_name(path: Path) -> None:
    """Raises InputError for what is no result file's name."""
    if is_stdout(path) or path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: no name of a result file; give NAME.json, or NAME.zip as challenge servers take it")


def _entry(video: Video, found: Prediction) -> dict[str, Any]:
    return {
        "video_id": video.id,
        "category_id": found.category,
        "score": found.score,
        "segmentations": [None if mask is None else {**mask, "counts": _text(mask["counts"])} for mask in found.masks],
    }


def _text(counts: str | bytes) -> str:
    return counts.decode("ascii") if isinstance(counts, bytes) else counts


def _is_part(entry: Path) -> bool:
    return entry.suffix == ".jsonl" and entry.stem.lstrip("-").isdecimal()
