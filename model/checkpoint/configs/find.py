"""The config that a checkpoint was trained with: the one that the user names, what the file itself holds, or
`config.yaml` beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stc.boundary import foreign, reason
from stc.errors import InputError
from stc.model.checkpoint.configs import detectron2, literals, mmengine
from stc.model.checkpoint.configs.statements import FIX, CodeBase, Said, Statements, lookup
from stc.runtime import schema

BESIDE = "config.yaml"  # as detectron2 calls it in OUTPUT_DIR
_IN_THE_FILE = ("cfg", "config")  # entries of `meta`: mmengine's, mmcv's
_CLASSES = ("dataset_meta.classes", "dataset_meta.CLASSES", "classes", "CLASSES")
_NAMES = schema.items(schema.text(1000), 1, 10_000)
_WHOLE = "give the whole one, as training wrote it"


def named(path: Path) -> Statements:
    """The config that the user names. Raises InputError for one that cannot be read or is of no known code base."""
    tree = _tree(path)
    if detectron2.is_one(tree):
        return detectron2.read(tree, str(path))
    if mmengine.is_one(tree):
        return mmengine.read(tree, str(path))
    if "_base_" in tree or "_BASE_" in tree:
        raise InputError(f"--config {path}: rests on another file (_base_); {_WHOLE}")
    raise InputError(
        f"--config {path}: neither a config of detectron2 (MODEL) nor of mmdetection (model.bbox_head); {_WHOLE}"
    )


def of_file(path: Path, meta: Mapping[str, Any], code_base: CodeBase | None) -> tuple[Statements, dict[str, str]]:
    """What goes with the checkpoint at `path`, whose names are those of `code_base`, and in words what is passed over.

    meta: what mmengine keeps beside the weights. Raises InputError for values that no model of ours can have.
    """
    if code_base == "mmengine":
        return _in(path, meta)
    beside = path.with_name(BESIDE)
    if code_base != "detectron2" or not beside.is_file():
        return Statements(), {}
    try:
        tree = _tree(beside)
    except InputError as error:
        return Statements(), {"config": f"the code base's own, because of {error}"}
    return (detectron2.read(tree, str(beside)) if detectron2.is_one(tree) else Statements()), {}


def check_code_base(found: Statements, code_base: CodeBase | None, path: Path, layout: str) -> None:
    """Raises InputError for a config of another code base than the names of the weights."""
    if None not in (found.code_base, code_base) and found.code_base != code_base:
        raise InputError(f"{found.source}: a config of {found.code_base}, but {path} has names of {layout}; {FIX}")


def _in(path: Path, meta: Mapping[str, Any]) -> tuple[Statements, dict[str, str]]:
    """`meta` of a file of mmdetection: the text of its config, and the names of its classes."""
    source = f"the meta of {path.name}"
    text = next((text for name in _IN_THE_FILE if isinstance(text := meta.get(name), str)), None)
    found, passed_over = Statements(source), {}
    if text is not None:
        try:
            tree = literals.assignments(text)
        except ValueError as error:
            passed_over["config"] = f"the code base's own, because that in the file cannot be read ({reason(error)})"
        else:
            found = mmengine.read(tree, source) if mmengine.is_one(tree) else found
    for key in _CLASSES:
        names = lookup(meta, key)
        if isinstance(names, list | tuple) and not schema.problems({key: names}, {key: _NAMES}):
            return found.with_class_names(Said(tuple(names), key)), passed_over
    return found, passed_over


def _tree(path: Path) -> dict[str, Any]:
    """The content of a YAML, JSON or Python file, by its suffix. Raises InputError for anything else."""
    try:
        if path.stat().st_size > literals.MAX_LETTERS:
            raise InputError(f"{path}: more than {literals.MAX_LETTERS:,} bytes, so no config; {FIX}")
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".py":
            tree: Any = literals.assignments(text)
        else:
            tree = json.loads(text) if path.suffix == ".json" else _yaml(text, path)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: a config that cannot be read ({reason(error)}); {FIX}") from error
    if not isinstance(tree, dict):
        raise InputError(f"{path}: holds no entries, so no config; {FIX}")
    return tree


def _yaml(text: str, path: Path) -> Any:
    import yaml

    with foreign("PyYAML", path, FIX):
        return yaml.safe_load(text)
