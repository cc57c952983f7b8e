"""Several inputs of `stc-track` at once: a thread, a stream and files for each, on one session."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from stc.errors import StcError
from stc.runtime.track_outputs import Outputs
from stc.runtime.track_run import Summary, track

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from stc.runtime.session import Session
    from stc.runtime.tracker import TrackerConfig
    from stc.runtime.video import Source, Stats

Open: TypeAlias = "Callable[[str], Source]"

GLANCE = 0.1  # seconds between two looks at the inputs
WIDTH = 4000  # characters of the table where no terminal limits it: one line per input


@dataclass
class Run:
    """One input. `source` is None until it is open; `error` is why it did not come to its end."""

    spec: str = field(repr=False)  # with its password
    shown: str
    outputs: Outputs
    summary: Summary = field(default_factory=Summary)
    source: Source | None = None
    error: BaseException | None = None
    # Threads are not joined: Ctrl-C during Thread.join makes a running thread count as ended (before Python 3.13).
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def state(self) -> str:
        if self.error is not None:
            return "failed"
        return "opening" if self.source is None else self.source.state

    @property
    def loss(self) -> str:
        """What damage took from a recording; empty when nothing."""
        return "" if self.source is None else self.source.loss

    @property
    def stats(self) -> Stats:
        from stc.runtime.video import Stats

        return Stats() if self.source is None else self.source.stats


def track_many(runs: Sequence[Run], session: Session, config: TrackerConfig, open_source: Open) -> bool:
    """Run all to their end, each in a thread, and print a table; False when one has failed or is damaged.

    Raises KeyboardInterrupt after Ctrl-C once the files hold the frames so far, and a bug once all others are done.
    """
    from rich.console import Console

    stop = threading.Event()
    threads = [
        threading.Thread(target=_run, args=(run, session, config, open_source, stop), name=run.shown, daemon=True)
        for run in runs
    ]
    for thread in threads:
        thread.start()
    interrupted = False
    try:
        _watch(runs, Console(stderr=True))
    except KeyboardInterrupt:
        interrupted = True
        stop.set()
        for run in runs:
            if run.source is not None:
                run.source.close()
        for run in runs:
            if run.source is not None:  # one that is still being opened has no files
                run.done.wait()
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    console.print(_table(runs))
    for run in runs:
        if run.error is not None and not isinstance(run.error, (StcError, OSError)):
            raise run.error
    if interrupted:
        raise KeyboardInterrupt
    return all(run.error is None and not run.loss for run in runs)


def _run(run: Run, session: Session, config: TrackerConfig, open_source: Open, stop: threading.Event) -> None:
    try:
        with open_source(run.spec) as source:
            run.source, run.shown, run.summary = source, source.name, Summary()
            if not stop.is_set():
                run.error = track(source, session, config, run.outputs, run.outputs.writers(source), run.summary)
    except BaseException as error:
        run.error = error  # told in the table, or raised when the others are done
    finally:
        run.done.set()


def _watch(runs: Sequence[Run], console: Console) -> None:
    """Show a line per input until all are done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks = [progress.add_task("", total=None, note="") for _ in runs]
        while busy := [run for run in runs if not run.done.is_set()]:
            for run, task in zip(runs, tasks, strict=True):
                _show(run, progress, task)
            busy[0].done.wait(GLANCE)


def _show(run: Run, progress: Progress, task: int) -> None:
    from rich.markup import escape
    from rich.progress import TaskID

    note = f"{run.state}  {run.summary.fps:.1f} FPS  {run.summary.tracks} tracks"
    if run.stats.dropped or run.stats.gaps:
        note += f"  {run.stats.dropped} dropped  {run.stats.gaps} gaps"
    total = None if run.source is None else run.source.length
    progress.update(
        TaskID(task), description=escape(run.shown), completed=run.summary.frames, total=total, note=note
    )  # fmt: skip


def _table(runs: Sequence[Run]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None)
    for title in ("input", "state", "frames", "FPS", "tracks", "dropped", "gaps"):
        table.add_column(title, justify="left" if title in ("input", "state") else "right", overflow="fold")
    table.add_column("written, or what went wrong", overflow="fold")
    for run in runs:
        summary, stats = run.summary, run.stats
        told = [str(path) for path in run.outputs.paths if summary.frames] + [run.loss] * bool(run.loss)
        table.add_row(
            escape(run.shown), run.state, str(summary.frames), f"{summary.fps:.1f}", str(summary.tracks),
            str(stats.dropped), str(stats.gaps), escape(", ".join(told) if run.error is None else _told(run.error)),
        )  # fmt: skip
    return table


def _told(error: BaseException) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
    return str(error) or type(error).__name__
