"""Ratios that later runs are compared with, of every machine apart: one processor says nothing of another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stc.errors import InputError
from stc.files import write_json

SLOWER = 0.85  # a ratio below this fraction of the recorded one is a regression
Ratios = dict[str, list[float]]  # by path: value, low and high end of its interval
Records = dict[str, dict[str, dict[str, Any]]]  # by model and machine: environment, frames, ratios


def machine(environment: dict[str, str]) -> str:
    """What a ratio belongs to: processor, instruction sets and number of threads. environment: of
    `stc.benchmarks.timing.environment.describe`."""
    threads = environment["cores"] if environment["threads"] == "one per core" else environment["threads"]
    return f"{environment['processor']}; {environment['instructions']}; threads: {threads}"


def read(path: Path) -> Records:
    """Nothing where there is no such file. Raises InputError for what is no file of records."""
    try:
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); delete it and record anew with: --update") from error
    if not _holds_records(known):
        raise InputError(f"{path}: holds no ratios by model and machine; delete it and record anew with: --update")
    records: Records = known
    return records


def recorded(known: Records, name: str, here: str, path: Path) -> Ratios | None:
    """Of this model on this machine, None where only others were measured. Raises InputError for an unknown model."""
    if name not in known:
        raise InputError(f"{path}: knows nothing of {name}; record it with: --update")
    return known[name][here]["ratios"] if here in known[name] else None


def write(path: Path, known: Records, name: str, here: str, record: dict[str, Any]) -> None:
    """Beside what is known of other models and machines."""
    write_json(path, known | {name: known.get(name, {}) | {here: record}})


def slower(now: Ratios, before: Ratios) -> list[str]:
    """Paths beside which the native op lost ground: even the upper end of the ratio's interval is below 0.85 of what
    was recorded. Absolute times are not compared: machines differ. Paths that only one of both has are left out."""
    return [
        f"{label}: {now[label][0]:.2f}x [{now[label][1]:.2f}, {now[label][2]:.2f}], recorded {before[label][0]:.2f}x"
        for label in now.keys() & before.keys()
        if now[label][2] < SLOWER * before[label][0]
    ]


def _holds_records(known: object) -> bool:
    if not isinstance(known, dict) or not all(isinstance(machines, dict) for machines in known.values()):
        return False
    records = [record for machines in known.values() for record in machines.values()]
    return all(isinstance(one, dict) and isinstance(one.get("ratios"), dict) for one in records) and all(
        isinstance(values, list) and len(values) == 3 and all(isinstance(value, int | float) for value in values)
        for one in records
        for values in one["ratios"].values()
    )
