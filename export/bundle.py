"""The whole export: read, run in PyTorch, write ONNX, run that, compare, and only then put the bundle in its place."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

from stc import __version__
from stc.benchmarks import reference as reference_file
from stc.export import folder, reference
from stc.export.frames import reference_frames
from stc.export.graph import OPSET, Graph, trace, with_passport
from stc.export.precision import fp32_islands
from stc.export.report import write_report
from stc.export.verify import Verification, load_onnxruntime, verify
from stc.files import sha256
from stc.model import checkpoint
from stc.model.checkpoint import Checkpoint
from stc.model.checkpoint.infer import BackboneStyle
from stc.model.config import ModelConfig
from stc.model.function_body import DOMAIN, OP, OP_VERSION
from stc.runtime.passport import MODEL_FILE, Passport
from stc.runtime.tracker import TrackerConfig

FILES = {"fp32": MODEL_FILE, "fp16": "model-fp16.onnx"}
NO_ENGINE = (
    "no TensorRT engine was built: this version exports ONNX only, engines are not written yet. "
    "model.onnx runs in ONNX Runtime as it is."
)
Step = Callable[[str], None]


@dataclass(frozen=True)
class Export:
    """A finished bundle and what it was compared with. `verdict` is the worst of all precisions."""

    path: Path
    passport: Passport
    verifications: tuple[Verification, ...]

    @property
    def verdict(self) -> str:
        verdicts = {v.agreement.verdict for v in self.verifications}
        return next(v for v in ("fail", "unproven", "pass") if v in verdicts)


def export(
    ckpt: str | Path,
    output: str | Path | None = None,
    *,
    fp16: bool = False,
    frames: str | Path | None = None,
    classes: str | None = None,
    backbone_style: BackboneStyle | None = None,
    step: Step = lambda _: None,
) -> Export:
    """Export a checkpoint to a bundle folder (default: `<ckpt stem>` or `<ckpt stem>-fp16` in the working directory).

    frames: a video whose first frames the proof uses; None takes the photographs that ship with stc. classes,
    backbone_style: what a weight file cannot tell, see `stc.model.checkpoint.load`. step: called with a line per step.
    A missed budget does not raise: see `Export.verdict`. Raises CheckpointError or InputError for unusable files,
    MissingDependencyError without onnxruntime.
    """
    ckpt = Path(ckpt)
    target = Path(output) if output else Path(f"{ckpt.stem}{'-fp16' if fp16 else ''}")
    folder.check_replaceable(target)
    load_onnxruntime()
    step("reading the checkpoint")
    source = checkpoint.load(ckpt, classes=classes, backbone_style=backbone_style)
    pictures = reference_frames(source.config, None if frames is None else Path(frames))
    step(f"running PyTorch on {len(pictures)} frames")
    expected, stages = reference.run(source.model, pictures)

    passport = _passport(source, ckpt, fp16, frames)
    graphs: dict[str, Graph] = {}
    verifications = []
    for precision in ("fp32", "fp16") if fp16 else ("fp32",):
        step(f"exporting {FILES[precision]}")
        graphs[precision] = trace(source.model, half=precision == "fp16")
        step(f"comparing {FILES[precision]} with PyTorch")
        verifications.append(verify(graphs[precision], expected, stages, passport, precision))

    agreement = {FILES[v.precision]: v.agreement.to_dict() for v in verifications}
    passport = replace(passport, agreement=agreement)
    with folder.replacing(target) as temporary:
        for precision, graph in graphs.items():
            path = temporary / FILES[precision]
            path.write_bytes(with_passport(graph.deployed, passport).SerializeToString())
        expected.write(temporary / reference_file.FILE_NAME)
        passport = replace(passport, files={path.name: sha256(path) for path in sorted(temporary.iterdir())})
        passport.write(temporary)
        write_report(temporary, passport, verifications, NO_ENGINE)
    return Export(target, passport, tuple(verifications))


def _passport(source: Checkpoint, ckpt: Path, fp16: bool, frames: str | Path | None) -> Passport:
    config: ModelConfig = source.config
    precision = "fp16" if fp16 else "fp32"
    return Passport(
        name=ckpt.stem,
        classes=config.classes,
        input_size=config.input_size,
        padded_size=config.padded_size,
        resize=config.resize,
        border=config.border_bgr,
        max_detections=config.max_detections,
        embedding_dim=config.track_dim,
        mask_stride=config.mask_out_stride,
        score_threshold=config.score_threshold**0.5,  # a shown score is the square root of class x centerness
        nms_threshold=config.nms_threshold,
        tracker=asdict(TrackerConfig()),
        precision={"type": precision, "fp32_islands": fp32_islands(config, precision)},
        checkpoint={"file": ckpt.name, "sha256": source.sha256, "layout": source.layout, "assumed": source.assumed},
        model=config.to_dict(),
        op={"name": f"{DOMAIN}::{OP}", "version": OP_VERSION, "plugin": None},
        tools={
            "stc": __version__,
            "python": platform.python_version(),
            "opset": str(OPSET),
            "onnxruntime": load_onnxruntime().__version__,
            **{name: version(name) for name in ("torch", "onnx", "onnxscript")},
        },
        flags={"fp16": fp16, "frames": None if frames is None else Path(frames).name},
    )
