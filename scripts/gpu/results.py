"""What a step found: a line each, said as soon as it is known."""

# ruff: noqa: T201

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from scripts.gpu.driver import DriverError

Verdict = Literal["pass", "FAIL", "skip", "time"]
failed = False


def say(verdict: Verdict, what: str, found: str = "") -> None:
    global failed  # noqa: PLW0603  # of this process, which is one step
    failed |= verdict == "FAIL"
    print(f"{verdict}  {what:<62} {found}".rstrip(), flush=True)


def check(right: bool, what: str, found: str = "") -> None:
    say("pass" if right else "FAIL", what, found)


def run(step: Callable[[], int]) -> int:
    """A step's exit code; what the driver refuses, or a missing file, is a line and no traceback."""
    try:
        return step()
    except (DriverError, OSError) as error:
        say("FAIL", "stopped", str(error))
        return 3


def code() -> int:
    """Of a step: 3 where something failed, as everywhere in stc."""
    return 3 if failed else 0
