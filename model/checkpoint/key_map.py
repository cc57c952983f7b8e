"""The user's own renaming of entries: lines of a regular expression and the name that we give to what it matches.

    # a tracking head under names of its own
    head\\.embed_convs\\.(\\d)\\.conv\\.(weight|bias)   head.track_tower.convs.\\1.\\2
    head\\.embed_out\\.(?P<part>\\w+)                  head.track_pred.\\g<part>
    head\\.classifier\\..*                            -

An expression must match a whole name; the first line that matches decides; "-" leaves an entry out. A line may also
give the name that a known layout has for the entry: `teacher_(.*) \\1`. The map comes before the layout's own table.
Counters of batch norm (`num_batches_tracked`) are left out before it.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path

import torch

from stc.errors import InputError, Problems
from stc.model.checkpoint.infer import SIZES_OF_INTEREST
from stc.model.checkpoint.layouts.known import LAYOUTS, Layout
from stc.model.checkpoint.save import weights
from stc.model.config import PRESETS
from stc.model.network import STC
from stc.texts import read_text

WORDS = re.compile(r"track|re_?id|embed|_emb|emb_|assoc|ident|contrast|appear|metric", re.IGNORECASE)
STATISTICS = ("running_mean", "running_var")

Shape = Sequence[int]

LEAVE_OUT = "-"
MAX_BYTES = 1 << 20
# Python's expressions can take time exponential in these, and polynomial in the length of what they read.
MAX_KEY = 120  # letters; longer names are matched by no line
MAX_REPEATS = 4
MAX_OPTIONS = 4
FIX = "mend these lines (docs/checkpoints.md)"


def suggested_map(unexpected: Iterable[str], shapes: Mapping[str, Shape]) -> list[str]:
    """Lines of a key map for the entries of `unexpected` that look like a tracking head; [] when none do.

    shapes: of all entries of the file, by its names. A head is a chain of convolutions with names that speak of it; the
    last one predicts, the others are the tower, each followed by its norm. What has no place in our head stands in a
    comment.
    """
    modules: dict[str, dict[str, Shape]] = {}
    for name in unexpected:
        module, _, part = name.rpartition(".")
        if WORDS.search(module) and part != "num_batches_tracked":
            modules.setdefault(module, {})[part] = shapes[name]
    convs = [module for module, parts in modules.items() if len(parts.get("weight", ())) == 4]
    if not convs:
        return []
    lines = []
    seen = 0  # convolutions so far
    for module, parts in modules.items():
        if module in convs:
            seen += 1
            ours = "head.track_pred" if module == convs[-1] else f"head.track_tower.convs.{seen - 1}"
        elif len(parts.get("weight", ())) == 1 and seen:
            ours = "head.track_norm" if seen == len(convs) else f"head.track_tower.norms.{seen - 1}"
            if any(part in parts for part in STATISTICS) != (ours == "head.track_norm"):
                lines.append(f"# {module}: another kind of norm than ours there (batch norm after the last layer only)")
                continue
        else:
            lines.append(f"{re.escape(module)}\\..*  -  # no convolution, no norm: a classifier of the training?")
            continue
        lines.append(f"{re.escape(module)}\\.({'|'.join(parts)})  {ours}.\\1")
    return lines


@dataclass(frozen=True)
class Line:
    number: int
    expression: re.Pattern[str]
    template: str


@dataclass(frozen=True)
class KeyMap:
    path: Path
    lines: tuple[Line, ...]

    def names(self, theirs: Iterable[str]) -> dict[str, str | None]:
        """Of the names that a line matches: our name, or None for what is left out.

        Raises InputError, with all of them and the numbers of their lines, for lines that match nothing or whose result
        is no weight of ours, and for two entries that get one name.
        """
        problems = Problems(f"--key-map {self.path}")
        found: dict[str, str | None] = {}
        line_of: dict[str, Line] = {}
        for name in theirs:
            line = None if name.endswith("num_batches_tracked") else self._first(name)
            if line is not None:
                line_of[name] = line
                found[name] = _expanded(line, name, problems)
        used = {line.number for line in line_of.values()}
        for line in self.lines:
            if line.number not in used:
                problems.add(
                    f"line {line.number}",
                    f"{line.expression.pattern} matches no entry of the checkpoint that no line above it matches",
                )
        taken = Counter(ours for ours in found.values() if ours is not None)
        for ours in (ours for ours, count in taken.items() if count > 1):
            pairs = [f"{name} (line {line_of[name].number})" for name, target in found.items() if target == ours]
            problems.add(ours, f"the name of {len(pairs)} entries: {', '.join(pairs[:5])}")
        problems.check(FIX)
        return found

    def of_layouts(self, theirs: Iterable[str]) -> list[str]:
        """The names that lines give as a known layout has them, and not as we do: they tell which layout it is."""
        found = [(line, name) for name in theirs if (line := self._first(name)) and line.template != LEAVE_OUT]
        written = [match.expand(line.template) for line, name in found if (match := line.expression.fullmatch(name))]
        return [name for name in written if _form(name) not in our_forms()]

    def matches(self, theirs: Iterable[str]) -> int:
        """How many of the names a line matches."""
        return sum(self._first(name) is not None for name in theirs)

    def _first(self, name: str) -> Line | None:
        if len(name) > MAX_KEY:
            return None
        return next((line for line in self.lines if line.expression.fullmatch(name)), None)


@dataclass(frozen=True)
class MappedLayout(Layout):
    """A layout with the user's names before its own."""

    mapped: Mapping[str, str | None] = field(default_factory=dict)

    def ours(self, name: str) -> str | None:
        return self.mapped[name] if name in self.mapped else super().ours(name)

    def theirs(self, name: str) -> str | None:
        mapped = (theirs for theirs, ours in self.mapped.items() if ours == name)
        return next(mapped, None) or super().theirs(name)

    def ignores(self, name: str) -> bool:
        return self.mapped[name] is None if name in self.mapped else super().ignores(name)


def read(path: str | Path) -> KeyMap:
    """Raises InputError for a file that cannot be read, has no line, or a line that is no expression and name."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"--key-map {path}: more than {MAX_BYTES:,} bytes; give lines of expressions and names")
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise InputError(f"--key-map {path}: not a readable text file ({error}); check the path") from error
    problems = Problems(f"--key-map {path}")
    lines = []
    for number, content in enumerate(text.splitlines(), 1):
        parts = re.sub(r"(^|\s)#.*", "", content).split()
        if not parts:
            continue
        if len(parts) != 2:
            problems.add(f"line {number}", f"must be a regular expression and a name; got {len(parts)} words")
            continue
        try:
            lines.append(Line(number, _compiled(parts[0]), parts[1]))
        except (re.error, ValueError, OverflowError, RecursionError) as error:
            problems.add(f"line {number}", f"{parts[0]:.100}: {error}")
    problems.check(FIX)
    if not lines:
        raise InputError(f"--key-map {path}: holds no line; write lines of a regular expression and a name of ours")
    return KeyMap(path, tuple(lines))


def extended(layout: Layout, mapped: Mapping[str, str | None], names: Iterable[str]) -> MappedLayout:
    """`layout` with `mapped` before its own names, for a file of `names`.

    Raises InputError where a mapped name is that of an entry which the layout itself knows.
    """
    problems = Problems("--key-map")
    source = {ours: theirs for theirs, ours in mapped.items() if ours is not None}
    for name in names:
        if name not in mapped and not layout.ignores(name) and (theirs := source.get(layout.ours(name) or "")):
            problems.add(theirs, f"gets the name {mapped[theirs]}, which {name} has in the layout {layout.name}")
    problems.check("give it another name, or leave the other entry out with a line `expression -`")
    own = {f.name: getattr(layout, f.name) for f in fields(Layout)}
    return MappedLayout(**{**own, "bare_towers": True}, mapped=mapped)


def _compiled(expression: str) -> re.Pattern[str]:
    """Raises ValueError for an expression that might take forever: exponential time needs nested or many repeats."""
    if len(expression) > 5 * MAX_KEY:
        raise ValueError(f"longer than {5 * MAX_KEY} letters")
    plain = re.sub(r"\\.", "x", expression).replace("(?", "(")
    if re.search(r"\)[*+{]", plain):
        raise ValueError("a group that repeats; repeat single letters or classes, such as \\d+ or [^.]*")
    if len(re.findall(r"[*+{]", plain)) > MAX_REPEATS:
        raise ValueError(f"more than {MAX_REPEATS} repeats (*, +, {{}})")
    if len(re.findall(r"[?]", plain)) > MAX_OPTIONS or plain.count("|") > MAX_OPTIONS:
        raise ValueError(f"more than {MAX_OPTIONS} options (? or |)")
    return re.compile(expression)


def _expanded(line: Line, name: str, problems: Problems) -> str | None:
    if line.template == LEAVE_OUT:
        return None
    match = line.expression.fullmatch(name)
    assert match is not None
    where = f"line {line.number}"
    try:
        ours = match.expand(line.template)
    except (re.error, IndexError) as error:
        problems.add(where, f"{line.template}: {error}")
        return None
    form = _form(ours)
    if form not in our_forms():
        for layout in LAYOUTS:
            if layout.ignores(ours):
                return None
            if (known := layout.ours(ours)) is not None and _form(known) in our_forms():
                return known
        near = difflib.get_close_matches(form, our_forms(), 1, 0.0)[0]
        problems.add(where, f"{name} would be {ours:.200}, which is no weight of ours; closest: {near}")
    return ours


@cache
def our_forms() -> frozenset[str]:
    """Names of all entries of ours, `*` for every number."""
    with torch.device("meta"):
        models = [STC(preset.with_(classes=("x",))) for preset in PRESETS.values()]
    # The scales of the levels may come one by one; the sizes of interest are a setting that is stored as an entry.
    return frozenset(
        {_form(name) for model in models for name in weights(model)} | {"head.scales.*", SIZES_OF_INTEREST}
    )


def _form(name: str) -> str:
    return re.sub(r"\d+(?=\.|$)", "*", name)
