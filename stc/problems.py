"""All problems of a file at once, so that a user mends it in one go."""

from __future__ import annotations

from stc.errors import InputError

SHOWN = 100


class Problems:
    """What is wrong with the file (or whatever) called `name`; `check` raises InputError with all of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.found: list[str] = []

    def add(self, where: str, what: object) -> None:
        self.found.append(f"{where}: {what}")

    def check(self, fix: str) -> None:
        """Raise InputError unless nothing was added; `fix` says what to do. Beyond 100 problems the rest is counted."""
        if not self.found:
            return
        count = len(self.found)
        lines = [*self.found[:SHOWN], *([f"and {count - SHOWN} more"] if count > SHOWN else [])]
        body = "".join(f"\n  {line}" for line in lines)
        raise InputError(f"{self.name}: {count} {'problem' if count == 1 else 'problems'}; {fix}{body}")
