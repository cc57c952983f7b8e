"""The last files of a bundle, passport and reports, and what an export or a rebuild hands back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stc.export.report import write_report
from stc.export.verification import NotCompared, Verification
from stc.files import sha256
from stc.runtime.passport import Passport

_VERDICTS = ("fail", "unproven", NotCompared.verdict, "pass")  # the worst first


@dataclass(frozen=True)
class Export:
    """A finished bundle and what it was compared with.

    `verdict` is the worst of all precisions, `engine` a sentence.
    """

    path: Path
    passport: Passport
    verifications: tuple[Verification | NotCompared, ...]
    engine: str

    @property
    def verdict(self) -> str:
        verdicts = {agreement["verdict"] for agreement in self.passport.agreement.values()}
        return next(v for v in _VERDICTS if v in verdicts)


def finish(
    temporary: Path,
    passport: Passport,
    names: Iterable[str],
    verifications: Sequence[Verification | NotCompared],
    engine: str,
) -> Passport:
    """Write passport and reports into a bundle whose other files are complete; the passport with the hashes of `names`.

    engine: a sentence for the report.
    """
    passport = replace(passport, files={name: sha256(temporary / name) for name in sorted(names)})
    passport.write(temporary)
    write_report(temporary, passport, verifications, engine)
    return passport
