"""What is wrong with a set of weights, all of it in one message and in the names of the user's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stc.errors import CheckpointError

SHOWN = 100  # names listed of each kind; the count is always complete


@dataclass
class Differences:
    """Names, as the file has them, of weights that are missing, unexpected or misshapen."""

    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    misshapen: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.misshapen)

    def error(self, path: object, layout: str, known: int, total: int, head: Sequence[str] = ()) -> CheckpointError:
        """The error that lists all differences; `known` of the `total` entries have names of `layout`.

        head: a key map for those that look like a tracking head.
        """
        lines = [f"{path}: not a complete STC checkpoint of a known layout"]
        for kind in ("missing", "unexpected", "misshapen"):
            lines += _listed(kind, getattr(self, kind))
        lines.append(f"closest known layout: {layout} ({known} of {total} entries have its names)")
        if head:
            lines += [
                "it holds a tracking head under foreign names: put the suggested lines into a file, check them, and "
                "give that to stc-export with --key-map FILE",
                "  suggested map:",
                *(f"    {line}" for line in head),
            ]
        else:
            lines.append(
                "give the file that training wrote, whole; if it comes from another code base, name its entries with "
                "stc-export --key-map FILE"
            )
        return CheckpointError("\n".join(lines))


def differences(
    expected: Mapping[str, Sequence[int]], found: Mapping[str, Sequence[int]], unexpected: Sequence[str]
) -> Differences:
    """Compare shapes by name; `unexpected` are names known to be foreign already."""
    return Differences(
        missing=[name for name in expected if name not in found],
        unexpected=[*unexpected, *(name for name in found if name not in expected)],
        misshapen=[
            f"{name} is {tuple(found[name])}, must be {tuple(shape)}"
            for name, shape in expected.items()
            if name in found and tuple(found[name]) != tuple(shape)
        ],
    )


def _listed(kind: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    rest = [f"    ... and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return [f"  {kind} ({len(names)}):", *(f"    {name[:200]}" for name in names[:SHOWN]), *rest]
