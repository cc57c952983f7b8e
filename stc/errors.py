"""Typed errors shared by every package; each carries the exit code its command ends with.

A message says what was wrong, what was found, and the one command that fixes it.
"""

from __future__ import annotations


class StcError(Exception):
    """Base of all errors that a user can act on. `exit_code` is what a command line tool returns."""

    exit_code = 1


class InputError(StcError):
    """A file, stream or argument that the user gave cannot be used (exit code 1)."""


class OutputError(InputError):
    """The system does not take an output: no space, no permission, no such place (exit code 1)."""


class ProcessBoundError(InputError, TypeError):
    """An object that belongs to its process was to be pickled or copied (exit code 1)."""


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
