"""Stand-ins for what the originals import where they were not compiled.

None is called for a frame in evaluation, but suppression in mmcv's extension, which torchvision's computes. What is
installed is taken as it is: these come last.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

MMCV = "mmcv._ext"
NAMES = {"adet._C", "detectron2._C", MMCV, "skimage", "skimage.color"}


class StandIn(ModuleType):
    """A module that has everything, and says so when something of it is called."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []  # skimage has modules in it

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def never(*_: object, **__: object) -> NoReturn:
            raise NotImplementedError(f"{self.__name__}.{name} stands in for compiled code; install the real one")

        return never


class StandIns(MetaPathFinder, Loader):
    """Finds a `StandIn` under each of `NAMES`."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in NAMES else None

    def create_module(self, spec: ModuleSpec) -> StandIn:
        return StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        if module.__name__ == MMCV:
            module.__dict__["nms"] = _nms


def install() -> None:
    """From now on, in this process, what nobody else finds is stood in for."""
    sys.meta_path.append(StandIns())


def _nms(boxes: Any, scores: Any, iou_threshold: float, offset: int) -> Any:
    """Rows that greedy suppression keeps, best score first. boxes: (n, 4) xyxy. offset: 0, of pixels as points."""
    from importlib import import_module

    if offset:
        raise NotImplementedError("boxes of whole pixels (offset 1) are not suppressed here")
    return import_module("torchvision.ops").nms(boxes, scores, iou_threshold)
