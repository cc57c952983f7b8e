"""An engine for a bundle that exists: from its ONNX file, without the checkpoint and without PyTorch."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import onnx

from stc.errors import IncompatibleError, InputError, Missing, MissingDependencyError
from stc.export import folder, report
from stc.export.engine import build as describe
from stc.export.engine.build import build, check
from stc.export.engine.options import EngineOptions, for_sizes
from stc.export.engine.parse import load
from stc.export.engine.progress import Display, Silent, Step
from stc.export.engine.toolchain import choose
from stc.export.folder import Export, finish
from stc.export.graph.precision import FILES, Precision
from stc.export.sizes import Batch
from stc.runtime.bundle import passport as passports
from stc.runtime.bundle.engine_record import ENGINE_FILE


def rebuild(
    model: str | Path,
    output: str | Path | None = None,
    *,
    engine: EngineOptions = EngineOptions(),  # noqa: B008  (frozen)
    batch: Batch | None = None,
    overwrite: bool = False,
    step: Step = lambda _: None,
    display: Display = Silent(),  # noqa: B008  (it has no state)
) -> Export:
    """Build `engine.plan` from an ONNX file of a bundle; the bundle with it replaces the old one, or goes to `output`.

    batch: for an ONNX file of any batch size, those of the engine; None: as the export was called. overwrite: see
    `stc.export.export`; an engine.plan in the bundle itself is replaced without it. The verdict is the
    export's own: nothing is compared again. Raises InputError for what is no bundle, a file that is missing or an
    option that does not fit, IncompatibleError for a file that was altered, and what
    `stc.export.engine.build.build` raises.
    """
    model = Path(model)
    if not model.is_file():
        raise InputError(f"{model}: no such file; give a model.onnx of a bundle, or a checkpoint with: --ckpt FILE")
    target = model.parent if output is None else Path(output)
    precision = _precision(model)
    passport = passports.read(model.parent)
    if not passport.checkpoint or not passport.precision:  # what the report tells
        raise IncompatibleError(f"{model}: its passport does not say what it was exported from; {passports.FIX}")
    names = folder.ALWAYS | {*passport.files, ENGINE_FILE}
    own = target.exists() and target.samefile(model.parent)
    into = folder.bundle(target, names, overwrite=overwrite or own)
    for name in passport.files.keys() - {ENGINE_FILE}:
        passports.verify_file(passport, model.parent / name)
    passports.verify_file(passport, model)
    flavour = choose(engine.trt)
    if isinstance(flavour, Missing):
        raise MissingDependencyError(f"no engine to rebuild: {flavour.reason}")
    check(flavour, engine)

    content = model.read_bytes()
    exported = passport.flags.get("batch") or ()
    engine = replace(engine, batch=_batch(load(content, str(model)), batch, Batch(*exported)))
    engine = for_sizes(engine, passport.shortest_edge is None, passport.letterbox, passport.input_size)
    step(f"building {ENGINE_FILE} with {flavour.title}")
    built = build(content, model.name, flavour, engine, precision, display)
    verifications = report.read(model.parent)
    with into.filled(last=passports.FILE_NAME) as temporary:
        for name in passport.files.keys() - {ENGINE_FILE}:
            shutil.copy2(model.parent / name, temporary / name)
        (temporary / ENGINE_FILE).write_bytes(built.plan)
        sentence = describe.sentence(built)
        passport = replace(passport, engine=built.record.to_dict())
        passport = finish(temporary, passport, names - folder.ALWAYS, verifications, sentence)
    return Export(target, passport, verifications, sentence)


def _precision(model: Path) -> Precision:
    for precision, name in FILES.items():
        if name == model.name:
            return precision
    raise InputError(f"{model}: not a file of a bundle; its models are called {', '.join(FILES.values())}")


def _batch(model: onnx.ModelProto, asked: Batch | None, exported: Batch) -> Batch:
    """The batch sizes of the engine, which a fixed one in the file decides."""
    fixed: int = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    if not fixed:
        return asked or exported
    if asked is not None and asked.fixed != fixed:
        raise InputError(f"--batch {asked}: this file takes {fixed} pictures; {passports.FIX}")
    return Batch(fixed, fixed, fixed)
