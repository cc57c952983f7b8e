"""What is done so far: one line of JSON a finished run, and the plan that all of them share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stc.errors import InputError
from stc.files import write_json, write_text

PLAN, RESULTS = "plan.json", "results.jsonl"
REFERENCE = -1  # as the seed of what is trained by nobody


@dataclass(frozen=True)
class Result:
    """scores: shares 0..1 by what they are of; counts: of how many objects each was taken."""

    stage: str
    variant: str
    seed: int
    scores: dict[str, float]
    counts: dict[str, float]


def check_plan(folder: Path, plan: dict[str, Any]) -> None:
    """Runs on other weights, data or lengths are not compared: raises InputError for a folder that has such."""
    path = folder / PLAN
    if not path.is_file():
        write_json(path, plan)
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: damaged ({error}); choose another --output") from error
    found = found if isinstance(found, dict) else {}
    if other := [name for name, value in plan.items() if found.get(name) != value]:
        raise InputError(f"{folder} holds a trial with another {', '.join(other)}; choose another --output")


def read_results(folder: Path) -> list[Result]:
    """Raises InputError for a file that is not one of results."""
    path = folder / RESULTS
    if not path.is_file():
        return []
    try:
        return [Result(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: damaged ({error}); move it away, the runs begin anew") from error


def write_results(folder: Path, results: Sequence[Result]) -> None:
    """All of them, whole or not at all: a kill leaves what was there before."""
    write_text(folder / RESULTS, "".join(json.dumps(asdict(result)) + "\n" for result in results))
