"""Texts from files, pipes and what is neither."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from stc import texts
from stc.annotations.file import read_json
from stc.errors import InputError
from stc.model.checkpoint import class_names, key_map
from stc.texts import read_text


def test_a_file_with_and_without_a_byte_order_mark(tmp_path: Path) -> None:
    for content in ("größer", "\ufeffgrößer"):
        (tmp_path / "a.txt").write_text(content, encoding="utf-8")
        assert read_text(tmp_path / "a.txt") == "größer"


def test_a_pipe_is_read_until_its_writer_ends(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = "x" * 300_000  # more than a pipe holds

    def write() -> None:
        with pipe.open("w") as file:
            for i in range(3):
                file.write(content[i * 100_000 : (i + 1) * 100_000])
                file.flush()
                time.sleep(0.05)

    threading.Thread(target=write).start()
    assert read_text(pipe) == content


@pytest.mark.parametrize(
    "read", [read_json, key_map.read, lambda path: class_names.named(str(path), 3)], ids=["json", "key map", "classes"]
)
@pytest.mark.parametrize("name", ["pipe", "zero"])
def test_nothing_waits_for_what_never_comes_or_never_ends(
    read: Callable[[Path], object], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "PATIENCE", 0.3)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    with pytest.raises(InputError, match=name):
        read(tmp_path / name)
