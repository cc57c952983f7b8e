"""TensorRT's messages, kept for the error that they explain."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any

logger = logging.getLogger(__name__)
_SHOWN = 6
_LENGTH = 400


@lru_cache(maxsize=2)
def collector(module: Any) -> Any:
    """The one `ILogger` of a TensorRT module: TensorRT keeps the first logger of a process and ignores later ones.

    It has `clear()`, and `errors()`: the error messages since then.
    """

    class Collector(module.ILogger):  # type: ignore[misc]  # the base is known at run time only
        def __init__(self) -> None:
            super().__init__()
            self._errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            """Called by TensorRT, from any of its threads."""
            if severity <= module.ILogger.Severity.ERROR:
                self._errors.append(message)
            logger.debug("%s: %s", severity, message)

        def clear(self) -> None:
            self._errors.clear()

        def errors(self) -> str:
            """The first messages on one line, without repetition."""
            distinct = list(dict.fromkeys(" ".join(message.split())[:_LENGTH] for message in self._errors))
            hidden = len(distinct) - _SHOWN
            return "; ".join([*distinct[:_SHOWN], *([f"and {hidden} messages more"] if hidden > 0 else [])])

    return Collector()
