"""All problems of a file at once, so that a user mends it in one go."""

from __future__ import annotations

from stc.errors import InputError

SHOWN = 100


class Problems:
    """What is wrong with the file (or whatever) called `name`; `check` raises InputError with all of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.found: list[str] = []
        self._prefix = ""

    def add(self, where: object, what: object) -> None:
        self.found.append(f"{self._prefix}{where}: {what}")

    def of(self, part: object) -> Problems:
        """The same collection, for a part of the whole: what is added through it says so."""
        same = Problems(self.name)
        same.found, same._prefix = self.found, f"{self._prefix}{part}: "
        return same

    def check(self, fix: str) -> None:
        """Raise InputError unless nothing was added; `fix` says what to do. Beyond 100 problems the rest is counted."""
        if not self.found:
            return
        if len(self.found) == 1:
            raise InputError(f"{self.name}: {self.found[0]}; {fix}")
        count = len(self.found)
        lines = [*self.found[:SHOWN], *([f"and {count - SHOWN} more"] if count > SHOWN else [])]
        body = "".join(f"\n  {line}" for line in lines)
        raise InputError(f"{self.name}: {count} problems; {fix}{body}")
