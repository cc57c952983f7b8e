"""Several inputs of `stc-track`: a thread, a stream and files for each, on one session.

All live ones run at once, since none of them waits. Recorded ones do: a few at a time, because each holds a decoder, an
encoder and their frames, and they share one model anyway.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeAlias

from stc.errors import InputError, StcError
from stc.progress import bars
from stc.runtime.processors import cores, processors
from stc.runtime.track.one import Summary, track
from stc.runtime.track.outputs import Outputs

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

    from stc.runtime.session import Session
    from stc.runtime.tracking.config import TrackerConfig
    from stc.runtime.video import Source, Stats

Open: TypeAlias = "Callable[[str], Source]"

RECORDED = 4  # at most so many recorded inputs at a time, and no more than processors; two to overlap decoding
GLANCE = 0.1  # seconds between two looks at the inputs


@dataclass
class Run:
    """One input. `source` is None until it is open; `error` is why it did not come to its end.

    live: as far as its address tells; a URL may turn out to be a recording when it is open.
    """

    spec: str = field(repr=False)  # with its password
    shown: str
    live: bool
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
        if self.source is None:
            return "opening" if self.live else "waiting"
        return self.source.state

    @property
    def loss(self) -> str:
        """What damage took from a recording; empty when nothing."""
        return "" if self.source is None else self.source.loss

    @property
    def stats(self) -> Stats:
        from stc.runtime.video import Stats

        return Stats() if self.source is None else self.source.stats


def track_many(runs: Sequence[Run], session: Session, config: TrackerConfig, open_source: Open) -> bool:
    """Run all to their end and print a table; False when one has failed or is damaged.

    Raises KeyboardInterrupt after Ctrl-C once the files hold the frames so far, and a bug once all others are done.
    """
    from stc.runtime.track.table import print_whole

    work = _Work(session, config, open_source)
    work.start(runs)
    interrupted = False
    try:
        _watch(runs)
    except KeyboardInterrupt:
        interrupted = True
        work.stop.set()
        for run in runs:
            if run.source is not None:
                run.source.close()
        for run in runs:
            if run.source is not None:  # one that is still being opened has no files
                run.done.wait()
    work.end()
    print_whole(_table(runs))
    for run in runs:
        if run.error is not None and not isinstance(run.error, (StcError, OSError)):
            raise run.error
    if interrupted:
        raise KeyboardInterrupt
    return all(run.error is None and not run.loss for run in runs)


@dataclass
class _Work:
    """What the threads of all inputs share."""

    session: Session
    config: TrackerConfig
    open_source: Open
    recorded: SimpleQueue[Run | None] = field(default_factory=SimpleQueue)  # that wait; None ends a worker
    workers: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def start(self, runs: Sequence[Run]) -> None:
        """Raises InputError where the machine gives no more threads."""
        try:
            for run in runs:
                if run.live:
                    _begin(self._run_live, run)
                else:
                    self.recorded.put(run)
            for _ in range(min(_at_a_time(), len(runs))):
                _begin(self._run_recorded)  # one thread for many inputs: the memory of one serves the next
                self.workers += 1
        except RuntimeError as error:
            raise InputError(f"{len(runs)} inputs: {error}; give fewer, or allow more threads: ulimit -u") from error

    def end(self) -> None:
        """Once no run is left."""
        for _ in range(self.workers):
            self.recorded.put(None)

    def _run_live(self, run: Run) -> None:
        with _reporting(run):
            if not self._track(run, recordings=False):
                run.live, run.source = False, None
                self.recorded.put(run)
                return
        run.done.set()

    def _run_recorded(self) -> None:
        while (run := self.recorded.get()) is not None:
            if not self.stop.is_set():
                with _reporting(run):
                    self._track(run)
                run.done.set()

    def _track(self, run: Run, *, recordings: bool = True) -> bool:
        """To its end; False, and nothing is done, where it is a recording and those are not wanted."""
        with self.open_source(run.spec) as source:
            if not (source.live or recordings):
                return False
            run.source, run.shown, run.summary = source, source.name, Summary()
            if not self.stop.is_set():
                writers = run.outputs.writers(source)
                run.error = track(source, self.session, self.config, run.outputs, writers, run.summary, alone=False)
        return True


def _begin(work: Callable[..., None], *arguments: Run) -> None:
    # A daemon, and not joined: a thread that hangs in a library must not keep the command.
    threading.Thread(target=work, args=arguments, name="stc input", daemon=True).start()


@contextmanager
def _reporting(run: Run) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        run.error = error  # told in the table, or raised when the others are done


def _at_a_time() -> int:
    return max(2, min(processors(), RECORDED))


def shared(threads: int | None, runs: Sequence[Run]) -> tuple[int, int]:
    """Workers of the engine, and threads of each: `threads` of the engine (None: one per core) shared among the inputs
    that run at a time. Of a picture's work on several threads a part is waiting for each other; videos never wait.
    """
    total = cores() if threads is None else threads
    live = sum(run.live for run in runs)
    workers = max(1, min(total, live + min(len(runs) - live, _at_a_time())))
    return workers, total // workers


def _watch(runs: Sequence[Run]) -> None:
    """Show a line per input until all are done."""
    with bars() as progress:
        tasks = [progress.add_task("", total=None) for _ in runs]
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
    shown = f"{escape(run.shown)}  {note}"
    progress.update(TaskID(task), description=shown, completed=run.summary.frames, total=total)


def _table(runs: Sequence[Run]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None)
    for title in ("input", "state", "frames", "FPS", "tracks", "dropped", "gaps"):
        table.add_column(title, justify="left" if title in ("input", "state") else "right", overflow="fold")
    table.add_column("written, or what went wrong", overflow="fold")
    for run in runs:
        summary, stats = run.summary, run.stats
        told = run.outputs.shown * bool(summary.frames) + [run.loss] * bool(run.loss)
        table.add_row(
            escape(run.shown), run.state, str(summary.frames), f"{summary.fps:.1f}", str(summary.tracks),
            str(stats.dropped), str(stats.gaps), escape(", ".join(told) if run.error is None else _told(run.error)),
        )  # fmt: skip
    return table


def _told(error: BaseException) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
    return str(error) or type(error).__name__
