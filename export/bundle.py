"""The whole export: read, run in PyTorch, write ONNX, run that, compare, build the engine, and only then put the bundle
in its place.
"""

from __future__ import annotations

import logging
import platform
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from stc import __version__
from stc.benchmarks import reference as reference_file
from stc.benchmarks.evaluation.annotated import Annotated
from stc.benchmarks.reference import Reference
from stc.errors import InputError, Missing
from stc.export import folder
from stc.export.engine import build as describe
from stc.export.engine.apart import build_apart
from stc.export.engine.build import Engine, check
from stc.export.engine.options import EngineOptions, for_sizes
from stc.export.engine.progress import Display, Silent, Step
from stc.export.engine.toolchain import Toolchain, choose
from stc.export.folder import Export, finish
from stc.export.graph.graph import Graph, trace, with_passport
from stc.export.graph.precision import FILES, OPSETS, Precision, fp32_islands
from stc.export.graph.quantise import quantise
from stc.export.memory import give_back
from stc.export.proof import frames as reference
from stc.export.proof import ground_truth, other_engine
from stc.export.proof.frames import calibration_frames, reference_frames
from stc.export.proof.verification import NotCompared, Verification
from stc.export.proof.verify import compare_speed, load_onnxruntime, runs, verify
from stc.export.sizes import configured
from stc.folders import Folder
from stc.model import checkpoint
from stc.model.checkpoint import Checkpoint
from stc.model.checkpoint.options import AS_THE_FILE_SAYS, Reading
from stc.model.checkpoint.passport import passport_of
from stc.model.function_body import DOMAIN, OP, OP_VERSION
from stc.runtime.backends.cut_graph import beside, file_of
from stc.runtime.bundle import engines
from stc.runtime.bundle.engine_record import ENGINE_FILE
from stc.runtime.bundle.passport import FILE_NAME, Passport

logger = logging.getLogger(__name__)


def export(
    ckpt: str | Path,
    output: str | Path | None = None,
    *,
    precision: Precision = "fp32",
    frames: str | Path | None = None,
    calib: str | Path | None = None,
    data: Annotated | None = None,
    reading: Reading = AS_THE_FILE_SAYS,
    size: tuple[int, int] | None = None,
    max_detections: int | None = None,
    appearance: bool | None = None,
    engine: EngineOptions = EngineOptions(),  # noqa: B008  (frozen)
    overwrite: bool = False,
    step: Step = lambda _: None,
    display: Display = Silent(),  # noqa: B008  (it has no state)
    **options: Any,
) -> Export:
    """Export a checkpoint to a bundle folder (default: `<ckpt stem>` or `<ckpt stem>-<precision>` in the working
    directory).

    precision: of the engine, and of a second ONNX file beside the float32 one. frames: a video whose first frames the
    proof uses; None takes the photographs that ship with stc. calib: a video to calibrate int8 on, needed for it and
    for nothing else. data: annotated clips or pictures, on which files of fewer bits must score as float32 does.
    reading, or its fields as `options` (`classes="coco"`): what a weight file cannot tell, see
    `stc.model.checkpoint.load`. size: (H, W) of the input in pixels, max_detections: the capacity K, appearance:
    whether objects have the mean of C3 under their mask; None: the model's. engine: which TensorRT builds the engine
    and how, and the batch sizes, also of the ONNX files. overwrite: replace what no export wrote too, where a file of
    the bundle has its name; all else in the folder stays in any case. step: called with a line per step; display: told
    of the engine build's phases.

    A missed budget does not raise: see `Export.verdict`. Raises CheckpointError or InputError for unusable files and
    options, MissingDependencyError without onnxruntime or the TensorRT asked for, IncompatibleError when it cannot
    build the engine, AccuracyError when the engine would not be of the precision asked for.
    """
    if (calib is not None) != (precision == "int8"):
        raise InputError(
            "--int8 and --calib VIDEO go together: int8 needs frames to calibrate on, and nothing else does"
        )
    ckpt = Path(ckpt)
    target = Path(output) if output else Path(ckpt.stem if precision == "fp32" else f"{ckpt.stem}-{precision}")
    load_onnxruntime()
    flavour = _flavour(engine)
    names = _names(precision, flavour)
    into = _folder(target, names, overwrite)
    reading = replace(reading, **options)
    engine, passport, scored, expected, files = _proven(
        ckpt, precision, frames, calib, data, reading, (size, max_detections, appearance), engine, step
    )
    give_back()
    built: Engine | Missing
    if isinstance(flavour, Toolchain):
        step(f"building {ENGINE_FILE} with {flavour.title}")
        built = build_apart(files[FILES[precision]], FILES[precision], flavour, engine, precision, display)
        passport = replace(passport, engine=built.record.to_dict())
    else:
        built = flavour
    with into.filled(last=FILE_NAME) as temporary:
        _fill(temporary, files, built, expected)
        del files
        give_back()
        step("asking OpenVINO")
        others = other_engine.verdicts(temporary, passport, expected, engine.batch, engines.here(), scored.float32)
        passport = replace(passport, agreement={**passport.agreement, **others})
        verifications, sentence = tuple(scored.verifications), describe.sentence(built)
        passport = finish(temporary, passport, names - folder.ALWAYS, verifications, sentence)
    return Export(target, passport, verifications, sentence)


class _Proven(NamedTuple):
    """What is left of the model and its graphs once they have been compared. files: of the bundle, by name."""

    engine: EngineOptions
    passport: Passport
    scored: ground_truth.Judged
    expected: Reference
    files: dict[str, bytes]


def _proven(
    ckpt: Path,
    precision: Precision,
    frames: str | Path | None,
    calib: str | Path | None,
    data: Annotated | None,
    reading: Reading,
    changes: tuple[tuple[int, int] | None, int | None, bool | None],
    engine: EngineOptions,
    step: Step,
) -> _Proven:
    """The part that needs PyTorch and ONNX Runtime: the model and all graphs are gone when it returns.

    changes: the size, capacity and appearance of `export`.
    """
    step("reading the checkpoint")
    source = configured(checkpoint.load(ckpt, reading), *changes)
    ground_truth.check(data, source.config.classes, engine.batch)
    pictures = reference_frames(source.config, None if frames is None else Path(frames))
    calibration = pictures if calib is None else calibration_frames(source.config, Path(calib))
    engine = for_sizes(engine, source.config.shortest_edge is None, source.config.letterbox, pictures.shape[1:3])
    step(f"running PyTorch on {len(pictures)} frames")
    expected, stages = reference.run(source.model, pictures)

    passport = _passport(source, ckpt, precision, frames, calib, engine)
    graphs: dict[Precision, Graph] = {}
    verifications: list[Verification | NotCompared] = []
    for kind in _precisions(precision):
        step(f"exporting {FILES[kind]}")
        if kind == "int8":
            graphs[kind] = quantise(graphs["fp32"], calibration, lambda model, x: runs(model, x, engine.batch))
        else:
            graphs[kind] = trace(source.model, kind, engine.batch)
        give_back()
        step(f"comparing {FILES[kind]} with PyTorch")
        found = verify(
            graphs[kind], expected, stages, passport, kind, engine.batch, source.model if kind == "fp32" else None
        )
        give_back()
        if isinstance(found, Verification) and found.settled is not None:
            expected = found.settled
        if kind == "int8" and isinstance(found, Verification):
            step(f"timing {FILES[kind]}")
            found = replace(found, speed=compare_speed(graphs[kind], graphs["fp32"], pictures, engine.batch))
        verifications.append(found)
    scored = ground_truth.judge(data, passport, graphs, verifications)

    passport = replace(
        passport,
        precision={**passport.precision, "fp32_islands": fp32_islands(graphs[precision].islands, precision)},
        agreement=scored.records(),
    )
    files, cuts = _with_cuts(
        {FILES[kind]: with_passport(graph.deployed, passport).SerializeToString() for kind, graph in graphs.items()}
    )
    return _Proven(engine, replace(passport, cuts=cuts), scored, expected, files)


def _fill(folder: Path, files: dict[str, bytes], built: Engine | Missing, expected: Reference) -> None:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    if isinstance(built, Engine):
        (folder / ENGINE_FILE).write_bytes(built.plan)
    expected.write(folder / reference_file.FILE_NAME)


def _with_cuts(models: dict[str, bytes]) -> tuple[dict[str, bytes], dict[str, Any]]:
    """All files, by name: the models and beside each its graph without the mask head; and the records of those."""
    cuts = {name: beside(content, name) for name, content in models.items()}
    files = models | {record.file: content for content, record in cuts.values()}
    return files, {name: record.to_dict() for name, (_, record) in cuts.items()}


def _flavour(engine: EngineOptions) -> Toolchain | Missing:
    """Fail on what cannot work before the slow part, and on engine options where no engine will be built."""
    flavour = choose(engine.trt)
    if isinstance(flavour, Toolchain):
        check(flavour, engine)
    elif asked := engine.asked():
        raise InputError(f"{', '.join(asked)}: no engine is built: {flavour.reason}")
    return flavour


def _folder(target: Path, names: frozenset[str], overwrite: bool) -> Folder:
    """Where the bundle goes; warns of files of an earlier one that will not be made again."""
    into = folder.bundle(target, names, overwrite=overwrite)
    if gone := into.left_out(names):
        logger.warning(
            "%s: %s of the bundle that is there will be gone: this export makes none", target, " and ".join(gone)
        )
    return into


def _names(precision: Precision, flavour: Toolchain | Missing) -> frozenset[str]:
    """The files of the bundle."""
    engine = {ENGINE_FILE} if isinstance(flavour, Toolchain) else set()
    models = {FILES[kind] for kind in _precisions(precision)}
    return folder.ALWAYS | {reference_file.FILE_NAME, *models, *map(file_of, models)} | engine


def _precisions(precision: Precision) -> tuple[Precision, ...]:
    return ("fp32",) if precision == "fp32" else ("fp32", precision)


def _passport(
    source: Checkpoint,
    ckpt: Path,
    precision: Precision,
    frames: str | Path | None,
    calib: str | Path | None,
    engine: EngineOptions,
) -> Passport:
    return replace(
        passport_of(source, ckpt.name, ckpt.stem),
        precision={
            "type": precision,
            "files": {FILES[kind]: kind for kind in _precisions(precision)},
        },
        op={"name": f"{DOMAIN}::{OP}", "version": OP_VERSION},
        tools={
            "stc": __version__,
            "python": platform.python_version(),
            "opset": str(OPSETS[precision]),
            "onnxruntime": load_onnxruntime().__version__,
            **{name: version(name) for name in ("torch", "onnx", "onnxscript")},
        },
        flags={
            "precision": precision,
            "batch": engine.batch.to_tuple(),
            "frames": None if frames is None else Path(frames).name,
            "calib": None if calib is None else Path(calib).name,
        },
    )
