"""Checkpoints that do not load, and options that do not fit them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.errors.cases import Place, case
from tests.seeded import crossvis_state, settings


def export(place: Place, *arguments: str) -> int:
    from stc.export.main import main

    place.monkeypatch.setitem(sys.modules, "tensorrt", None)  # PyTorch would look into the pretended one
    return main(arguments)


def weights(place: Place, **changes: Any) -> str:
    """A file with the names and shapes of a CrossVIS checkpoint, one number stored of each tensor."""
    import torch

    published = crossvis_state(0)
    ones = {name: torch.ones(()).expand(tensor.shape) for name, tensor in published.items()}
    state = ones | settings(published)
    path = place.bundle / "c.pth"
    torch.save({name: tensor for name, tensor in {**state, **changes}.items() if tensor is not None}, path)
    return str(path)


def mapped(place: Place, *lines: str) -> int:
    path = place.bundle / "map.txt"
    path.write_text("\n".join(lines))
    return export(place, "--inspect", "--ckpt", weights(place), "--key-map", str(path))


@case
def ckpt_missing(place: Place) -> None:
    export(place, "--ckpt", str(place.bundle / "nowhere.pth"), "--trt", "none")


@case
def ckpt_damaged(place: Place) -> None:
    path = Path(weights(place))
    path.write_bytes(path.read_bytes()[:-1000])
    export(place, "--inspect", "--ckpt", str(path))


@case
def ckpt_code(place: Place) -> None:
    path = place.bundle / "c.pkl"
    path.write_bytes(b"\x80\x02}X\x05\x00\x00\x00modelcposix\nsystem\nX\x02\x00\x00\x00ls\x85Rs.")
    export(place, "--inspect", "--ckpt", str(path))


@case
def ckpt_no_weights(place: Place) -> None:
    import torch

    torch.save({"epoch": 3}, place.bundle / "c.pth")
    export(place, "--inspect", "--ckpt", str(place.bundle / "c.pth"))


@case
def ckpt_other_model(place: Place) -> None:
    import torch

    torch.save({"encoder.0.weight": torch.ones(3, 3)}, place.bundle / "c.pth")
    export(place, "--ckpt", str(place.bundle / "c.pth"), "--trt", "none")


@case
def ckpt_incomplete(place: Place) -> None:
    export(place, "--ckpt", weights(place, **{"controller.weight": None}), "--trt", "none")


@case
def ckpt_foreign_head(place: Place) -> None:
    import torch

    extra = {"embed_head.0.weight": torch.ones(256, 256, 1, 1), "embed_head.0.bias": torch.ones(256)}
    export(place, "--ckpt", weights(place, **extra), "--trt", "none")


@case
def ckpt_class_names(place: Place) -> None:
    export(place, "--inspect", "--ckpt", weights(place), "--classes", "coco")


def trained_with(place: Place, text: str, *arguments: str) -> int:
    """Weights with a config beside them; or, with --config, one of that name."""
    (place.bundle / "config.yaml").write_text(text)
    return export(place, "--ckpt", weights(place), "--trt", "none", *arguments)


@case
def ckpt_config_contradicts(place: Place) -> None:
    trained_with(place, "MODEL: {RESNETS: {DEPTH: 101}}")


@case
def ckpt_config_unsupported(place: Place) -> None:
    trained_with(place, "MODEL: {RESNETS: {RES5_DILATION: 2}}")


@case
def ckpt_config_value(place: Place) -> None:
    trained_with(place, "MODEL: {FCOS: {NMS_TH: 60}}")


@case
def config_unreadable(place: Place) -> None:
    trained_with(place, "MODEL: [", "--config", str(place.bundle / "config.yaml"))


@case
def config_rests_on_another(place: Place) -> None:
    trained_with(place, "_BASE_: Base-CrossVIS.yaml", "--config", str(place.bundle / "config.yaml"))


@case
def key_map_unreadable(place: Place) -> None:
    export(place, "--inspect", "--ckpt", weights(place), "--key-map", str(place.bundle / "nowhere.txt"))


@case
def key_map_expression(place: Place) -> None:
    mapped(place, r"(\w+\.)+weight head.scales")


@case
def key_map_no_name(place: Place) -> None:
    mapped(place, r"cls\.weight head.classifier.weight")


@case
def key_map_no_match(place: Place) -> None:
    mapped(place, r"track\..* head.track_pred.weight")


@case
def key_map_twice(place: Place) -> None:
    mapped(place, r"cls\..* head.controller.bias")


@case
def key_map_taken(place: Place) -> None:
    mapped(place, r"cls\.bias head.controller.bias")


@case
def inspect_exports_nothing(place: Place) -> None:
    export(place, "--inspect", "--ckpt", "c.pth", "--fp16")


@case
def json_of_nothing(place: Place) -> None:
    export(place, "--json", "--ckpt", "c.pth")


@case
def convert_itself(place: Place) -> None:
    path = place.bundle / "c.safetensors"
    path.write_bytes(b"weights")
    export(place, "--to-safetensors", str(path), "--ckpt", str(path))


@case
def convert_nowhere(place: Place) -> None:
    path = place.bundle / "passport.json" / "c.safetensors"
    export(place, "--to-safetensors", str(path), "--ckpt", "assets/stc-lite-2.safetensors")
