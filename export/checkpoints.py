"""What stc-export does with a checkpoint alone: show it (`--inspect`), or write it as our own file (`--to-
safetensors`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stc.errors import InputError
from stc.model import checkpoint
from stc.model.checkpoint import Checkpoint
from stc.model.checkpoint.inspection import Inspection, Told
from stc.model.checkpoint.options import Reading

WIDTH = 60  # letters of a value


def show(found: Inspection, console: Console) -> None:
    facts = Table(box=None, show_header=False)
    for _ in range(2):
        facts.add_column(overflow="fold")
    for name, value in _facts(found):
        facts.add_row(name, escape(value))
    console.print(facts)
    if found.inferred:
        console.print(_table("read off the weights", "entries that tell", found.inferred))
        console.print(_table("not in the weights", "option that says it", found.not_told))
    for name, text in found.read.items():
        console.print(f"read {name}: {text}", markup=False, highlight=False)
    for topic, text in found.assumed.items():
        console.print(f"assumed {topic}: {text}", markup=False, highlight=False)
    if found.problem:
        console.print(f"does not load: {found.problem}", markup=False, highlight=False, soft_wrap=True)
    else:
        console.print("complete: it loads")


def _facts(found: Inspection) -> Iterator[tuple[str, str]]:
    under = f" under {found.entry!r}" if found.entry else ""
    yield "file", f"{found.file}, {found.size / 1e6:,.1f} MB"
    yield "sha256", found.sha256
    types = ", ".join(f"{count} of {dtype}" for dtype, count in found.dtypes.items())
    yield "entries", f"{found.entries}{under}, {found.numbers:,} numbers ({types})"
    if found.layout is None:
        yield "layout", "none that is known"
        return
    yield "layout", f"{found.layout}: {found.known} entries have its names, {found.ignored} are not needed"
    parts = ", ".join(f"{part} {count:,}" for part, count in found.parameters.items())
    yield "network", f"{sum(found.parameters.values()):,} parameters: {parts}"
    if found.config_from == "metadata":
        yield "config", "the file's own"
        for name, value in found.config.items():
            yield f"  {name}", _short(value)


def _table(title: str, source: str, rows: tuple[Told, ...]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for name in ("field", "value", source):
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(row.field, escape(_short(row.value)), escape(row.flag or _named(row.entries)))
    return table


def _named(entries: tuple[str, ...]) -> str:
    if len(entries) <= 2:
        return "\n".join(entries) or "-"
    return f"{entries[0]}\n... {entries[-1]} ({len(entries)})"


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = ", ".join(map(_short, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 3]}..."


def to_safetensors(ckpt: str | Path, target: str | Path, reading: Reading) -> Checkpoint:
    """Write `ckpt` to `target`; what `stc.model.checkpoint.load` makes of either is equal bit by bit.

    What was assumed about `ckpt` stays written in `target`. Raises CheckpointError or InputError for an unusable
    file or option, and for a `target` that is `ckpt` itself or cannot be written.
    """
    ckpt, target = Path(ckpt), Path(target)
    if target.exists() and ckpt.exists() and target.samefile(ckpt):
        raise InputError(f"--to-safetensors {target}: the checkpoint itself; give another name")
    source = checkpoint.load(ckpt, reading)
    checkpoint.save(source.model, target, assumed=source.assumed)
    return source
