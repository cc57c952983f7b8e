"""A bundle takes the place of a bundle's own files, and of nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stc.errors import InputError
from stc.export.folder import ALWAYS, bundle
from stc.runtime.bundle import passport
from tests.runtime import tiny_model

NAMES = ALWAYS | {"model.onnx", "reference.npz"}


def test_a_folder_of_other_files_is_refused_unless_one_insists(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter1.tex").touch()
    with pytest.raises(InputError, match=r"thesis: a folder with other files in it; .* -o DIR, .* --overwrite"):
        bundle(tmp_path / "thesis", NAMES)
    assert bundle(tmp_path / "thesis", NAMES, overwrite=True).ours == NAMES


def test_a_free_name_and_an_empty_folder_are_taken(tmp_path: Path) -> None:
    assert bundle(tmp_path / "new", NAMES).ours == frozenset()
    (tmp_path / "empty").mkdir()
    assert bundle(tmp_path / "empty", NAMES).path == tmp_path / "empty"


def test_ours_is_what_the_passport_lists(tmp_path: Path) -> None:
    old = tiny_model.write_bundle(tmp_path / "bundle")
    (old / "notes.txt").touch()
    (old / "model-fp16.onnx").touch()  # not listed: somebody put it there
    found = bundle(old, NAMES)
    assert {"model.onnx", "passport.json", "export-report.html"} <= found.ours
    assert not {"notes.txt", "model-fp16.onnx"} & found.ours


def test_what_the_new_bundle_lacks_is_named(tmp_path: Path) -> None:
    old = tiny_model.write_bundle(tmp_path / "bundle")
    (old / "engine.plan").write_bytes(b"took an hour")
    known = passport.read(old)
    replace(known, files={**known.files, "engine.plan": "0" * 64}).write(old)
    assert bundle(old, NAMES).left_out(NAMES) == ["engine.plan"]
    assert bundle(old, NAMES | {"engine.plan"}).left_out(NAMES | {"engine.plan"}) == []


def test_a_file_that_no_export_wrote_is_not_written_over(tmp_path: Path) -> None:
    old = tiny_model.write_bundle(tmp_path / "bundle")
    (old / "engine.plan").write_bytes(b"built by hand")
    bundle(old, NAMES)  # it stays beside the new files
    with pytest.raises(InputError, match=r"engine\.plan: no export wrote it; .*--overwrite"):
        bundle(old, NAMES | {"engine.plan"})
    assert "engine.plan" in bundle(old, NAMES | {"engine.plan"}, overwrite=True).ours


def test_a_passport_that_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    old = tiny_model.write_bundle(tmp_path / "bundle")
    (old / "passport.json").write_text("{")
    with pytest.raises(InputError, match=r"cannot be told .*passport\.json: unreadable.*--overwrite"):
        bundle(old, NAMES)


def test_names_that_lead_out_of_the_folder_are_never_ours(tmp_path: Path) -> None:
    old = tiny_model.write_bundle(tmp_path / "bundle")
    known = passport.read(old)
    replace(known, files={**known.files, "../notes.txt": "0" * 64, "/etc/hosts": "0" * 64}).write(old)
    assert not {"../notes.txt", "/etc/hosts"} & bundle(old, NAMES).ours
