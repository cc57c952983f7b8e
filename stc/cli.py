"""The frame around every command: errors become one line on stderr and an exit code, never a traceback."""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import difflib
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn, TextIO

from stc import __version__, signals
from stc.boundary import OF_THE_DISK, reason
from stc.errors import InputError, MissingDependencyError, StcError

# Packages that only some commands need, and the extra of ours that brings them.
EXTRAS = {
    "torch": "export",
    "onnx": "export",
    "onnxscript": "export",
    "safetensors": "export",
    "yaml": "export",
    "matplotlib": "train",
    "cv2": "headless",
}
INTERRUPTED = 130
CODES = {0: "pass", 1: "wrong usage or input", INTERRUPTED: "interrupted"}  # of every command
PIPE_CLOSED = 141
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

logger = logging.getLogger(__name__)


class Parser(argparse.ArgumentParser):
    """Wrong usage ends with exit code 1 like all wrong input; argparse's 2 means an incompatible artefact here.

    Every command knows `--version`, and names the option that somebody meant. Its help ends with `examples` (command
    lines, a comment behind them where they need one) and its exit codes: those of all commands and the `codes` of this.
    """

    def __init__(
        self, *args: Any, examples: Sequence[str] = (), codes: Mapping[int, str] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._ending = ending(examples, codes or {}) if examples else ""
        self.add_argument(
            "--version", action="version", version=f"stc {__version__}", help="print the version and stop"
        )

    def options(self) -> list[argparse.Action]:
        """All that begin with a dash."""
        return [action for action in self._actions if action.option_strings]

    def long_options(self) -> dict[str, argparse.Action]:
        """The options by their long names without dashes, without those that print and stop."""
        named = {
            option: [name[2:] for name in option.option_strings if name.startswith("--")] for option in self.options()
        }
        return {names[0]: option for option, names in named.items() if names and names[0] not in ("help", "version")}

    def format_help(self) -> str:
        return super().format_help() + self._ending

    def error(self, message: str) -> NoReturn:
        if unknown := re.match(r"unrecognized arguments: (-[^\s=]+)", message):
            message += meant_by(unknown[1], self._option_string_actions)
        raise InputError(f"{message}; see: {self.prog} --help")

    def _print_message(self, message: str, file: Any = None) -> None:
        """As argparse has it, but for what it is silent about: a stdout that takes nothing."""
        if message and (to := file or sys.stderr) is not None:
            to.write(message)


def ending(examples: Sequence[str], codes: Mapping[int, str]) -> str:
    """How the help of a command ends."""
    all_codes = sorted((CODES | dict(codes)).items())
    lines = ["", "examples:", *(f"  {line}" for line in examples), ""]
    return "\n".join([*lines, "exit codes:", *(f"  {code:3}  {meaning}" for code, meaning in all_codes), ""])


def meant_by(word: str, known: Iterable[str]) -> str:
    """ " (did you mean …?)" where one of the `known` words is near to `word`, else nothing."""
    near = difflib.get_close_matches(word, list(known), 1)
    return f" (did you mean {near[0]}?)" if near else ""


def not_installed(error: ModuleNotFoundError) -> str | None:
    """Which package is missing, and the extra that brings it; None for any other module, whose absence is a bug."""
    extra = EXTRAS.get((error.name or "").partition(".")[0])
    return None if extra is None else f"{error.name} is not installed; fix: pip install 'stc-trt[{extra}]'"


def run(main: Callable[[Sequence[str]], int], argv: Sequence[str] | None = None) -> int:
    """Run `main(argv)` and return its exit code.

    `StcError` prints its message and returns its exit code, and so does what the system refuses (OSError: 1); a missing
    optional package names the extra that brings it; Ctrl-C, SIGTERM and SIGHUP interrupt and return 130; a closed
    output pipe returns 141. Anything else is a bug and keeps its traceback.
    """
    with signals.handled():
        try:
            _begin_log()
            code = _call(main, sys.argv[1:] if argv is None else argv)
        except StcError as error:
            broken = _broken_by_signal(error)
            code = INTERRUPTED if broken else error.exit_code
            _complain("interrupted" if broken else f"error: {error}")
        except ModuleNotFoundError as error:
            missing = not_installed(error)
            if missing is None:
                raise
            code = 1
            _complain(f"error: {missing}")
        except KeyboardInterrupt:
            code = INTERRUPTED
            _complain("interrupted")
        except ImportError:
            if not signals.asked():
                raise
            code = INTERRUPTED  # NumPy turns a signal while it is imported into this
            _complain("interrupted")
        except BrokenPipeError:  # the reader left (`| head`)
            code = PIPE_CLOSED
        except OSError as error:
            code = 1
            logger.debug("refused by the system", exc_info=True)
            _complain(f"error: {_refused(error)}")
        _quieten()
        return code


def _broken_by_signal(error: StcError) -> bool:
    """Whether it tells of a library that a signal broke off, mostly while it was imported: of one that seems not to be
    there, or of what Python and C make of the interruption (a RuntimeError of a class that was being made).
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__
    return signals.asked() and (cause is not None or isinstance(error, MissingDependencyError))


def command(main: Callable[[Sequence[str]], int]) -> Callable[[], NoReturn]:
    """The function behind a console command: it runs `main` on the command line and exits with its code."""

    def entry() -> NoReturn:
        sys.exit(run(main))

    return entry


def _call(main: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    """Flush stdout as part of the work: now a full disk behind it can still be told of."""
    try:
        code = main(argv)
    except SystemExit:  # after --help
        _flush()
        raise
    _flush()
    return code


def _begin_log() -> None:
    level = os.environ.get("STC_LOG", "").upper() or "WARNING"
    if level not in LEVELS:
        raise InputError(f"STC_LOG={os.environ['STC_LOG']}: no level; give one of {', '.join(LEVELS)}")
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    # Pillow's warning of large pictures, which has a limit of its own; ours refuses them in one line.
    warnings.filterwarnings("ignore", "Image size", module="PIL")


def _refused(error: OSError) -> str:
    """Which file, why, and what to look at."""
    # What is written to files names them (stc/files.py): without a name it is a print that fills the disk.
    named = error.filename or ("stdout" if error.errno in OF_THE_DISK else None)
    where = "" if named is None else f"{named}: "
    return f"{where}{reason(error)}; check paths and free space with: df -h"


def _flush() -> None:
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise InputError(f"stdout: {reason(error)}; check free space with: df -h") from error


def _complain(line: str) -> None:
    with suppress(OSError):  # stderr may be on the full disk too
        print(line, file=sys.stderr)


def _quieten() -> None:
    """What stdout and stderr still hold and do not get rid of goes nowhere; the interpreter's last flush would fail."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        if not _flushed(stream):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _flushed(stream: TextIO) -> bool:
    try:
        stream.flush()
    except (OSError, ValueError):  # ValueError: closed by the program that runs us
        return False
    return True
