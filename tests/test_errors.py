"""docs/errors.md: every row happens, with the message, the fix and the exit code that it promises."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from stc.cli import run
from tests.errors import (  # noqa: F401 - they enter their cases
    annotations,
    benchmarks,
    checkpoints,
    engines,
    fleets,
    models,
    outputs,
    sources,
    streams,
)
from tests.errors.cases import CASES, Place
from tests.runtime.backends.engine_bundle import Gpus

DOCUMENT = Path(__file__).parents[1] / "docs" / "errors.md"


@dataclass(frozen=True)
class Row:
    """`message` and `fixes` are regular expressions; `fixes` only those in code quotes, or the whole text without."""

    id: str
    message: str
    fixes: tuple[str, ...]
    exit_code: int


def rows() -> list[Row]:
    found = []
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 5 and cells[0] not in {"id", "---"}:
            identity, _, message, fix, code = cells
            quoted = re.findall(r"`([^`]+)`", fix)
            fixes = tuple(_pattern(text) for text in quoted)
            found.append(Row(identity.strip(), _pattern(message), fixes, int(code)))
    return found


def _pattern(text: str) -> str:
    return re.escape(text).replace(re.escape("…"), ".*?")


def test_every_row_has_a_case_and_every_case_a_row() -> None:
    ids = [row.id for row in rows()]
    assert len(ids) == len(set(ids)) > 30
    assert set(ids) == set(CASES)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.id)
def test_the_row_is_true(
    row: Row,
    gpus: Gpus,
    engine: Path,
    library: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = Place(engine, gpus, library, monkeypatch)
    code = run(lambda _: CASES[row.id](place) or 0, [])
    monkeypatch.undo()
    shown = capsys.readouterr().err
    assert code == row.exit_code, shown
    assert shown.startswith("error: ") and "Traceback" not in shown
    assert shown.count("\n") == 1 or row.id.startswith(("ckpt-", "key-map-"))  # these list all that is wrong
    for pattern in (row.message, *row.fixes):
        assert re.search(pattern, shown), f"{pattern}\nnot in\n{shown}"
