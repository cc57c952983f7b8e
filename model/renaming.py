"""Names of weights in two code bases, as pairs of templates (their name, our name) that are read in both directions.

`{x}` stands for one dotted part, or the rest of one, and `{x*}` for any tail.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

Pairs = tuple[tuple[str, str], ...]


class Renaming:
    """From the first name of each of `pairs` to the second; the first pair that fits decides."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._table = [(source.partition("{")[0], _pattern(source), target) for source, target in pairs]

    def __call__(self, name: str) -> str | None:
        """None where no pair fits."""
        for start, pattern, template in self._table:
            if name.startswith(start) and (match := pattern.fullmatch(name)):
                return template.replace("*}", "}").format(**match.groupdict())
        return None


def below(theirs: str, ours: str, pairs: Pairs) -> Pairs:
    """`pairs` with something before their names and before ours."""
    return tuple((theirs + source, ours + target) for source, target in pairs)


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\*?\})", template)
    return re.compile("".join(_group(part) if part.startswith("{") else re.escape(part) for part in parts))


def _group(placeholder: str) -> str:
    name = placeholder.strip("{}*")
    return f"(?P<{name}>.+)" if placeholder.endswith("*}") else f"(?P<{name}>[^.]+)"
