"""How one code base names the weights that we hold.

A layout is a table of template pairs (their name, our name). `{x}` stands for one dotted part, or the rest of one, and
`{x*}` for any tail; the table is read in both directions, so that errors can speak the names of the user's own file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from stc.model.checkpoint.infer import BackboneStyle
from stc.model.decode_rules import DecodeRule

Pairs = tuple[tuple[str, str], ...]
MAX_TOWER = 8  # convs of a head tower that the tables reach


@dataclass(frozen=True)
class Layout:
    """One code base's names, and what a file of it does not say. `ignored`: patterns of entries that inference does not
    need.

    `decode_rule` and `backbone_style` are what that code base trains for by default. `msra_mean`: BGR mean of its MSRA
    backbones.
    """

    name: str
    pairs: Pairs
    ignored: tuple[str, ...] = (r".*num_batches_tracked",)
    decode_rule: DecodeRule = "adelaidet"
    backbone_style: BackboneStyle = "msra"
    msra_mean: tuple[float, float, float] = (103.53, 116.28, 123.675)
    scale_shape: tuple[int, ...] = (1,)  # of a level's scale
    tracker: str = ""  # `--tracker` rule that its authors used, where it is not ours
    may_lack_scales: bool = False  # with USE_SCALE False, which is a scale of 1
    bare_towers: bool = False  # its tower convolutions may have no bias, because a norm follows

    def ours(self, name: str) -> str | None:
        """Our name of their `name`; None when the layout does not know it."""
        return _translate(self._from_theirs, name)

    def theirs(self, name: str) -> str | None:
        """Their name of our `name`; None when their code base has no such weight."""
        return _translate(self._from_ours, name)

    def ignores(self, name: str) -> bool:
        return any(re.fullmatch(pattern, name) for pattern in self.ignored)

    @cached_property
    def _from_theirs(self) -> _Table:
        return [(_start(theirs), _pattern(theirs), ours) for theirs, ours in self.pairs]

    @cached_property
    def _from_ours(self) -> _Table:
        return [(_start(ours), _pattern(ours), theirs) for theirs, ours in self.pairs]


_Table = list[tuple[str, re.Pattern[str], str]]  # literal start, pattern, template of the translation


def _start(template: str) -> str:
    return template.partition("{")[0]


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\*?\})", template)
    return re.compile("".join(_group(part) if part.startswith("{") else re.escape(part) for part in parts))


def _group(placeholder: str) -> str:
    name = placeholder.strip("{}*")
    return f"(?P<{name}>.+)" if placeholder.endswith("*}") else f"(?P<{name}>[^.]+)"


def _translate(table: _Table, name: str) -> str | None:
    for start, pattern, template in table:
        if name.startswith(start) and (match := pattern.fullmatch(name)):
            return template.replace("*}", "}").format(**match.groupdict())
    return None
