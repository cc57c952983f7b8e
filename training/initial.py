"""The model that a training starts from: new, with an ImageNet backbone, or a checkpoint to fine-tune."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from stc.errors import CheckpointError, InputError
from stc.model.backbone_styles import BackboneStyle, with_backbone_style
from stc.model.backbones import known as backbones
from stc.model.checkpoint import load
from stc.model.checkpoint.layouts.imagenet import BackboneWeights, read_backbone
from stc.model.checkpoint.reading import files
from stc.model.config import PRESET_OF, PRESETS, ModelConfig
from stc.model.network import STC

DEFAULT_PRESET = "stc-lite"
CLASS_LAYER = "head.cls_logits."
TRACKING_HEAD = "head.track_"


@dataclass(frozen=True)
class Start:
    """`preset` and `whole` name the recipe that suits `model`; `notes` say what was loaded and what was not.

    whole: the weights are those of a model that detects already.
    """

    model: STC
    preset: str
    notes: tuple[str, ...]
    whole: bool = False


def start(
    classes: tuple[str, ...],
    preset: str | None = None,
    init: Path | None = None,
    backbone_style: BackboneStyle | None = None,
    input_size: tuple[int, int] | None = None,
) -> Start:
    """Build the model for `classes`; what `init` does not hold keeps its random weights.

    preset: architecture; None takes that of `init`. init: bare ImageNet backbone or a whole checkpoint. backbone_style:
    how a ResNet was trained, where the file does not tell. input_size: (H, W), the preset's or the checkpoint's when
    None. Raises CheckpointError for a file that cannot be read or does not fit, InputError for contradicting options.
    """
    size = {"input_size": input_size} if input_size else {}
    if init is None:
        name = preset or DEFAULT_PRESET
        config = PRESETS[name].with_(classes=classes, **size)
        if backbone_style:
            config = with_backbone_style(config, _for_resnet(config, backbone_style))
        return Start(STC(config), name, ("all weights random: training needs far longer than from --init",))
    backbone = read_backbone(files.read(init).tensors, init)
    if backbone is not None:
        return _from_backbone(backbone, init, preset, backbone_style, classes, size)
    return _fine_tune(init, preset, backbone_style, classes, size)


def _from_backbone(
    backbone: BackboneWeights,
    path: Path,
    preset: str | None,
    style: BackboneStyle | None,
    classes: tuple[str, ...],
    size: Mapping[str, tuple[int, int]],
) -> Start:
    name = preset or PRESET_OF[backbone.name]
    config = PRESETS[name].with_(classes=classes, **size)
    if backbone.name not in {config.backbone, backbones.find(config.backbone).part_of}:
        raise CheckpointError(
            f"{path}: weights of {backbone.name}, but --config {name} has {config.backbone}; leave out --config"
        )
    notes = [f"backbone from {path.name} ({backbone.names.source}, {len(backbone.tensors)} tensors); all else random"]
    if backbones.find(backbone.name).styled:
        known = backbone.names.style
        if known and style and known != style:
            raise InputError(f"{path}: its names are those of {known} weights; leave out --backbone-style {style}")
        chosen = style or known or "msra"
        config = with_backbone_style(config, chosen)
        notes.append(f"strides, colours and normalisation of {chosen} backbones")
    elif style:
        _for_resnet(config, style)
    model = STC(config)
    expected = {
        key: value for key, value in model.backbone.state_dict().items() if not key.endswith("num_batches_tracked")
    }
    given = backbone.tensors
    if config.backbone != backbone.name:  # the model has its beginning
        given = {key: value for key, value in given.items() if key in model.backbone.state_dict()}
    missing = sorted(set(expected) - set(given))
    extra = sorted(set(given) - set(model.backbone.state_dict()))
    wrong = sorted(key for key in expected if key in given and expected[key].shape != given[key].shape)
    if missing or extra or wrong:
        raise CheckpointError(
            f"{path}: not a {backbone.name} (missing {missing}, unexpected {extra}, misshapen {wrong}); "
            "give another --init"
        )
    model.backbone.load_state_dict(given, strict=False)
    return Start(model, name, tuple(notes))


def _fine_tune(
    path: Path,
    preset: str | None,
    style: BackboneStyle | None,
    classes: tuple[str, ...],
    size: Mapping[str, tuple[int, int]],
) -> Start:
    checkpoint = load(path, backbone_style=style)
    config = checkpoint.config.with_(classes=classes, shortest_edge=None, **size)
    notes = [f"all weights from {path.name} (layout {checkpoint.layout})"]
    notes += [
        f"assumed {topic}: {text}"
        for topic, text in checkpoint.assumed.items()
        if topic not in {"classes", "input_size"}
    ]
    notes += [
        f"read {name}: {text}"
        for name, text in checkpoint.read.items()
        if name not in {"classes", "input_size", "shortest_edge"}
    ]
    if checkpoint.config.shortest_edge is not None:
        height, width = config.input_size
        notes.append(f"letterboxed to {height}x{width} from now on: the checkpoint takes each frame in its own shape")
    if not config.track_dim:
        config = _with_tracking_head(config)
        notes.append("tracking head new: the checkpoint has none")
    model = STC(config)
    source, own = checkpoint.model.state_dict(), model.state_dict()
    if config.num_classes != checkpoint.config.num_classes:
        source = {key: value for key, value in source.items() if not key.startswith(CLASS_LAYER)}
        notes.append(
            f"class layer new: the checkpoint has {checkpoint.config.num_classes} classes, the data {len(classes)}"
        )
    elif "classes" in checkpoint.assumed:
        notes.append(f"class layer kept: as many classes as the data ({len(classes)}), but the file does not name them")
    elif checkpoint.config.classes != classes:
        notes.append(f"class layer kept, but its classes are called {', '.join(checkpoint.config.classes)}")
    name = PRESET_OF[config.backbone]
    if preset and _shapes(STC(PRESETS[preset].with_(classes=classes)).state_dict()) != _shapes(own):
        raise CheckpointError(f"{path}: another architecture than --config {preset}; leave out --config")
    left = model.load_state_dict(source, strict=False)
    assert not left.unexpected_keys and all(k.startswith((CLASS_LAYER, TRACKING_HEAD)) for k in left.missing_keys)
    return Start(model, preset or name, tuple(notes), whole=True)


def _with_tracking_head(config: ModelConfig) -> ModelConfig:
    like = PRESETS[PRESET_OF[config.backbone]]
    return config.with_(
        track_convs=like.track_convs,
        track_dim=like.track_dim,
        track_kernel=like.track_kernel,
        track_norm=like.track_norm,
    )


def _for_resnet(config: ModelConfig, style: BackboneStyle) -> BackboneStyle:
    if not backbones.find(config.backbone).styled:
        raise InputError(f"--backbone-style {style} is for ResNet, the model has {config.backbone}: leave it out")
    return style


def _shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in state.items()}
