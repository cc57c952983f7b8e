"""What the user sees of a fleet: how many videos are finished while it runs, and a line for each at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stc.progress import bars
from stc.runtime.track.fleet import Job, Outcome

WIDTH = 4000  # characters of a table where no terminal limits it: one line per video


def print_whole(table: Table) -> None:
    """To stdout, each row on one line where that is no terminal."""
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    console.print(table)


class Report:
    """A context manager: a bar on a terminal while it is open; at its end, also after Ctrl-C, the table."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = jobs
        self._outcomes: dict[Job, Outcome] = {}
        self._progress = bars()
        self._task = self._progress.add_task("videos", total=len(jobs))

    @property
    def failed(self) -> bool:
        """Whether a video failed, or has lost frames to damage."""
        return any(o.state == "failed" or (o.record is not None and o.record.loss) for o in self._outcomes.values())

    def add(self, job: Job, outcome: Outcome) -> None:
        self._outcomes[job] = outcome
        self._progress.advance(self._task)

    def __enter__(self) -> Report:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._progress.stop()
        if self._outcomes:
            print_whole(self._table())

    def _table(self) -> Table:
        table = Table(box=None)
        for title in ("video", "state", "frames", "FPS", "tracks"):
            table.add_column(title, justify="left" if title in {"video", "state"} else "right", overflow="fold")
        table.add_column("written, or what went wrong", overflow="fold")
        for job in self._jobs:
            outcome = self._outcomes.get(job, Outcome("cancelled"))
            record = outcome.record
            numbers = ("", "", "")
            if record is not None:
                fps = record.frames / record.seconds if record.seconds else 0.0
                numbers = (str(record.frames), f"{fps:.1f}", str(record.tracks))
            paths = [str(path) for path in job.outputs.paths]
            told = outcome.reason if record is None else ", ".join([*paths, *([record.loss] * bool(record.loss))])
            table.add_row(escape(Path(job.video).name), outcome.state, *numbers, escape(told))
        return table
