"""What a training config says about a model: as fields of a `ModelConfig`, or as what no model of ours has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from stc.errors import InputError
from stc.model.checkpoint.configs import literals
from stc.model.config import FIELDS, ModelConfig
from stc.runtime import schema
from stc.runtime.letterbox import shortest_edge_size

CodeBase = Literal["detectron2", "mmengine"]
FIX = "give the config that this checkpoint was trained with: --config FILE"
VIDEO = (9, 16)  # (H, W) of the frames that a size is made for where a rule makes it of the frame
ABSENT = object()
_LONGEST_LITERAL = 1000


@dataclass(frozen=True)
class Said:
    """One field: its value, and the entry of the config that says it."""

    value: Any
    key: str


@dataclass(frozen=True)
class Statements:
    """A training config, read. source: in words, for messages. unsupported: what no model of ours has, in words."""

    source: str = ""
    code_base: CodeBase | None = None
    said: Mapping[str, Said] = field(default_factory=dict)
    unsupported: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`source` without its folder: a passport tells nothing of the machine that it was made on."""
        return Path(self.source).name

    def with_class_names(self, names: Said) -> Statements:
        return replace(self, said={**self.said, "classes": names})

    def check(self) -> None:
        """Raises InputError for a config of a model that is none of ours, naming all that makes it so."""
        if self.unsupported:
            listed = "; ".join(self.unsupported)
            raise InputError(
                f"{self.source}: a model that is not supported: {listed}; give a checkpoint of one that is "
                "(docs/checkpoints.md), or with --config FILE the config that this one was trained with"
            )

    def applied(self, config: ModelConfig, fields: Iterable[str]) -> tuple[ModelConfig, dict[str, str]]:
        """`config` with those of `fields` that are said, and in words where each comes from.

        Raises InputError for values that do not go together.
        """
        taken = {name: self.said[name] for name in fields if name in self.said}
        try:
            changed = config.with_(**{name: said.value for name, said in taken.items()})
        except ValueError as error:
            raise InputError(f"{self.source}: {error}; {FIX}") from error
        return changed, {name: f"{_shown(said.value)} ({said.key} of {self.name})" for name, said in taken.items()}

    def contradiction(self, config: ModelConfig, fields: Iterable[str]) -> str | None:
        """In words, where one of `fields` is another in `config`, which the weights tell; None where all agree."""
        for name in fields:
            if name in self.said and self.said[name].value != (of_weights := getattr(config, name)):
                said = self.said[name]
                return f"{said.key} of {self.source} says {name} {_shown(said.value)}, its weights {_shown(of_weights)}"
        return None


@dataclass(frozen=True)
class Entry:
    """An entry that says one or more fields; `convert` makes their value of its own, `ABSENT` where it says nothing."""

    key: str
    fields: tuple[str, ...]
    convert: Callable[[Any], Any] = lambda value: value


@dataclass(frozen=True)
class Required:
    """An entry that has one of `values` in every model of ours; another one is the variant `name`.

    default: what the code base takes where the config says nothing; None: what we have.
    """

    key: str
    values: tuple[Any, ...]
    name: str
    default: Any = None


def said_by(tree: Mapping[str, Any], entries: Iterable[Entry], source: str) -> dict[str, Said]:
    """The fields that `entries` of `tree` say. Raises InputError for a value that its field cannot have."""
    found: dict[str, Said] = {}
    wrong = []
    for entry in entries:
        value = lookup(tree, entry.key)
        value = value if value is ABSENT else plain(entry.convert(value))
        if value is ABSENT:
            continue
        for name in entry.fields:
            wrong += schema.problems({name: value}, _FIELDS, f"{entry.key}, ")
            found.setdefault(name, Said(value, entry.key))
    if wrong:
        raise InputError(f"{source}: {schema.sentence(wrong)}; {FIX}")
    return found


def unsupported_in(tree: Mapping[str, Any], required: Iterable[Required]) -> tuple[str, ...]:
    """In words, what `tree` has otherwise than every model of ours."""
    found = []
    for entry in required:
        value = lookup(tree, entry.key)
        if value is ABSENT:
            parent = lookup(tree, entry.key.rpartition(".")[0])
            value = ABSENT if entry.default is None or parent is ABSENT else entry.default
        if value is not ABSENT and plain(value) not in entry.values:
            found.append(f"{entry.name} ({entry.key} {_shown(plain(value))})")
    return tuple(found)


def lookup(tree: Any, key: str) -> Any:
    """What `tree` holds under the dotted `key`; `ABSENT` where it holds nothing, or something computed.

    detectron2 reads texts as Python literals, so that YAML may hold tuples: "(640, 672)".
    """
    for name in key.split("."):
        if not isinstance(tree, Mapping) or name not in tree:
            return ABSENT
        tree = tree[name]
    if isinstance(tree, literals.Unknown):
        return ABSENT
    is_literal = isinstance(tree, str) and tree[:1] in ("(", "[") and len(tree) <= _LONGEST_LITERAL
    return literals.value(tree) if is_literal else tree


def plain(value: Any) -> Any:
    """Lists as tuples, as a `ModelConfig` has them."""
    return tuple(value) if isinstance(value, list) else value


def resnet(depth: Any) -> Any:
    """Our name of a backbone, which both code bases call by its depth."""
    return f"resnet{depth}" if isinstance(depth, int) else depth


def resized(key: str, shortest_edge: tuple[int, int]) -> dict[str, Said]:
    """Both fields of `ModelConfig` that say how frames are resized; `key` says it in the config.

    shortest_edge: pixels of the shorter side, unless the longer one exceeds the second (detectron2's
    ResizeShortestEdge, mmdetection's Resize with keep_ratio).
    """
    size = shortest_edge_size(VIDEO, shortest_edge, "linear")  # rounded once
    return {"input_size": Said(size, key), "shortest_edge": Said(shortest_edge, key)}


def edges(shorter: Any, longest: Any) -> tuple[int, int] | None:
    """Both, where they are numbers of pixels."""
    sides = (shorter, longest)
    return None if any(schema.problems({"side": side}, {"side": _SIDE}) for side in sides) else sides


_SIDE = schema.integer(32, 8192)
_FIELDS = {**FIELDS, "num_classes": schema.integer(1, 10_000)}


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(schema.shown(item) for item in value[:8])
    return value[: schema.SHOWN] if isinstance(value, str) else schema.shown(value)
