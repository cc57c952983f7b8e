"""From a checkpoint to a bundle: ONNX with the op `stc::DynamicMaskHead`, its passport, and the proof that it agrees.

>>> from stc.export import export
>>> bundle = export("model.pth", precision="fp16")   # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stc.export.bundle import export as export
    from stc.export.folder import Export as Export

__all__ = ["Export", "export"]


def __getattr__(name: str) -> Any:
    # Lazy: `stc-export --help` must not wait for torch, and `stc-export --onnx` does without it.
    if name == "Export":
        from stc.export.folder import Export

        return Export
    if name == "export":
        from stc.export.bundle import export

        return export
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
