"""Typed errors shared by every package; each carries the exit code its command ends with.

A message says what was wrong, what was found, and the one command that fixes it. `Problems` collects all that is wrong
with a file, so that a user mends it in one go; `Missing` is a reason that is no error.
"""

from __future__ import annotations

from dataclasses import dataclass

SHOWN = 100


class StcError(Exception):
    """Base of all errors that a user can act on. `exit_code` is what a command line tool returns."""

    exit_code = 1


class InputError(StcError):
    """A file, stream or argument that the user gave cannot be used (exit code 1)."""


class OutputError(InputError):
    """The system does not take an output: no space, no permission, no such place (exit code 1)."""


class ProcessBoundError(InputError, TypeError):
    """An object that belongs to its process was to be pickled or copied (exit code 1)."""


class SkippedError(StcError):
    """A frame was not tracked, because one that was submitted before it failed (exit code 1)."""


class CheckpointError(InputError):
    """A checkpoint is unreadable, unsafe, or not one of the known layouts (exit code 1)."""


class MissingDependencyError(StcError):
    """An optional package is needed for this call and is not installed (exit code 1)."""


class IncompatibleError(StcError):
    """An artefact does not belong to this machine or was altered after it was made (exit code 2)."""

    exit_code = 2


class DeviceError(StcError):
    """The GPU could not do what was asked: too little memory, or a call that CUDA or TensorRT refused (exit code 2)."""

    exit_code = 2


class FatalError(DeviceError):
    """CUDA is broken for the rest of this process; nothing but a restart of the process helps (exit code 2)."""


class AccuracyError(StcError):
    """Outputs differ from the PyTorch reference by more than the budget (exit code 3)."""

    exit_code = 3


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


@dataclass(frozen=True)
class Missing:
    """Why something is not there, and the command that brings it."""

    reason: str
