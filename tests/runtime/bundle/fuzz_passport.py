"""Passports of another mind, with a valid digest beside a model and, without any, within an ONNX file."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import onnx

from stc.runtime import Session
from stc.runtime.tracking.config import RULE_NAMES, TrackerConfig
from tests.mutations import damaged, odd_json
from tests.runtime import tiny_model

FRAMES = [tiny_model.frame((0, (8 + i, 12, 40 + i, 44)), (1, (50, 8 + i, 80, 30 + i))) for i in range(4)]
ENGINE = {
    **{"flavour": "tensorrt", "version": "10.3.0", "targets": ["SM86"], "batch": [1, 1, 1], "source": "model.onnx"},
    **{"plugin": {"route": "library", "file": "libstc_tensorrt.so", "sha256": "0" * 64}, "file": "engine.plan"},
}
COMPLETE = replace(
    tiny_model.PASSPORT,
    tracker=asdict(TrackerConfig(confirm_hits=1)),
    precision={"type": "fp32", "fp32_islands": {"nms": "IoU"}, "files": {"model.onnx": "fp32"}},
    checkpoint={"file": "c.pth", "sha256": "0" * 64, "layout": "stc", "decode_rule": "adelaidet", "assumed": {}},
    op={"name": "stc::DynamicMaskHead", "version": 1},
    engine=ENGINE,
    tools={"onnx": "1.20"},
    agreement={"model.onnx": {"verdict": "pass"}},
    flags={"batch": [1, 1, 1]},
    files={"model.onnx": "", "reference.npz": "1" * 64},
)


def cases(folder: Path) -> Callable[[random.Random], object]:
    bundle = tiny_model.write_bundle(folder / "bundle", COMPLETE)
    hashed = sha256((bundle / "model.onnx").read_bytes()).hexdigest()
    values = json.loads(replace(COMPLETE, files={**COMPLETE.files, "model.onnx": hashed}).to_json())
    del values["digest"]

    def case(r: random.Random) -> None:
        said = json.loads(json.dumps(values))
        said["tracker"]["rule"] = r.choice(RULE_NAMES)
        part = r.choice(("", "", "tracker", "tracker", "engine"))
        changed = {**said, part: odd_json(r, said[part])} if part else odd_json(r, said)
        if r.random() < 0.5:
            model = bundle
            (bundle / "passport.json").write_bytes(_signed(r, changed))
        else:
            model = folder / "alone.onnx"
            built = tiny_model.model()
            onnx.helper.set_model_props(built, {"stc.passport": _text(changed)})
            onnx.save(built, model)
        with Session(model, threads=1, native=r.random() < 0.5) as session:
            stream = session.stream()
            for frame in FRAMES:
                stream(frame).masks.rle()

    return case


def _signed(r: random.Random, values: Any) -> bytes:
    """The passport with the digest that goes with it; now and then something is wrong with that file."""
    if not isinstance(values, dict):
        return _text(values).encode()
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
    content = _text({**values, "digest": sha256(canonical.encode()).hexdigest()}).encode()
    match r.randrange(40):
        case 0:
            return b"[" * 200_000
        case 1:
            return b'{"a":' * 100_000 + b"1" + b"}" * 100_000
        case 2:
            return damaged(r, content)
        case 3:
            return content.replace(b'"schema"', b'"x": ' + b"9" * 5000 + b', "schema"')
    return content


def _text(values: Any) -> str:
    return json.dumps(values)
