"""The sessions of this process: elements of one model share one, and the last of them closes it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from stc.runtime.gstreamer.settings import Loading
from stc.runtime.session import Session


@dataclass
class _Open:
    session: Session
    users: int = 0


class Sessions:
    """Any thread may borrow; while a model is loaded, others wait."""

    def __init__(self, load: Callable[[Loading], Session]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._open: dict[Loading, _Open] = {}

    @contextmanager
    def borrowed(self, loading: Loading) -> Iterator[Session]:
        """The session of `loading`, loaded for its first user. Raises what `Session` raises."""
        with self._lock:
            if loading not in self._open:
                self._open[loading] = _Open(self._load(loading))
            entry = self._open[loading]
            entry.users += 1
        try:
            yield entry.session
        finally:
            with self._lock:
                entry.users -= 1
                if entry.users == 0:
                    del self._open[loading]
                    entry.session.close()


SESSIONS = Sessions(lambda loading: Session(**asdict(loading)))
