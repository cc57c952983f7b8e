"""What can be set of the elements: one data class for each, whose fields are its properties."""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, cast

from stc.cli import meant_by
from stc.errors import InputError
from stc.runtime.drawing.style import LONGEST_TRAIL, Style
from stc.runtime.machine.engine_names import ENGINES, EngineName
from stc.runtime.tracking.config import RULE_NAMES, RuleName

MOST = 2**31 - 1


def _property(default: Any, says: str, least: float = 0, most: float = MOST) -> Any:
    return field(default=default, metadata={"says": says, "least": least, "most": most})


@dataclass(frozen=True)
class TrackSettings:
    """Of `stctrack`: the options of `stc-track` by the same names. Nothing is checked before `read`."""

    model: str = _property("", "Bundle of stc-export, or its model.onnx or engine.plan")
    every: int = _property(1, "Find and track in every Nth frame; those between pass as they are", 1)
    classes: str = _property("", "Names of the classes to keep, A,B (empty: all)")
    score: float = _property(-1.0, "Keep detections with at least this score (-1: the model's own)", -1, 1)
    tracker: str = _property("", f"Tracking rule: {', '.join(RULE_NAMES)} (empty: the model's own)")
    zones: str = _property("", "JSON file of lines and areas in which tracks are counted")
    jsonl: str = _property("", "File that takes a line of JSON for each frame that was looked at; - is stdout")
    device: str = _property("", "cpu, cuda or cuda:N (empty: cuda for a plan, else cpu)")
    engine: str = _property("", f"What runs an ONNX file: {', '.join(ENGINES)} (empty: the fastest)")
    threads: int = _property(0, "CPU threads of the engine (0: one for each core)", 0)
    post_messages: bool = _property(True, "Post what was found on the bus, for each frame that was looked at")

    def read(self) -> TrackSettings:
        """These settings. Raises InputError where one is none of what can be chosen, or `model` is missing."""
        if not self.model:
            raise InputError("no model; set one: stctrack model=BUNDLE, a folder of stc-export")
        for name, known in (("tracker", RULE_NAMES), ("engine", ENGINES)):
            value = getattr(self, name)
            if value and value not in known:
                raise InputError(f"{name}={value}: unknown{meant_by(value, known)}; known: {', '.join(known)}")
        return self

    @property
    def loading(self) -> Loading:
        """What decides which session it is: streams that agree in it share one."""
        engine = cast(EngineName, self.engine) if self.engine else None
        return Loading(str(Path(self.model).resolve()), self.device or None, engine, self.threads or None)

    @property
    def rule(self) -> RuleName | None:
        return cast(RuleName, self.tracker) if self.tracker else None

    @property
    def wanted(self) -> tuple[str, ...] | None:
        """The classes to keep; None: all."""
        return tuple(name.strip() for name in self.classes.split(",")) if self.classes else None

    @property
    def least_score(self) -> float | None:
        return None if self.score < 0 else self.score


@dataclass(frozen=True)
class Loading:
    """The arguments of `Session` by the same names; the model's path is absolute."""

    model: str
    device: str | None = None
    engine: EngineName | None = None
    threads: int | None = None


@dataclass(frozen=True)
class OverlaySettings:
    """Of `stcoverlay`: `stc.runtime.Style`."""

    alpha: float = _property(Style.alpha, "Of the tint inside a mask, 0 (none) to 1", 0, 1)
    thickness: int = _property(-1, "Of outlines and boxes in pixels; 0: none, -1: by the size of the frame", -1, 255)
    labels: bool = _property(True, "Draw #id class score")
    boxes: bool = _property(False, "Draw boxes too")
    trails: int = _property(0, "Draw the path of a track's last N positions (0: none)", 0, LONGEST_TRAIL)

    @property
    def style(self) -> Style:
        return Style(self.alpha, None if self.thickness < 0 else self.thickness, self.labels, self.boxes, self.trails)


def properties(settings: type, flags: int) -> dict[str, tuple[Any, ...]]:
    """The fields of a settings class as PyGObject's `__gproperties__`; `flags` of each."""
    return {property_name(each.name): _described(each, flags) for each in fields(settings)}


def property_name(name: str) -> str:
    """A field's name as GObject has it, `post-messages`."""
    return name.replace("_", "-")


def _described(each: Field[Any], flags: int) -> tuple[Any, ...]:
    kind = type(each.default)
    range_ = tuple(kind(each.metadata[end]) for end in ("least", "most")) if kind in (int, float) else ()
    return (kind, property_name(each.name), each.metadata["says"], *range_, each.default, flags)
