"""A bundle folder appears whole or not at all; its last files are the passport and the reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from stc.errors import InputError, StcError
from stc.export import report
from stc.export.proof.verification import NotCompared, Verification
from stc.export.report import write_report
from stc.files import sha256
from stc.folders import Folder, find, is_empty
from stc.runtime.bundle import passport
from stc.runtime.bundle.passport import Passport

OPTION = "-o DIR"
ALWAYS = frozenset({passport.FILE_NAME, *report.FILES})  # in every bundle; its passport lists the others


def bundle(path: Path, names: Set[str], *, overwrite: bool = False) -> Folder:
    """The folder that a bundle with the files `names` is written to, checked before the work.

    What its passport lists may be replaced; whatever else is there stays. Raises InputError for a folder of other
    files, or one in which `names` would replace what no export wrote, unless `overwrite` insists.
    """
    real = find(path, OPTION)
    if is_empty(real):
        return Folder(real)
    try:
        listed = passport.read(real).files
    except StcError as error:
        if overwrite:
            return Folder(real, frozenset(names))
        what = "a folder with other files in it"
        if (real / passport.FILE_NAME).exists():
            what = f"whose files are a bundle's cannot be told ({error})"
        raise InputError(f"{path}: {what}; choose another with: {OPTION}, or insist with: --overwrite") from error
    ours = ALWAYS | {name for name in listed if name == Path(name).name}
    return checked(Folder(real, frozenset(ours)), names, path, OPTION, overwrite=overwrite)


def checked(folder: Folder, names: Set[str], path: Path, option: str, *, overwrite: bool) -> Folder:
    """`folder`, in which `names` may be written. Raises InputError for one that is there and not ours."""
    if overwrite:
        return Folder(folder.path, folder.ours | names)
    if clashes := folder.clashes(names):
        raise InputError(
            f"{path / clashes[0]}: no export wrote it; move it, choose another with: {option}, or insist with: "
            "--overwrite"
        )
    return folder


@dataclass(frozen=True)
class Export:
    """A finished bundle and what it was compared with.

    `verdict` is the worst of all files, in ONNX Runtime; `engine` a sentence.
    """

    path: Path
    passport: Passport
    verifications: tuple[Verification | NotCompared, ...]
    engine: str

    @property
    def verdict(self) -> str:
        return report.verdict(self.passport)


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
