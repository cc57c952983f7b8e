"""A passport whose fields are of another type or out of range is refused by name before anything uses it."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import onnx
import pytest

from stc.errors import IncompatibleError, InputError
from stc.runtime import Session, TrackerConfig
from stc.runtime.bundle import passport
from tests.runtime import tiny_model

# A field's path, a value that is none, and what the message says of it.
WRONG: list[tuple[str, Any, str]] = [
    ("files", 0.5, r"files: must be a mapping of at most 1000 names; got 0\.5"),
    ("files", {"model.onnx": 5}, r"files\.model\.onnx: must be a SHA-256"),
    ("mask_stride", 0, "mask_stride: must be an integer from 1 to 1024; got 0"),
    ("mask_stride", 128, r"mask_stride: must be at most padded_size \(64, 96\); got 128"),
    ("padded_size", [60.0, 96], r"padded_size\[0\]: must be an integer"),
    ("padded_size", [32, 96], r"padded_size: must be at least input_size \(60, 96\)"),
    ("input_size", "60x96", "input_size: must be a list of 2; got '60x96'"),
    ("input_size", [60, 1 << 40], r"input_size\[1\]: must be an integer from 1 to 8192; got 1099511627776"),
    ("shortest_edge", [360], "shortest_edge: must be a list of 2; got a list of 1"),
    ("shortest_edge", [640, 360], r"shortest_edge: must rise; got \(640, 360\)"),
    ("shortest_edge", 360, "shortest_edge: must be a list of 2; got 360"),
    ("divisor", 0, "divisor: must be an integer from 1 to 1024; got 0"),
    ("divisor", 30, "mask_stride: must divide divisor 30; got 4"),
    ("embedding_dim", [8], "embedding_dim: must be an integer from 0 to 4096; got a list of 1"),
    ("classes", "cat", "classes: must be a list of 1 to 10000; got 'cat'"),
    ("classes", ["cat", 2], r"classes\[1\]: must be text"),
    ("border", [1, 2], "border: must be a list of 3; got a list of 2"),
    ("border", [1, 2, 1 << 32], r"border\[2\]: must be an integer from 0 to 255"),
    ("score_threshold", float("nan"), "score_threshold: must be a number from 0 to 1; got nan"),
    ("name", "..", "name: must be a file's name without its folder"),
    ("tracker", [1], "tracker: must be a mapping of names to values"),
    ("tracker.capacity", 1 << 40, r"tracker\.capacity: must be an integer from 1 to 16384; got 1099511627776"),
    ("tracker.momentum", None, r"tracker\.momentum: must be a number above 0 and up to 1; got None"),
    ("tracker.rule", ["default"], r"tracker\.rule: must be one of default, crossvis"),
    ("tracker.class_gate", "yes", r"tracker\.class_gate: must be true or false; got 'yes'"),
    ("engine", {"flavour": "rtx"}, r"engine\.version: missing"),
    ("flags", {"batch": "1"}, r"flags\.batch: must be a list of 3"),
    ("checkpoint", {"file": "c.pth"}, r"checkpoint\.sha256: missing"),
]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tiny_model.write_bundle(tmp_path / "bundle")


def changed(path: str, value: Any, hashed: str) -> dict[str, Any]:
    values = json.loads(replace(tiny_model.PASSPORT, files={"model.onnx": hashed}).to_json())
    del values["digest"]
    name, _, inner = path.partition(".")
    values[name] = {**values[name], inner: value} if inner else value
    return dict(values)


def text(values: dict[str, Any]) -> str:
    """As a file: with the digest that goes with it."""
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return json.dumps({**values, "digest": sha256(canonical.encode()).hexdigest()})


@pytest.mark.parametrize(("path", "value", "message"), WRONG)
def test_a_field_that_is_wrong_is_refused_by_name(own: Path, path: str, value: Any, message: str) -> None:
    hashed = sha256((own / "model.onnx").read_bytes()).hexdigest()
    (own / "passport.json").write_text(text(changed(path, value, hashed)))
    with pytest.raises(IncompatibleError, match=message) as raised:
        Session(own)
    assert str(raised.value).endswith("re-export with: stc-export --ckpt FILE")


@pytest.mark.parametrize(("path", "value", "message"), WRONG[::4])
def test_so_it_is_in_an_onnx_file(tmp_path: Path, path: str, value: Any, message: str) -> None:
    built = tiny_model.model()
    onnx.helper.set_model_props(built, {"stc.passport": json.dumps(changed(path, value, "0" * 64))})
    onnx.save(built, tmp_path / "alone.onnx")
    with pytest.raises(IncompatibleError, match=rf"alone\.onnx \(metadata stc\.passport\).*{message}"):
        Session(tmp_path / "alone.onnx")


def test_fields_of_a_later_version_are_left_out(own: Path) -> None:
    values = changed("foreign", {"x": [1, None]}, sha256((own / "model.onnx").read_bytes()).hexdigest())
    (own / "passport.json").write_text(text(values))
    Session(own).close()


@pytest.mark.parametrize(
    "content", ["[" * 200_000, '{"a":' * 100_000 + "1" + "}" * 100_000, '{"a": ' + "9" * 5000 + "}"]
)
def test_text_that_the_parser_gives_up_on_is_refused(own: Path, content: str) -> None:
    (own / "passport.json").write_text(content)
    with pytest.raises(InputError, match=r"passport\.json: unreadable \(not JSON"):
        Session(own)
    built = tiny_model.model()
    onnx.helper.set_model_props(built, {"stc.passport": content})
    onnx.save(built, own.parent / "alone.onnx")
    with pytest.raises(InputError, match=r"alone\.onnx \(metadata stc\.passport\): unreadable \(not JSON"):
        Session(own.parent / "alone.onnx")


def test_a_passport_that_is_no_file_or_too_large_is_not_read(own: Path) -> None:
    (own / "passport.json").unlink()
    (own / "passport.json").mkdir()
    with pytest.raises(InputError, match="so not a passport"):
        passport.read(own)
    (own / "passport.json").rmdir()
    with (own / "passport.json").open("wb") as file:
        file.truncate(passport.MAX_BYTES + 1)
    with pytest.raises(InputError, match="at most 16 MiB"):
        passport.read(own)


@pytest.mark.parametrize(
    "settings",
    [{"capacity": 1 << 40}, {"capacity": "256"}, {"momentum": [0.8]}, {"class_gate": 1}, {"max_age": 10**400},
     {"iou_threshold": float("nan")}, {"confirm_hits": 2.5}, {"rule": None}, {"duplicate_iou": None}],
)  # fmt: skip
def test_a_tracker_config_checks_types_and_ranges_itself(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(InputError, match=f"tracker {name}: must be"):
        TrackerConfig(**settings)
