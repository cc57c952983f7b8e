"""Class names from published lists, files and sequences."""

from __future__ import annotations

from pathlib import Path

import pytest

from stc.errors import InputError
from stc.model.checkpoint.class_names import KNOWN, assumed, named


def test_published_lists() -> None:
    assert {key: len(names) for key, names in KNOWN.items()} == {
        "coco": 80,
        "ytvis2019": 40,
        "ytvis2021": 40,
        "ovis": 25,
    }
    assert all(len(set(names)) == len(names) for names in KNOWN.values())
    # Spot checks by the published category ids, less one.
    assert KNOWN["coco"][0] == "person" and KNOWN["coco"][17] == "horse" and KNOWN["coco"][79] == "toothbrush"
    assert KNOWN["ytvis2019"][5] == "sedan" and KNOWN["ytvis2019"][38] == "earless_seal"
    assert KNOWN["ytvis2021"][25] == "person" and list(KNOWN["ytvis2021"]) == sorted(KNOWN["ytvis2021"])
    assert KNOWN["ovis"][11] == "Poultry" and KNOWN["ovis"][24] == "Vehical"


def test_published_orders() -> None:
    """First letters of all names, written down from the category ids of the published annotations."""
    letters = {key: "".join(name[0] for name in names) for key, names in KNOWN.items()}
    assert letters["coco"] == "pbcmabttbtfspbbcdhscebzgbuhtsfssskbbsstbwcfksbbasobchpdcccpbdttlmrkcmotsrbcvstht"
    assert letters["ytvis2019"] == "pglpssadsmhrdccfthtbmglfdosatztesbsmfeet"
    assert letters["ytvis2021"] == "abbbcccdddeeffffgghllmmmpprsssssstttttwz"
    assert letters["ovis"] == "PBCDHSCEBZGPGLPMRTFTBMABV"
    assert all(name == name.strip() for names in KNOWN.values() for name in names)


@pytest.mark.parametrize("key", ["coco", "ytvis2019", "ytvis2021", "ovis"])
def test_by_key(key: str) -> None:
    assert named(key, len(KNOWN[key])) == KNOWN[key]


@pytest.mark.parametrize(
    "text", ["cat\n\n dog \nred fox\n", '["cat", "dog", "red fox"]', "\ufeffcat\r\ndog\r\nred fox"]
)
def test_by_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "names.txt"
    path.write_text(text, encoding="utf-8")
    assert named(path, 3) == named(str(path), 3) == ("cat", "dog", "red fox")


def test_by_sequence() -> None:
    assert named(["cat", "dog"], 2) == ("cat", "dog")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"cat\ndog\n", "2 names, but the checkpoint has 3"),
        (b"cat\ndog\ncat\n", "doubled: cat"),
        (b'["cat", "dog"', "begins like a JSON list"),
        (b'["cat", "dog", 3]', "must be a text"),
        (b"\xff\xfe\x00\x00", "not a readable text file"),
        (b"", "0 names"),
    ],
)
def test_unusable_files(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=problem):
        named(path, 3)


@pytest.mark.parametrize("classes", ["imagenet", "missing.txt", ".", "a\0b"])
def test_neither_a_list_nor_a_file(classes: str) -> None:
    with pytest.raises(InputError, match="not one of coco, ytvis2019, ytvis2021, ovis"):
        named(classes, 3)


def test_a_wrong_count_names_the_lists_that_fit() -> None:
    with pytest.raises(InputError, match="use --classes ytvis2019 or ytvis2021"):
        named("coco", 40)
    with pytest.raises(InputError, match="--classes FILE with 7 names"):
        named("ovis", 7)


@pytest.mark.parametrize(("count", "first", "word"), [(80, "person", "coco"), (25, "Person", "ovis")])
def test_assumed_by_count(count: int, first: str, word: str) -> None:
    names, words = assumed(count)
    assert names[0] == first and len(names) == count and word in words


@pytest.mark.parametrize(
    ("count", "word"), [(40, "ytvis2019 or of ytvis2021"), (1, "--classes FILE"), (7, "--classes FILE")]
)
def test_placeholders_where_the_count_does_not_tell(count: int, word: str) -> None:
    names, words = assumed(count)
    assert names == tuple(f"class_{i}" for i in range(count)) and word in words
