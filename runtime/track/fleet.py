"""Many videos, one job each: what a job must be made from, whether it is done already, and how it is done.

Nothing here knows who runs the jobs (`ray_fleet` does). A finished video has a record beside its files, written last
and at once. A job whose record fits is not run again; one without is run from the start, whoever was killed in it.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from stc import __version__
from stc.errors import FatalError, InputError, OutputError, StcError
from stc.files import sha256, write_text
from stc.runtime.bundle import files as model_files
from stc.runtime.bundle import passport
from stc.runtime.bundle.files import PLAN_SUFFIXES
from stc.runtime.machine import device as devices
from stc.runtime.machine.engine_names import EngineName
from stc.runtime.track.one import Summary, track
from stc.runtime.track.outputs import Outputs, file_names
from stc.runtime.tracking.config import RuleName

if TYPE_CHECKING:
    from stc.runtime.session import Session


@dataclass(frozen=True)
class Settings:
    """What all videos are run with; threads change no result.

    device: "cpu" or "cuda", the GPU that Ray gives a task; None: "cuda" for a plan, else "cpu". engine: None: each
    worker chooses for its machine, as `Session` does. model_sha256: of a bundle's passport, which holds the hashes of
    its files, or of a file that stands alone.
    """

    model: str
    model_sha256: str
    threads: int = 1
    score: float | None = None
    classes: tuple[str, ...] | None = None
    every: int = 1
    tracker: RuleName | None = None
    trust: bool = False
    device: str | None = None
    engine: EngineName | None = None
    hwaccel: str | None = None

    def __post_init__(self) -> None:
        """Raises InputError for a device that is none, or that Ray does not give."""
        device = devices.parse(self.device or "cpu")
        if device.kind == "cuda" and device.index:
            raise InputError(f"--device {self.device}: Ray gives every task a GPU of its own; give: --device cuda")

    @property
    def gpus(self) -> int:
        """1 where a GPU runs the model."""
        if self.device is None:
            return int(Path(self.model).suffix in PLAN_SUFFIXES)
        return int(devices.parse(self.device).kind == "cuda")


@dataclass(frozen=True)
class Job:
    """One video (or folder of pictures), its files, and how it is run. All paths are absolute."""

    video: str
    outputs: Outputs
    settings: Settings

    @property
    def record(self) -> Path:
        """Beside the first file, and named after it."""
        first = self.outputs.paths[0]
        return first.with_name(f"{first.stem}.done.json")


@dataclass(frozen=True)
class Record:
    """A finished video: what it was made from, what it gave, the SHA-256 of its files, what damage took, and what ran
    the model.
    """

    fingerprint: str
    frames: int
    tracks: int
    seconds: float
    worker: str
    files: dict[str, str]
    loss: str = ""
    engine: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a job: "done", "resumed" (it was done before) or "failed" with a reason."""

    state: str
    record: Record | None = None
    reason: str = ""


def jobs(videos: Sequence[str], folders: Outputs, settings: Settings) -> list[Job]:
    """A job per video, with files of different names in `folders`.

    Raises InputError for a camera or a URL, which cannot be read again, for a video that is missing, and as
    `Outputs.check` does.
    """
    for video in videos:
        if "://" in video or video.isdecimal() or video.startswith("/dev/"):
            raise InputError(f"{video.split('://')[0]}: --ray takes files and folders of pictures; leave out --ray")
        if not Path(video).exists():
            raise InputError(f"{video}: no such file or folder; check it with: ls {Path(video).parent}")
    whole = replace(
        folders,
        **{
            name: path.resolve()
            for name in ("annotated", "json", "jsonl", "contact")
            if (path := getattr(folders, name))
        },
    )
    read = [*videos, *model_files.read_with(settings.model)]
    found = []
    for number, (video, name) in enumerate(zip(videos, file_names(videos), strict=True), 1):
        job = Job(str(Path(video).resolve()), whole.of_input(name, number, picture=False), settings)
        # A record says that the files were ours; whether they still are, only the worker has the time to find out.
        (replace(job.outputs, overwrite=True) if job.record.exists() else job.outputs).check(read)
        found.append(job)
    return found


def model_sha256(model: Path) -> str:
    """Of the file that says which model it is.

    Raises InputError and IncompatibleError as `Session` does; not for an engine, which only its worker can judge.
    """
    if model.suffix not in PLAN_SUFFIXES or not model.is_file():
        model_files.find(model, "cpu")
    return sha256(model / passport.FILE_NAME if model.is_dir() else model)


def fingerprint(job: Job) -> str:
    """Of all that decides the result: the video's content, the model, the settings, the files asked for, and stc."""
    settings = asdict(replace(job.settings, model="", threads=1))
    path = Path(job.video)
    files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
    content = [(file.name, sha256(file)) for file in files]
    asked = [None if path is None else path.name for path in job.outputs.places]
    if job.outputs.json is not None:
        asked.append(str(job.outputs.video_id))
    zones = [asdict(zone) for zone in job.outputs.zones]
    values = {"stc": __version__, "content": content, "settings": settings, "asked": asked, "zones": zones}
    if job.outputs.style is not None and (job.outputs.annotated or job.outputs.contact):
        values["style"] = asdict(job.outputs.style)
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def finished(job: Job, expected: str) -> Record | None:
    """The record of a job that was done before, from the same, and whose files are as they were left."""
    try:
        record = Record(**json.loads(job.record.read_text(encoding="utf-8")))
        same = record.fingerprint == expected and record.files == _hashes(job.outputs)
    except (OSError, ValueError, TypeError):
        return None
    return record if same else None


def run(job: Job) -> Outcome:
    """Do one job, unless it is done. An unreadable video is an outcome.

    OSError is raised, for another try, and FatalError: this process can do no other video either.
    """
    try:
        return _run(job)
    except OutputError as error:  # the disk of this machine; another may have space
        raise OSError(str(error)) from error


def _run(job: Job) -> Outcome:
    try:
        expected = fingerprint(job)
        if (record := finished(job, expected)) is not None:
            return Outcome("resumed", record)
        # A record of anything else must not outlive the first file that is written now.
        job.record.unlink(missing_ok=True)
        summary, loss, engine = compute(job)
    except (FatalError, OutputError):
        raise
    except StcError as error:
        return Outcome("failed", reason=str(error))
    worker = f"{socket.gethostname()}:{os.getpid()}"
    seconds, hashes = round(summary.seconds, 3), _hashes(job.outputs)
    record = Record(expected, summary.frames, summary.tracks, seconds, worker, hashes, loss, engine)
    write_text(job.record, json.dumps(asdict(record), indent=1) + "\n")
    return Outcome("done", record)


def compute(job: Job) -> tuple[Summary, str, str]:
    """And what damage took from the video, and what ran the model."""
    from stc.runtime.video import open_source

    session, summary = _session(job.settings), Summary()
    config = session.tracker_config
    if job.settings.tracker is not None:
        config = replace(config, rule=job.settings.tracker)
    with open_source(job.video, job.settings.every, hwaccel=job.settings.hwaccel) as source:
        error = track(source, session, config, job.outputs, job.outputs.writers(source), summary)
        loss = source.loss
    if error is not None:
        raise error
    return summary, loss, session.engine


@cache
def _session(settings: Settings) -> Session:
    """One per process: a worker loads the model once for all its videos."""
    from stc.runtime.session import Session

    return Session(
        settings.model,
        threads=settings.threads,
        score_threshold=settings.score,
        classes=settings.classes,
        trust=settings.trust,
        device=settings.device,
        engine=settings.engine,
    )


def _hashes(outputs: Outputs) -> dict[str, str]:
    return {str(path): sha256(path) for path in outputs.paths}
